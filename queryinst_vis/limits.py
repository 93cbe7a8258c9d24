"""What a setting may be, said once, in the annotation of the argument that takes it: `num_stages: Count`, `lr: Positive | None`.

`misfit` compares values with annotations. Configs and weights files are checked so before anything is built of them, classes of
other packages included, as far as they are annotated; what an annotation does not say, the class checks itself.
"""

import math
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Protocol, Union, get_args, get_origin


@dataclass(frozen=True, slots=True)
class Limit:
    """Beside a type in Annotated. allowed: in words, as in "must be ..."; holds: of a value of that type."""

    allowed: str
    holds: Callable[[Any], bool] = lambda value: True


Count = Annotated[int, Limit("a whole number from 1", lambda value: value >= 1)]
CountFromZero = Annotated[int, Limit("a whole number from 0", lambda value: value >= 0)]
Positive = Annotated[float, Limit("a number above 0", lambda value: value > 0)]
NotNegative = Annotated[float, Limit("a number from 0", lambda value: value >= 0)]
Share = Annotated[float, Limit("a number from 0 to 1", lambda value: 0 <= value <= 1)]

NETWORK_SIDE = range(32, 4097)  # pixels of pictures that enter a network: its coarsest map has one of 32; more is a slip

_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    str: "a text",
    Path: "a path",
    NoneType: "None",
}


def misfit(function: Callable[..., Any], arguments: Mapping[str, Any]) -> str | None:
    """One line on the first argument that is not what the annotations of a function or class allow; None if all are."""
    hints = _hints(function)
    for name, value in arguments.items():
        for place, wrong, allowed in _misfits(name, value, hints.get(name, Any)):
            return f"{place}={wrong!r:.80}: must be {allowed}"
    return None


def _hints(function: Any) -> dict[str, Any]:
    try:
        if isinstance(function, type):
            function = function.__init__  # type: ignore[misc]
        return typing.get_type_hints(function, include_extras=True)
    except (AttributeError, NameError, TypeError):  # of names that exist for a type checker only
        return {}


def _misfits(place: str, value: Any, hint: Any) -> Iterator[tuple[str, Any, str]]:
    """Where a value is not as a type says, what stands there, and what is allowed there. place: as in an override, `a.0.b`."""
    kinds = [kind for kind in _members(hint) if _is_of_kind(value, kind)]
    if not kinds:
        yield place, value, _words_for(hint)
    elif len(kinds) == 1:
        for key, item, kind in _items(value, kinds[0]):
            yield from _misfits(f"{place}.{key}", item, kind)


def _members(hint: Any) -> tuple[Any, ...]:
    """The types of a union, or the one type."""
    if get_origin(hint) in (Union, UnionType):
        return tuple(kind for member in get_args(hint) for kind in _members(member))
    return (hint,)


def _is_of_kind(value: Any, kind: Any) -> bool:
    """Whether a value is of a type; of what is inside of lists and dicts nothing is said."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        limits = [limit for limit in arguments[1:] if isinstance(limit, Limit)]
        return any(_is_of_kind(value, member) for member in _members(arguments[0])) and all(x.holds(value) for x in limits)
    if origin is Literal:
        return any(value == choice and type(value) is type(choice) for choice in arguments)
    kind = origin or kind
    if kind is int:
        return isinstance(value, Integral) and not isinstance(value, bool)
    if kind is float:
        return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    if kind in (list, tuple, Sequence):
        return isinstance(value, list | tuple) and (not _is_fixed(arguments) or len(value) == len(arguments))
    if not isinstance(kind, type) or kind in (Any, object):
        return True
    return all(hasattr(value, name) for name in _demands(kind)) if _is_protocol(kind) else isinstance(value, kind)


def _items(value: Any, kind: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Place, value and type of what is in a list or a dict."""
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    arguments = get_args(kind)
    if isinstance(value, Mapping) and len(arguments) == 2:
        yield from ((key, item, arguments[1]) for key, item in value.items())
    elif isinstance(value, list | tuple) and arguments:
        kinds = arguments if _is_fixed(arguments) else arguments[:1] * len(value)
        yield from ((index, *pair) for index, pair in enumerate(zip(value, kinds, strict=True)))


def _is_fixed(arguments: tuple[Any, ...]) -> bool:
    """Of a tuple's types: one for each place."""
    return len(arguments) > 1 and arguments[-1] is not Ellipsis


def _is_protocol(kind: type) -> bool:
    return Protocol in kind.__mro__ and getattr(kind, "_is_protocol", False)


def _demands(protocol: type) -> set[str]:
    names = {*vars(protocol), *vars(protocol).get("__annotations__", {})}
    return {name for name in names if name == "__call__" or not name.startswith("_")}


def _words_for(hint: Any) -> str:
    return _listed([words for kind in _members(hint) for words in _allowed(kind)])


def _allowed(kind: Any) -> list[str]:
    """In words, one after the other."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return [limit.allowed for limit in arguments[1:] if isinstance(limit, Limit)] or _allowed(arguments[0])
    if origin is Literal:
        return [str(choice) for choice in arguments]
    kind = origin or kind
    if kind in (list, tuple, Sequence):
        if not arguments:
            return ["a list"]
        return [f"a list of {len(arguments)}" if _is_fixed(arguments) else f"a list (each item {_words_for(arguments[0])})"]
    if kind in _WORDS:
        return [_WORDS[kind]]
    return ["a dict" if issubclass(kind, Mapping) else f"a dict with `type` that builds a {kind.__name__}"]


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
