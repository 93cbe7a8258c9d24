"""What annotations say of values: each kind with what fits it and what does not, and what is said of the latter."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import pytest
from torch import nn

from queryinst_vis.limits import Count, CountFromZero, NotNegative, Positive, Share, misfit

if TYPE_CHECKING:
    from nowhere import Nothing


class Walker(Protocol):
    speed: float

    def walk(self) -> None: ...


class Dog:
    speed = 3.0

    def walk(self) -> None: ...


def taking(kind: Any) -> Callable[..., None]:
    def function(x) -> None: ...

    function.__annotations__["x"] = kind
    return function


FITS = [
    (int, [0, -1, np.int64(3)]),
    (float, [0, 0.5, np.float32(2), Fraction(1, 2)]),
    (bool, [True, False]),
    (str, ["", "x"]),
    (Count, [1, 10**9]),
    (CountFromZero, [0]),
    (Positive, [1e-9, 3]),
    (NotNegative, [0, 0.0]),
    (Share, [0, 1, 0.5]),
    (Count | None, [1, None]),
    (str | Path, ["x", Path("x")]),
    (Literal["a", "b"], ["a", "b"]),
    (Sequence[Count], [[], (), [1, 2], (3,)]),
    (list[str] | tuple[str, ...], [[], ("a", "b")]),
    (tuple[float, float], [(1, 2), [0.5, 1]]),
    (Count | Sequence[Count], [1, [1]]),
    (Mapping[str, Share], [{}, {"a": 1}]),
    (dict, [{}, {"a": object()}]),
    (nn.Module | None, [nn.Identity(), None]),
    (Walker, [Dog()]),
    (Callable[[int], int], [len]),
    (Any, [None, 1, "x", object()]),
    (object, [None]),
]


@pytest.mark.parametrize(("kind", "values"), FITS)
def test_what_fits(kind: Any, values: list) -> None:
    for value in values:
        assert misfit(taking(kind), {"x": value}) is None


@pytest.mark.parametrize(
    ("kind", "value", "line"),
    [
        (int, True, "x=True: must be a whole number"),
        (int, 2.0, "x=2.0: must be a whole number"),
        (int, None, "x=None: must be a whole number"),
        (float, "x", "x='x': must be a number"),
        (float, float("nan"), "x=nan: must be a number"),
        (float, float("inf"), "x=inf: must be a number"),
        (float, False, "x=False: must be a number"),
        (bool, 1, "x=1: must be True or False"),
        (str, 5, "x=5: must be a text"),
        (Count, 0, "x=0: must be a whole number from 1"),
        (CountFromZero, -1, "x=-1: must be a whole number from 0"),
        (Positive, 0.0, "x=0.0: must be a number above 0"),
        (NotNegative, -0.1, "x=-0.1: must be a number from 0"),
        (Share, 1.5, "x=1.5: must be a number from 0 to 1"),
        (Share | None, "x", "x='x': must be a number from 0 to 1 or None"),
        (Literal["a", "b"] | None, "c", "x='c': must be a, b or None"),
        (Literal[1, 2], True, "x=True: must be 1 or 2"),
        (Sequence[str], "abc", "x='abc': must be a list (each item a text)"),
        (Sequence[Share | None] | None, 5, "x=5: must be a list (each item a number from 0 to 1 or None) or None"),
        (list, 5, "x=5: must be a list"),
        (Sequence[Count], [1, 0], "x.1=0: must be a whole number from 1"),
        (Sequence[Sequence[int]], [[1], [2, "x"]], "x.1.1='x': must be a whole number"),
        (tuple[Count, Count], (1,), "x=(1,): must be a list of 2"),
        (tuple[int, str], (1, 2), "x.1=2: must be a text"),
        (Count | Sequence[Count], [0], "x.0=0: must be a whole number from 1"),
        (Mapping[str, Share], 5, "x=5: must be a dict"),
        (Mapping[str, Share], {"a": 2}, "x.a=2: must be a number from 0 to 1"),
        (nn.Linear, 5, "x=5: must be a dict with `type` that builds a Linear"),
        (Walker, 5, "x=5: must be a dict with `type` that builds a Walker"),
        (Callable[[int], int], 5, "x=5: must be a dict with `type` that builds a Callable"),
    ],
)
def test_what_does_not_fit(kind: Any, value: Any, line: str) -> None:
    assert misfit(taking(kind), {"x": value}) == line


def test_the_line_is_short_however_long_the_value() -> None:
    assert len(misfit(taking(int), {"x": list(range(10**5))})) < 150


def test_what_is_not_annotated_is_not_judged() -> None:
    def names_what_is_not_there(x: "Nothing") -> None: ...

    for function in (lambda x: None, dict, names_what_is_not_there):
        assert misfit(function, {"x": 5, "y": 6}) is None


def test_annotations_of_a_class_are_those_of_its_constructor() -> None:
    class Thing:
        size: str  # of the finished thing

        def __init__(self, size: Count) -> None: ...

    assert misfit(Thing, {"size": 0}) == "size=0: must be a whole number from 1"
