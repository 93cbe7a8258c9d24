"""Masks pasted with fixed shapes are those that the host pastes."""

import numpy as np
import pytest
import torch
from torch import Tensor

from queryinst_vis.ops.device_paste import crossing_pixels, runs_of_crossings
from queryinst_vis.ops.paste import paste_runs


def soft_masks(count: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(count, 1, 7, 7, generator=generator)
    return torch.nn.functional.interpolate(3 * noise, (28, 28), mode="bicubic").sigmoid()[:, 0]


def random_boxes(count: int, image_hw: tuple[int, int], seed: int) -> Tensor:
    """Tiny and large ones, some of them leaving the image."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.rand(count, 2, generator=generator) * torch.tensor(image_hw[::-1])
    sides = torch.rand(count, 2, generator=generator) ** 3 * 2 * max(image_hw)
    return torch.cat([centres - sides / 2, centres + sides / 2], dim=1)


def runs(masks: Tensor, boxes: Tensor, image_hw: tuple[int, int], *, capacity: int = 1 << 18) -> list[np.ndarray] | None:
    shown = torch.ones(len(boxes), dtype=torch.bool)
    pixels, counts = crossing_pixels(masks, boxes, shown, image_hw, 0.5, capacity=capacity)
    return runs_of_crossings(pixels.numpy(), counts.numpy())


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("image_hw", [(72, 128), (128, 41), (1, 9), (300, 3)])
def test_the_runs_are_those_of_the_host(image_hw: tuple[int, int], seed: int) -> None:
    masks, boxes = soft_masks(25, seed), random_boxes(25, image_hw, seed)
    expected = paste_runs(masks, boxes, image_hw, 0.5)
    for ours, theirs in zip(runs(masks, boxes, image_hw), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert sum(map(len, expected))


def test_boxes_that_show_nothing() -> None:
    boxes = torch.tensor(
        [[5.0, 5, 5, 9], [9, 9, 2, 2], [torch.nan, 0, 4, 4], [0, 0, torch.inf, 4], [90, 90, 99, 99], [1, 1, 8, 8]]
    )
    found = runs(torch.ones(6, 28, 28), boxes, (20, 20))
    assert [len(edges) > 0 for edges in found] == [False] * 5 + [True]


def test_masks_that_are_not_wanted_take_no_room() -> None:
    masks, boxes = soft_masks(4, 0), random_boxes(4, (50, 60), 1)
    pixels, counts = crossing_pixels(masks, boxes, torch.tensor([False, True, False, True]), (50, 60), 0.5, capacity=4096)
    assert counts[0] == counts[2] == 0
    assert not pixels[counts.sum() :].any()
    found, expected = runs_of_crossings(pixels.numpy(), counts.numpy()), paste_runs(masks, boxes, (50, 60), 0.5)
    for row in (1, 3):
        np.testing.assert_array_equal(found[row], expected[row])


def test_more_than_fits_is_noticed() -> None:
    masks, boxes = torch.ones(3, 28, 28), torch.tensor([[0.0, 0, 40, 40]]).repeat(3, 1)
    assert runs(masks, boxes, (40, 40), capacity=239) is None
    assert runs(masks, boxes, (40, 40), capacity=240) is not None


def test_no_masks() -> None:
    assert runs(torch.zeros(0, 28, 28), torch.zeros(0, 4), (40, 40)) == []
