"""Config files to objects: mmengine's pure-Python configs, strict overrides, and building leaves first.

A config names classes directly: `model = dict(type=QueryInst, backbone=dict(type=ResNet, depth=50))`. It inherits another inside
`with read_base():`, ours by `from queryinst_vis.configs.NAME import *` from any folder, be we installed or a clone, neighbours by
`from .base.NAME import *`. `{data_root}` in a string stands for the setting of that name; the strings "{classes}" and
"{num_classes}" stand for the setting `classes` and its length. Top-level names are the settings of training/recipe.py; helper
variables start with an underscore.
"""

import ast
import difflib
import importlib.util
import inspect
import os
import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import mmengine.config.config as mmengine_config
from mmengine import Config
from mmengine.config.lazy import LazyAttr, LazyObject
from mmengine.registry import Registry

from queryinst_vis.errors import UserError
from queryinst_vis.limits import misfit
from queryinst_vis.models.base import ImageModel
from queryinst_vis.registry import DATASETS, METRICS, MODELS, TRACKERS
from queryinst_vis.training.recipe import Recipe

_PACKAGE = Path(__file__).resolve().parent
_WRONG_VALUE = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError)  # torch raises the fifth
_MOST_LISTED = 20  # names in a message


class ConfigError(UserError):
    """A config file, an override or an argument that does not fit."""


# Loading


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """The config of a file, or of a name of one we ship, with overrides `key.sub.0=value` (a Python literal, else text).

    Raises ConfigError, in one line: no such file, an error in it, an unknown setting, an override of a key that does not exist.
    """
    path = _find(path)
    settings = _read(path)
    for name in settings:
        if name not in Recipe.names():
            raise ConfigError(f"{path}: {_unknown('setting', name, Recipe.names())}; names of helpers start with an underscore")
    for override in overrides:
        settings = _overridden(settings, override)
    settings = _mapped(settings, lambda leaf: _filled(leaf, settings) if isinstance(leaf, str) else leaf)
    return Config(settings, filename=str(path))


def configs_folder() -> Path:
    """Where our configs lie: in the package when it was installed, beside it in a clone."""
    folder = next((f for f in (_PACKAGE / "configs", _PACKAGE.parent / "configs") if f.is_dir()), None)
    if folder is None:
        raise ConfigError(f"no configs folder in {_PACKAGE} or beside it")
    return folder


def shipped_configs() -> dict[str, Path]:
    """The files of our configs by name, from all folders but base/, whose files are parts of configs."""
    folder = configs_folder()
    files = (file for file in sorted(folder.rglob("*.py")) if file.relative_to(folder).parts[0] != "base")
    return {file.stem: file for file in files}


def _find(path: str | Path) -> Path:
    """A name alone is one of ours, whatever lies in the current folder: configs are code, and that of a file runs only when the
    file is named by its path."""
    text = str(path)
    is_name = not Path(text).suffix and not any(separator in text for separator in ("/", os.sep, "~"))
    if not is_name:
        path = Path(text).expanduser()
        if not path.is_file():
            raise ConfigError(f"{path}: no such config file")
        return path
    shipped = shipped_configs()
    if text not in shipped:
        raise ConfigError(
            f"{_unknown('config', text, shipped)}; a file of yours is named by its path, e.g. ./my_config.py, and its code runs"
        )
    return shipped[text]


def _read(path: Path) -> dict[str, Any]:
    """Settings of a file, imports done, helpers left out."""
    try:
        config = Config.fromfile(str(path), lazy_import=True)
        return {k: _imported(v) for k, v in config._to_lazy_dict().items() if not k.startswith("_")}
    except SyntaxError as error:
        raise ConfigError(f"{_place(error, path)}, line {error.lineno}: {error.msg}") from error
    except Exception as error:  # a config is a program: anything may happen in it
        first_line = str(error).strip().partition("\n")[0]
        raise ConfigError(f"{_place(error, path)}: {type(error).__name__}: {first_line}") from error


def _place(error: BaseException, path: Path) -> str:
    """The config, or base, where an error rose, and the line if it was running."""
    place = str(path)
    for frame, line in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_name == "_parse_lazy_import":
            place = frame.f_locals["filename"]
        elif frame.f_code.co_filename == place:
            place = f"{place}, line {line}"
    return place


def _imported(value: Any) -> Any:
    """The same with every lazy import done."""
    return _mapped(value, lambda leaf: leaf.build() if isinstance(leaf, LazyObject | LazyAttr) else leaf)


def _filled(text: str, settings: dict[str, Any]) -> Any:
    if text in ("{classes}", "{num_classes}"):
        classes = settings.get("classes")
        if not isinstance(classes, list | tuple):
            raise ConfigError(f"classes={classes!r}: must be a list of names, as {text} in the config stands for it")
        return len(classes) if text == "{num_classes}" else classes
    return text.replace("{data_root}", str(settings.get("data_root", Recipe.data_root)))


def _mapped(value: Any, function: Callable[[Any], Any]) -> Any:
    """Nested dicts, lists and tuples with `function` applied to what they hold."""
    if isinstance(value, dict):
        return {key: _mapped(item, function) for key, item in dict.items(value)}
    if type(value) in (list, tuple):
        return type(value)(_mapped(item, function) for item in value)
    return function(value)


def _package_folder(package: str) -> str:
    """Where `package.module` configs are looked for. Replaces mmengine's, which needs pkg_resources (gone from setuptools 82)."""
    if package == _PACKAGE.name:
        return str(configs_folder().parent)
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(f"the package {package} is not installed")
    return next(iter(spec.submodule_search_locations))


mmengine_config.get_installed_path = _package_folder


# Overrides


def _overridden(settings: dict[str, Any], override: str) -> dict[str, Any]:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"override {override!r}: expected key=value, e.g. batch_size=8")
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = text
    names = key.split(".")
    if names[0] not in settings and names[0] in Recipe.names():
        settings = settings | {names[0]: None}
    return _replaced(settings, names, value, key)


def _replaced(node: Any, names: list[str], value: Any, key: str) -> Any:
    """A copy of `node` in which the item at `names` is `value`. key: the whole path, for errors."""
    if not names:
        return value
    name, *rest = names
    if isinstance(node, dict):
        if name not in node and (rest or name not in _arguments_of(node.get("type"))):
            raise ConfigError(f"override {key}: " + _unknown("key", name, [*node, *_arguments_of(node.get("type"))]))
        return dict(node) | {name: _replaced(node.get(name), rest, value, key)}
    if isinstance(node, list | tuple):
        if not name.isdecimal() or int(name) >= len(node):
            raise ConfigError(f"override {key}: {name!r} is no index of a list of {len(node)} (from 0)")
        index = int(name)
        return type(node)([*node[:index], _replaced(node[index], rest, value, key), *node[index + 1 :]])
    raise ConfigError(f"override {key}: there is nothing below the value {node!r}")


def _unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """One line on a name that does not exist: the nearest one, or those there are, of very many the first."""
    known = sorted(set(known))
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if near:
        return f"no {kind} {name!r}; the nearest is {near[0]!r}"
    more = f" and {len(known) - _MOST_LISTED} more" if len(known) > _MOST_LISTED else ""
    return f"no {kind} {name!r}; there are: {', '.join(known[:_MOST_LISTED]) or 'none'}{more}"


# Building


def build(config: Any, *, for_weights: bool = False) -> Any:
    """Objects of nested dicts with `type` (a class or a registered name), leaves first; an ImageModel remembers its architecture.

    for_weights: all weights will come from a file, so none are fetched for the parts of a model.
    Raises ConfigError for an argument that the class does not have, one that is missing, and values that it refuses.
    """
    return _built(config, _class_for_weights if for_weights else _class_of)


def build_from_json(config: dict[str, Any]) -> ImageModel:
    """The model that `to_json` described. Builds only what is registered in MODELS, so a file cannot name any other code."""
    model = _built(config, _described_class)
    if not isinstance(model, ImageModel):
        raise ConfigError(f"the architecture describes a {type(model).__name__}, expected an image model")
    return model


def _described_class(name: Any) -> Any:
    return _class_for_weights(_registered(name, (MODELS,)))


def _class_for_weights(kind: Any) -> Any:
    """What builds a class: its `from_description`, where it has one because building can start a download."""
    cls = _class_of(kind)
    return getattr(cls, "from_description", cls)


def construct(cls: Callable[..., Any], arguments: dict[str, Any], *positional: Any) -> Any:
    """cls(*positional, **arguments), with one-line errors for names that do not fit."""
    name = getattr(getattr(cls, "__self__", cls), "__name__", str(cls))  # of a class method, its class
    known = _arguments_of(cls)
    if unknown := [argument for argument in arguments if known and argument not in known]:
        raise ConfigError(f"{name}: {_unknown('argument', unknown[0], known)}")
    try:
        inspect.signature(cls).bind(*positional, **arguments)
    except TypeError as error:
        raise ConfigError(f"{name}: {error}") from error
    if wrong := misfit(cls, arguments):
        raise ConfigError(f"{name}: {wrong}")
    try:
        return cls(*positional, **arguments)
    except UserError:
        raise
    except ValueError as error:
        raise ConfigError(f"{name}: {error}") from error
    except _WRONG_VALUE as error:  # a value of the wrong kind, or a mistake of the class itself: so, where
        frame = traceback.extract_tb(error.__traceback__)[-1]
        raise ConfigError(f"{name}: {error} ({type(error).__name__} in {frame.filename}, line {frame.lineno})") from error


def to_json(config: Any) -> Any:
    """The config as plain JSON values, classes by their names in MODELS. Raises ConfigError for what has no such form."""
    if isinstance(config, dict):
        return {key: _registered_name(value) if key == "type" else to_json(value) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return [to_json(item) for item in config]
    if config is None or isinstance(config, bool | int | float | str):
        return config
    raise ConfigError(f"{config!r} in a model's config cannot be written to its weights file: use numbers, text, lists and dicts")


def _built(config: Any, class_of: Callable[[Any], Any]) -> Any:
    if isinstance(config, list | tuple):
        return type(config)(_built(item, class_of) for item in config)
    if not isinstance(config, dict):
        return config
    arguments = {key: _built(value, class_of) for key, value in config.items() if key != "type"}
    if "type" not in config:
        return arguments
    built = construct(class_of(config["type"]), arguments)
    if isinstance(built, ImageModel):
        built.architecture = to_json(config)
    return built


def _arguments_of(cls: Any) -> list[str]:
    """Names of the arguments, [] when they are not known."""
    if not callable(cls):
        return []
    parameters = inspect.signature(cls).parameters.values()
    return [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]


def _class_of(kind: Any) -> Any:
    if isinstance(kind, str):
        return _registered(kind, (MODELS, TRACKERS, DATASETS, METRICS))
    if not callable(kind):
        raise ConfigError(f"type={kind!r}: must be a class or a registered name")
    return kind


def _registered(name: Any, registries: Sequence[Registry]) -> Any:
    known: dict[str, Any] = {}
    for registry in registries:
        registry.import_from_location()
        known |= registry.module_dict
    if not isinstance(name, str) or name not in known:
        raise ConfigError(_unknown("registered class", str(name), known))
    return known[name]


def _registered_name(kind: Any) -> str:
    if isinstance(kind, str):
        return kind
    MODELS.import_from_location()
    for name, cls in MODELS.module_dict.items():
        if cls is kind:
            return name
    raise ConfigError(f"{getattr(kind, '__name__', kind)} is not registered: put @MODELS.register_module() before the class")
