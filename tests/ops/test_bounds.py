"""Limits on what files may cost, and the variables that move them."""

import cv2
import numpy as np
import pytest

from queryinst_vis.errors import UserError
from queryinst_vis.ops.bounds import HEADER, PIXELS, UNPACKED
from queryinst_vis.ops.picture_size import oversize


@pytest.mark.parametrize("bound", [PIXELS, HEADER, UNPACKED])
def test_variable_moves_the_limit(bound, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(bound.variable, raising=False)
    assert bound.problem(bound.usual) is None
    assert bound.variable in bound.problem(bound.usual + 1)
    monkeypatch.setenv(bound.variable, "10")
    assert bound.problem(10) is None
    assert "11 " in bound.problem(11)


@pytest.mark.parametrize("value", ["0", "-1", "1e9", "many", "9" * 30, "²"])
def test_variable_that_is_no_number(value: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(PIXELS.variable, value)
    with pytest.raises(UserError, match=PIXELS.variable):
        PIXELS.most()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".tiff"])
def test_size_of_a_picture_is_known_before_it_is_decoded(suffix: str, monkeypatch: pytest.MonkeyPatch):
    data = cv2.imencode(suffix, np.zeros((30, 40, 3), np.uint8))[1].tobytes()
    assert oversize(data) is None
    monkeypatch.setenv(PIXELS.variable, "1199")
    assert "40 x 30" in oversize(data)


def test_what_is_no_picture_has_no_size():
    assert oversize(b"") is None
    assert oversize(b"\x89PNG\r\n\x1a\n" + bytes(20)) is None
