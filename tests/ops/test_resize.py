"""Resizing on a device gives the pixels that resizing on the host gives."""

import numpy as np
import pytest
import torch

from queryinst_vis.ops.resize import fit_hw, resize_image, resize_tensor


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng([height, width]).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("image_hw", "hw"),
    [
        ((720, 1280), (234, 416)),
        ((720, 1280), (360, 640)),  # halved: OpenCV takes means of four pixels
        ((480, 854), (360, 641)),
        ((360, 640), (800, 1333)),
        ((100, 60), (50, 31)),
        ((1, 7), (3, 2)),
        ((9, 1), (1, 5)),
        ((5, 5), (5, 5)),
    ],
)
def test_pixels_of_usual_sizes(image_hw: tuple[int, int], hw: tuple[int, int]) -> None:
    image = noise(*image_hw)
    np.testing.assert_array_equal(resize_tensor(torch.from_numpy(image), hw).numpy(), resize_image(image, hw))


def test_pixels_of_any_size() -> None:
    rng = np.random.default_rng(1)
    for height, width, new_height, new_width in rng.integers(1, 90, (150, 4)).tolist():
        image = noise(height, width)
        found = resize_tensor(torch.from_numpy(image), (new_height, new_width))
        np.testing.assert_array_equal(found.numpy(), resize_image(image, (new_height, new_width)))


@pytest.mark.parametrize("image_hw", [(720, 1280), (1080, 608), (33, 35)])
def test_extreme_pixels(image_hw: tuple[int, int]) -> None:
    image = np.where(noise(*image_hw) < 128, 0, 255).astype(np.uint8)
    hw = fit_hw(image_hw, 50, 90)
    np.testing.assert_array_equal(resize_tensor(torch.from_numpy(image), hw).numpy(), resize_image(image, hw))
