"""Codes written from windows are those pycocotools writes for the whole image, bit for bit."""

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from queryinst_vis.ops.rle import decode, encode_window, to_json


def dense(window: np.ndarray, top: int, left: int, image_hw: tuple[int, int]) -> np.ndarray:
    image = np.zeros(image_hw, dtype=np.uint8)
    image[top : top + window.shape[0], left : left + window.shape[1]] = window
    return image


@pytest.mark.parametrize("seed", range(20))
def test_random_windows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(100):
        height, width = rng.integers(1, 14, 2).tolist()
        h, w = int(rng.integers(0, height + 1)), int(rng.integers(0, width + 1))
        top, left = int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1))
        window = rng.random((h, w)) < rng.choice([0, 0.1, 0.5, 0.9, 1])
        expected = coco_mask.encode(np.asfortranarray(dense(window, top, left, (height, width))))
        assert encode_window(window, top, left, (height, width)) == expected


def test_a_large_image() -> None:
    window = np.random.default_rng(0).random((700, 900)) < 0.5
    expected = coco_mask.encode(np.asfortranarray(dense(window, 380, 1000, (1080, 1920))))
    assert encode_window(window, 380, 1000, (1080, 1920)) == expected


@pytest.mark.parametrize(("top", "left"), [(-1, 0), (0, -1), (9, 0), (0, 9)])
def test_a_window_that_leaves_the_image_is_refused(top: int, left: int) -> None:
    with pytest.raises(ValueError, match="leaves the image of 10 x 10"):
        encode_window(np.ones((2, 2), dtype=bool), top, left, (10, 10))


def test_decoding_of_text_bytes_and_counts() -> None:
    window = np.array([[1, 0, 1], [0, 1, 1]], dtype=bool)
    rle = encode_window(window, 1, 1, (4, 5))
    expected = dense(window, 1, 1, (4, 5)).astype(bool)
    uncompressed = {"size": [4, 5], "counts": [5, 1, 4, 1, 2, 2, 5]}
    for form in (rle, to_json(rle), uncompressed):
        np.testing.assert_array_equal(decode(form), expected)
    assert isinstance(to_json(rle)["counts"], str)
