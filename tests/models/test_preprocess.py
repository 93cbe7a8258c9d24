"""Frames to network input: the reference's rounding, mmcv's pixels, zero padding."""

import mmcv
import numpy as np
import pytest
import torch

from queryinst_vis.models import Preprocess
from queryinst_vis.ops.resize import fit_hw


@pytest.mark.parametrize(
    ("image_hw", "expected"),
    [
        ((480, 640), (800, 1067)),
        ((640, 480), (1067, 800)),
        ((300, 1000), (400, 1333)),
        ((427, 640), (800, 1199)),
        ((1, 5000), (1, 1333)),
    ],
)
def test_size_of_the_reference_recipe(image_hw: tuple[int, int], expected: tuple[int, int]) -> None:
    assert fit_hw(image_hw, 800, 1333) == expected


def test_pixels_are_mmcvs_normalised_and_padded() -> None:
    image = np.random.RandomState(0).randint(0, 256, (48, 70, 3), dtype=np.uint8)
    preprocess = Preprocess(96, 200)
    batch = preprocess([image])
    height, width = batch.sizes[0]
    assert (height, width) == (96, 140)
    assert batch.tensor.shape == (1, 3, 96, 160)
    assert batch.original_sizes == [(48, 70)]
    expected = (mmcv.imresize(image, (140, 96)).astype(np.float32) - preprocess.mean) / preprocess.std
    np.testing.assert_allclose(batch.tensor[0, :, :, :140].permute(1, 2, 0), expected, atol=1e-5)
    assert not batch.tensor[..., 140:].any()


def test_a_batch_has_the_canvas_of_its_largest_images() -> None:
    preprocess = Preprocess(64, 64)
    wide, tall = torch.zeros(3, 40, 90, dtype=torch.uint8), torch.zeros(3, 70, 30, dtype=torch.uint8)
    batch = preprocess.collate([wide, tall])
    assert batch.tensor.shape == (2, 3, 96, 96)
    assert batch.sizes == [(40, 90), (70, 30)]


def test_another_size_keeps_the_ratio_of_the_limits() -> None:
    smaller = Preprocess(800, 1333).resized(480)
    assert (smaller.short, smaller.long) == (480, 800)


@pytest.mark.parametrize("sizes", [[(720, 1280)], [(480, 640), (640, 480)], [(234, 416)]])
def test_tensors_on_a_device_give_the_same_batch(sizes: list[tuple[int, int]]) -> None:
    preprocess = Preprocess(234, 416)
    images = [np.random.RandomState(1).randint(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]
    expected, found = preprocess(images), preprocess.of_tensors([torch.from_numpy(image) for image in images])
    assert torch.equal(found.tensor, expected.tensor)
    assert (found.sizes, found.original_sizes) == (expected.sizes, expected.original_sizes)
