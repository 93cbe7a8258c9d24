"""The eight orientations against what a display matrix means."""

import struct
from types import SimpleNamespace

import numpy as np
import pytest
from av.sidedata.sidedata import Type

from queryinst_vis.video.upright import orientation_of

ONE = 65536


def frame_with(matrix: tuple[int, int, int, int]) -> SimpleNamespace:
    """A stand-in for a decoded frame; matrix: a, b, c, d."""
    a, b, c, d = matrix
    data = struct.pack("=9i", a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, 1 << 30)

    class Data(bytes):
        type = Type.DISPLAYMATRIX

    return SimpleNamespace(side_data=[Data(data)])


@pytest.mark.parametrize(
    "matrix", [(x, 0, 0, y) for x in (1, -1) for y in (1, -1)] + [(0, x, y, 0) for x in (1, -1) for y in (1, -1)]
)
def test_pixels_go_where_the_matrix_sends_them(matrix: tuple[int, int, int, int]):
    a, b, c, d = matrix
    stored = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    upright = orientation_of(frame_with(matrix)).apply(stored)
    points = [(x, y) for y in range(2) for x in range(3)]
    moved = [(a * x + c * y, b * x + d * y) for x, y in points]
    left, top = min(x for x, _ in moved), min(y for _, y in moved)
    for (x, y), (new_x, new_y) in zip(points, moved, strict=True):
        assert (upright[new_y - top, new_x - left] == stored[y, x]).all()


def test_no_matrix_no_change():
    stored = np.zeros((2, 3, 3), dtype=np.uint8)
    assert orientation_of(SimpleNamespace(side_data=[])).apply(stored).shape == (2, 3, 3)
