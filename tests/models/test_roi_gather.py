"""Pooling by a gather against torchvision's RoIAlign."""

import pytest
import torch

from queryinst_vis.models.roi import pool_rois
from queryinst_vis.models.roi_gather import GatherPooling, roi_pooling

STRIDES = (4, 8, 16, 32)


def pyramid(batch: int, height: int, width: int, *, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.randn(batch, 5, -(-height // stride), -(-width // stride)).to(dtype) for stride in STRIDES]


def boxes(count: int, height: int, width: int) -> torch.Tensor:
    """Of all sizes, many of them partly or wholly outside the image, some inside out."""
    torch.manual_seed(1)
    centres = (torch.rand(count, 2) * 2 - 0.5) * torch.tensor([width, height])
    sides = torch.exp(torch.rand(count, 2) * 7 - 1)
    sides[::17] *= -1
    return torch.cat([centres - sides / 2, centres + sides / 2], dim=1)


@pytest.mark.parametrize("size", [1, 7, 14])
@pytest.mark.parametrize("hw", [(96, 160), (32, 32), (8, 200)])
def test_same_as_roi_align(hw: tuple[int, int], size: int) -> None:
    levels, rois = pyramid(3, *hw), boxes(300, *hw)
    image = torch.arange(300) % 3
    expected = pool_rois(levels, STRIDES, rois, image, size)
    pooled = GatherPooling(levels, STRIDES)(rois, image, size)
    torch.testing.assert_close(pooled, expected, atol=2e-4, rtol=1e-4)


def test_channels_last_makes_no_difference() -> None:
    levels, rois, image = pyramid(2, 64, 96), boxes(40, 64, 96), torch.arange(40) % 2
    last = [level.contiguous(memory_format=torch.channels_last) for level in levels]
    assert torch.equal(GatherPooling(levels, STRIDES)(rois, image, 7), GatherPooling(last, STRIDES)(rois, image, 7))


def test_half_precision() -> None:
    rois, image = boxes(40, 64, 96), torch.zeros(40, dtype=torch.int64)
    exact = GatherPooling(pyramid(1, 64, 96), STRIDES)(rois, image, 7)
    pooled = GatherPooling(pyramid(1, 64, 96, dtype=torch.bfloat16), STRIDES)(rois, image, 7)
    assert pooled.dtype == torch.bfloat16
    torch.testing.assert_close(pooled.float(), exact, atol=0.05, rtol=0.02)


def test_no_box() -> None:
    pooled = GatherPooling(pyramid(1, 64, 64), STRIDES)(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), 7)
    assert pooled.shape == (0, 5, 7, 7)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e30, -1e30])
def test_boxes_that_are_no_numbers_give_zeros(value: float) -> None:
    rois = torch.tensor([[value] * 4, [0.0, 0.0, value, 10.0], [4.0, 4.0, 20.0, 20.0]])
    pooled = GatherPooling(pyramid(1, 64, 64), STRIDES)(rois, torch.zeros(3, dtype=torch.int64), 7)
    assert not pooled[0].any()
    assert pooled.isfinite().all()
    assert pooled[2].any()


def test_gathers_only_where_no_gradient_is_wanted() -> None:
    levels = [level.requires_grad_() for level in pyramid(1, 64, 64)]
    rois, image = boxes(10, 64, 64), torch.zeros(10, dtype=torch.int64)
    pooled = roi_pooling(levels, STRIDES)(rois, image, 7)
    assert pooled.requires_grad
    with torch.no_grad():
        gathering = roi_pooling(levels, STRIDES)
    assert isinstance(gathering, GatherPooling)
    torch.testing.assert_close(gathering(rois, image, 7), pooled.detach(), atol=1e-4, rtol=1e-4)
