"""Configs: inheritance from anywhere, strict overrides, building leaves first, JSON without code."""

import subprocess
import sys
from pathlib import Path

import pytest

from queryinst_vis.config import ConfigError, build, build_from_json, configs_folder, load_config, shipped_configs, to_json
from queryinst_vis.models.backbones import ResNet
from queryinst_vis.models.base import Preprocess
from queryinst_vis.models.queries import LearnedQueries
from queryinst_vis.models.queryinst import QueryInst

MODEL = """
from queryinst_vis.models.backbones import ResNet
from queryinst_vis.models.base import Preprocess
from queryinst_vis.models.queries import LearnedQueries
from queryinst_vis.models.queryinst import QueryInst

_size = 96
data_root = "data/coco"
model = dict(
    type=QueryInst,
    backbone=dict(type=ResNet, depth=18),
    queries=dict(type=LearnedQueries, num_queries=5, embed_dim=16),
    num_classes=3, num_stages=2, embed_dim=16, num_heads=2, ffn_dim=16, dynamic_dim=4, num_mask_convs=1,
    preprocess=dict(type=Preprocess, short=_size, long=2 * _size),
)
train_dataset = [dict(type=dict, images="{data_root}/train2017"), dict(type=dict, images="/elsewhere")]
epochs = 12
"""

INHERIT = """from mmengine.config import read_base
with read_base():
    from"""


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "base").mkdir()
    path = tmp_path / "base" / "small.py"
    path.write_text(MODEL)
    return path


def write(folder: Path, text: str) -> Path:
    path = folder / "config.py"
    path.write_text(text)
    return path


def test_a_config_names_classes(base: Path) -> None:
    cfg = load_config(base)
    assert cfg.model.type is QueryInst
    assert cfg.model.backbone.type is ResNet
    assert "_size" not in cfg
    assert "QueryInst" not in cfg


def test_a_config_inherits_its_neighbour(base: Path) -> None:
    text = f"{INHERIT} .base.small import *\nmodel.num_stages = 4\nepochs = 36\n"
    cfg = load_config(write(base.parents[1], text))
    assert (cfg.model.num_stages, cfg.model.embed_dim, cfg.epochs) == (4, 16, 36)


@pytest.mark.parametrize(
    ("override", "read"),
    [
        ("epochs=3", lambda cfg: cfg.epochs == 3),
        ("model.backbone.depth=50", lambda cfg: cfg.model.backbone.depth == 50),
        ("train_dataset.1.images=/x", lambda cfg: cfg.train_dataset[1].images == "/x"),
        ("train_dataset.1.images=/x=y", lambda cfg: cfg.train_dataset[1].images == "/x=y"),
        ("data_root=/coco", lambda cfg: cfg.train_dataset[0].images == "/coco/train2017"),
        ("model.preprocess.mean=(1.0, 2.0, 3.0)", lambda cfg: cfg.model.preprocess.mean == (1.0, 2.0, 3.0)),
        ("batch_size=4", lambda cfg: cfg.batch_size == 4),  # a setting the file leaves at its default
        ("lr_multipliers={'backbone': 0.1}", lambda cfg: cfg.lr_multipliers == {"backbone": 0.1}),
        ("model.nms_threshold=0.7", lambda cfg: cfg.model.nms_threshold == 0.7),  # an argument the file leaves at its default
        ("ema=None", lambda cfg: cfg.ema is None),
    ],
)
def test_overrides(base: Path, override: str, read) -> None:
    assert read(load_config(base, [override]))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("epohcs=3", "override epohcs: no key 'epohcs'; the nearest is 'epochs'"),
        ("model.num_stage=3", "override model.num_stage: no key 'num_stage'; the nearest is 'num_stages'"),
        ("model.bakbone.depth=50", "no key 'bakbone'; the nearest is 'backbone'"),
        ("model.backbone.depht=50", "no key 'depht'; the nearest is 'depth'"),
        ("train_dataset.2.images=x", "override train_dataset.2.images: '2' is no index of a list of 2"),
        ("train_dataset.-1.images=x", "'-1' is no index"),
        ("epochs.first=1", "override epochs.first: there is nothing below the value 12"),
        ("model.qqqqqqqq=1", "no key 'qqqqqqqq'; there are: backbone, class_agnostic_masks"),
        ("epochs", "override 'epochs': expected key=value"),
        ("=3", "expected key=value"),
    ],
)
def test_override_of_what_does_not_exist_names_the_nearest(base: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_config(base, [override])
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model = dict(", "config.py, line 1: '(' was never closed"),
        ("epochs = 1\nbatch_size = images\n", "config.py, line 2: NameError: name 'images' is not defined"),
        ("from no_such_package import Model\nmodel = dict(type=Model)\n", "no_such_package"),
        ("from queryinst_vis.models.queryinst import QueryInts\nmodel = dict(type=QueryInts)\n", "QueryInts"),
        ("epochs = 1\nassert False\n", "config.py, line 2: AssertionError"),
        ("epoch = 12\n", "no setting 'epoch'; the nearest is 'epochs'; names of helpers start with an underscore"),
        (f"{INHERIT} .missing import *\n", "missing"),
        (
            "from mmengine.config import read_base\nwith read_base():\n    from nowhere_installed.configs.x import *\n",
            "nowhere_installed",
        ),
    ],
)
def test_a_faulty_file_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_config(write(tmp_path, text))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.py: no such config file"):
        load_config(tmp_path / "nothing.py")
    with pytest.raises(ConfigError, match="no config 'queryinst_r5'"):
        load_config("queryinst_r5")
    with pytest.raises(ConfigError, match=r"there are: queryinst_.* and \d+ more; a file of yours is named by its path"):
        load_config("default")


def test_build_makes_leaves_first_and_remembers_the_architecture(base: Path) -> None:
    model = build(load_config(base).model)
    assert isinstance(model.backbone, ResNet)
    assert isinstance(model.queries, LearnedQueries)
    assert model.preprocess == Preprocess(short=96, long=192)
    again = build_from_json(model.architecture)
    assert again.architecture == model.architecture
    assert {k: v.shape for k, v in again.state_dict().items()} == {k: v.shape for k, v in model.state_dict().items()}


def test_build_takes_registered_names_and_lists() -> None:
    first, second = build([{"type": "Preprocess", "short": 64}, {"type": Preprocess, "short": 32}])
    assert (first.short, second.short) == (64, 32)
    assert build({"a": {"b": (1, 2)}}) == {"a": {"b": (1, 2)}}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"type": Preprocess, "shrot": 1}, "Preprocess: no argument 'shrot'; the nearest is 'short'"),
        ({"type": ResNet}, "ResNet: missing a required argument: 'depth'"),
        ({"type": ResNet, "depth": 17}, "ResNet depth 17 is not one of"),
        ({"type": ResNet, "depth": 18, "frozen_stages": "x"}, "ResNet: frozen_stages='x': must be a whole number"),
        ({"type": "Preproces"}, "no registered class 'Preproces'; the nearest is 'Preprocess'"),
        ({"type": 3}, "type=3: must be a class or a registered name"),
    ],
)
def test_build_errors_are_one_line(config: dict, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        build(config)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "name",
    ["os.system", "builtins.eval", "subprocess.Popen", "mmengine.Config", "Linear", "torch.nn.Linear", "CocoDataset", None, {}],
)
def test_json_builds_nothing_but_registered_models(name) -> None:
    with pytest.raises(ConfigError, match="no registered class"):
        build_from_json({"type": name})
    with pytest.raises(ConfigError, match="no registered class"):
        build_from_json({"type": "QueryInst", "backbone": {"type": name, "command": "true"}})


def test_json_of_a_part_is_no_model() -> None:
    with pytest.raises(ConfigError, match="expected an image model"):
        build_from_json({"type": "Preprocess"})


def test_what_has_no_json_form_is_refused() -> None:
    with pytest.raises(ConfigError, match="is not registered"):
        to_json({"type": Path})
    with pytest.raises(ConfigError, match="cannot be written to its weights file"):
        to_json({"type": Preprocess, "short": object()})


@pytest.mark.parametrize("path", [pytest.param(path, id=name) for name, path in shipped_configs().items()])
def test_shipped_configs_load_and_are_inherited_from_anywhere(path: Path, tmp_path: Path) -> None:
    module = ".".join(path.relative_to(configs_folder()).with_suffix("").parts)
    text = f"{INHERIT} queryinst_vis.configs.{module} import *\nepochs = 7\n"
    inherited = load_config(write(tmp_path, text), ["data_root=/somewhere"])
    by_name = load_config(path.stem)
    assert inherited.epochs == 7
    assert to_json(inherited.model) == to_json(by_name.model)
    assert "{data_root}" not in str(by_name.to_dict())


def test_the_class_list_is_one_override() -> None:
    config = load_config("queryinst_r50_12e_coco", ["classes=['bolt', 'nut']"])
    assert config.model.num_classes == 2
    for part in (config.train_dataset, config.val_dataset, config.val_metric):
        assert list(part.classes) == ["bolt", "nut"]
    with pytest.raises(ConfigError, match="classes='bolt': must be a list of names"):
        load_config("queryinst_r50_12e_coco", ["classes=bolt"])


def test_a_config_outside_the_clone_works_in_a_new_process(tmp_path: Path) -> None:
    name = "queryinst_r50_12e_coco"
    text = f"{INHERIT} queryinst_vis.configs.{name} import *\n"
    path = write(tmp_path, text)
    code = f"from queryinst_vis.config import load_config; print(load_config({str(path)!r}).model.type.__name__)"
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == load_config(name).model.type.__name__
