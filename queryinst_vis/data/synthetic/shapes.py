"""The classes: shapes of about one unit in radius, as signed distances to their edge (negative inside)."""

import math
from collections.abc import Callable

import numpy as np

from queryinst_vis.data.synthetic.fixed_point import rounded

REACH = 1.25  # no shape is farther from its centre than this


def _half_planes(x: np.ndarray, y: np.ndarray, count: int, inradius: float) -> np.ndarray:
    """[count, ...] distances to the sides of a regular polygon, all of them extended to lines."""
    angles = [2 * math.pi * (side + 0.5) / count - math.pi / 2 for side in range(count)]
    return np.stack([rounded(math.cos(a)) * x + rounded(math.sin(a)) * y for a in angles]) - rounded(inradius)


def _disc(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.sqrt(x * x + y * y) - 0.9


def _ring(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.abs(np.sqrt(x * x + y * y) - 0.75) - 0.25


def _square(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.maximum(np.abs(x), np.abs(y)) - 0.8


def _triangle(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return _half_planes(x, y, 3, 0.6).max(0)


def _star(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A pentagram is where a point is on the inner side of at least four of its five lines."""
    return np.sort(_half_planes(x, y, 5, 0.37), axis=0)[-2]


def _cross(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    x, y = np.abs(x), np.abs(y)
    return np.minimum(np.maximum(x - 1.0, y - 0.32), np.maximum(x - 0.32, y - 1.0))


SHAPES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "disc": _disc,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "ring": _ring,
    "cross": _cross,
}
CLASSES = tuple(SHAPES)
