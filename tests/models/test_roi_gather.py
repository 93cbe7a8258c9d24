"""Pooling by a gather against torchvision's RoIAlign."""

from collections.abc import Callable
from functools import partial

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


def test_half_precision_with_a_gradient_is_summed_in_single_precision() -> None:
    levels = [level.requires_grad_() for level in pyramid(1, 64, 96, dtype=torch.bfloat16)]
    rois, image = boxes(40, 64, 96), torch.zeros(40, dtype=torch.int64)
    pooled = GatherPooling(levels, STRIDES)(rois, image, 7)
    exact = pool_rois([level.detach().float() for level in levels], STRIDES, rois, image, 7)
    assert pooled.dtype == torch.bfloat16
    torch.testing.assert_close(pooled.float(), exact, atol=1e-5, rtol=2**-8)
    (pooled.float() * exact).sum().backward()
    assert all(level.grad.dtype == torch.bfloat16 and level.grad.isfinite().all() for level in levels)


def gradients(pool: Callable, levels: list[torch.Tensor], rois: torch.Tensor, image: torch.Tensor) -> list[torch.Tensor]:
    """Of a weighted sum of what is pooled, for each level."""
    levels = [level.detach().requires_grad_() for level in levels]
    pooled = pool(levels)(rois, image, 7)
    torch.manual_seed(2)
    return list(torch.autograd.grad((pooled * torch.randn(pooled.shape, dtype=pooled.dtype)).sum(), levels))


@pytest.mark.parametrize("hw", [(96, 160), (32, 32), (8, 200)])
def test_gradient_is_that_of_roi_align(hw: tuple[int, int]) -> None:
    levels, rois, image = pyramid(3, *hw, dtype=torch.float64), boxes(300, *hw).double(), torch.arange(300) % 3
    rois[0], rois[1] = torch.tensor([10.0, 10, 10, 10]), torch.tensor([5.0, 5, 5 + 1e-7, 5 + 1e-7])  # of no size, and nearly so
    rois[2:5] = torch.tensor([[-500.0, -500, -400, -400], [-1e5, -1e5, 1e5, 1e5], [hw[1] - 0.3, hw[0] - 0.3, 1e4, 1e4]])
    ours = gradients(lambda maps: GatherPooling(maps, STRIDES), levels, rois, image)
    theirs = gradients(lambda maps: partial(pool_rois, maps, STRIDES), levels, rois, image)
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.isfinite().all()
        torch.testing.assert_close(mine, other, atol=1e-6, rtol=1e-6)  # scales of levels are held in single precision


def test_gradient_by_finite_differences() -> None:
    levels = [level[:, :2].requires_grad_() for level in pyramid(2, 16, 24, dtype=torch.float64)]
    rois, image = boxes(12, 16, 24).double(), torch.arange(12) % 2
    assert torch.autograd.gradcheck(lambda *maps: GatherPooling(maps, STRIDES)(rois, image, 3), levels)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e30])
def test_boxes_that_are_no_numbers_leave_the_gradient_finite(value: float) -> None:
    rois = torch.tensor([[value] * 4, [4.0, 4.0, 20.0, 20.0]])
    image = torch.zeros(2, dtype=torch.int64)
    with_it = gradients(lambda maps: GatherPooling(maps, STRIDES), pyramid(1, 64, 64), rois, image)
    assert all(gradient.isfinite().all() for gradient in with_it)
    assert with_it[0].any()


@pytest.mark.parametrize("count", [0, 3])
def test_every_level_has_a_gradient_also_where_it_serves_no_box(count: int) -> None:
    rois, image = torch.tensor([[4.0, 4.0, 20.0, 20.0]] * count).reshape(-1, 4), torch.zeros(count, dtype=torch.int64)
    found = gradients(lambda maps: GatherPooling(maps, STRIDES), pyramid(1, 64, 64), rois, image)
    assert [gradient.any().item() for gradient in found] == [count > 0, False, False, False]


def test_boxes_have_no_gradient() -> None:
    levels = [level.requires_grad_() for level in pyramid(1, 64, 64)]
    rois = boxes(10, 64, 64).requires_grad_()
    for pool in (GatherPooling(levels, STRIDES), partial(pool_rois, levels, STRIDES)):
        pooled = pool(rois, torch.zeros(10, dtype=torch.int64), 7)
        assert torch.autograd.grad(pooled.sum(), [rois, *levels], allow_unused=True)[0] is None


def test_gradients_are_the_same_each_time() -> None:
    levels, rois, image = pyramid(2, 96, 160), boxes(300, 96, 160), torch.arange(300) % 2
    first, second = (gradients(lambda maps: GatherPooling(maps, STRIDES), levels, rois, image) for _ in range(2))
    assert all(map(torch.equal, first, second))


def test_a_cpu_gathers_with_and_without_a_gradient() -> None:
    levels = [level.requires_grad_() for level in pyramid(1, 64, 64)]
    rois, image = boxes(10, 64, 64), torch.zeros(10, dtype=torch.int64)
    gathering = roi_pooling(levels, STRIDES)
    with torch.no_grad():
        still = roi_pooling(levels, STRIDES)
        assert torch.equal(still(rois, image, 7), gathering(rois, image, 7))
    assert isinstance(gathering, GatherPooling)
    assert isinstance(still, GatherPooling)
    assert gathering(rois, image, 7).requires_grad
