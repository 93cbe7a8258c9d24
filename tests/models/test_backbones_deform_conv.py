"""Modulated deformable convolution against two computations that share nothing with torchvision's operator."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from queryinst_vis.models.backbones.deform_conv import DeformConv2d


def conv_with_offsets(channels: int, out: int, *, groups: int, stride: int, padding: int = 1, kernel: int = 3) -> DeformConv2d:
    """Double precision; offsets of a few pixels, so that some taps lie outside of the map."""
    torch.manual_seed(0)
    conv = DeformConv2d(channels, out, kernel, stride=stride, padding=padding, groups=groups).double()
    nn.init.normal_(conv.conv_offset.weight, std=2 / math.sqrt(kernel**2 * channels))
    nn.init.normal_(conv.conv_offset.bias)
    return conv


def features(batch: int, channels: int, height: int, width: int) -> Tensor:
    return torch.randn(batch, channels, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def offsets_of(conv: DeformConv2d, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """o1, o2 and modulation, as mmcv splits what the second convolution gives: in three equal parts."""
    raw = F.conv2d(x, conv.conv_offset.weight, conv.conv_offset.bias, stride=conv.stride, padding=conv.padding)
    first, second, modulation = raw.chunk(3, dim=1)
    return first, second, 1 / (1 + torch.exp(-modulation))


def value_at(plane: np.ndarray, y: float, x: float) -> float:
    """Bilinear, with zeros outside of the map."""
    total = 0.0
    for row in (math.floor(y), math.floor(y) + 1):
        for column in (math.floor(x), math.floor(x) + 1):
            if 0 <= row < plane.shape[0] and 0 <= column < plane.shape[1]:
                total += (1 - abs(y - row)) * (1 - abs(x - column)) * plane[row, column]
    return total


def by_loops(conv: DeformConv2d, x: Tensor) -> np.ndarray:
    """One output number after the other."""
    first, second, modulation = offsets_of(conv, x)
    offset = torch.cat([first, second], dim=1).detach().numpy()
    mask, weight, maps = modulation.detach().numpy(), conv.weight.detach().numpy(), x.numpy()
    kernel, stride, padding = conv.kernel_size[0], conv.stride[0], conv.padding[0]
    result = np.zeros((len(maps), conv.out_channels, *offset.shape[2:]))
    inputs_per_group, outputs_per_group = weight.shape[1], conv.out_channels // conv.groups
    for b, o, i, j in np.ndindex(*result.shape):
        for tap in range(kernel**2):
            y = i * stride - padding + tap // kernel + offset[b, 2 * tap, i, j]
            column = j * stride - padding + tap % kernel + offset[b, 2 * tap + 1, i, j]
            for c in range(inputs_per_group):
                plane = maps[b, o // outputs_per_group * inputs_per_group + c]
                factor = weight[o, c, tap // kernel, tap % kernel] * mask[b, tap, i, j]
                result[b, o, i, j] += factor * value_at(plane, y, column)
    return result


def by_grid_sample(conv: DeformConv2d, x: Tensor) -> Tensor:
    """Each tap's map is sampled as a whole; the sum over taps and channels is a plain 1x1 convolution in groups."""
    first, second, modulation = offsets_of(conv, x)
    offset = torch.cat([first, second], dim=1)
    (kernel, _), (stride, _), (padding, _) = conv.kernel_size, conv.stride, conv.padding
    rows, columns = (torch.arange(n, dtype=x.dtype) * stride - padding for n in offset.shape[2:])
    total = torch.zeros(())
    for tap in range(kernel**2):
        y = rows[:, None] + tap // kernel + offset[:, 2 * tap]
        column = columns + tap % kernel + offset[:, 2 * tap + 1]
        grid = torch.stack([2 * column / (x.shape[3] - 1) - 1, 2 * y / (x.shape[2] - 1) - 1], dim=-1)
        sampled = F.grid_sample(x, grid, padding_mode="zeros", align_corners=True) * modulation[:, tap : tap + 1]
        total = total + F.conv2d(sampled, conv.weight[:, :, tap // kernel, tap % kernel, None, None], groups=conv.groups)
    return total


@pytest.mark.parametrize(("groups", "stride", "padding", "kernel"), [(1, 1, 1, 3), (2, 2, 1, 3), (2, 1, 0, 3), (1, 2, 2, 5)])
def test_equals_sums_by_hand(groups: int, stride: int, padding: int, kernel: int) -> None:
    conv, x = conv_with_offsets(4, 6, groups=groups, stride=stride, padding=padding, kernel=kernel), features(2, 4, 6, 7)
    np.testing.assert_allclose(conv(x).detach().numpy(), by_loops(conv, x), atol=1e-12)


@pytest.mark.parametrize(("groups", "stride"), [(1, 1), (32, 1), (32, 2), (64, 2)])
def test_equals_sampled_taps_with_their_gradients(groups: int, stride: int) -> None:
    conv, x = conv_with_offsets(128, 128, groups=groups, stride=stride), features(2, 128, 9, 12).requires_grad_()
    inputs = [x, *conv.parameters()]
    ours, theirs = conv(x), by_grid_sample(conv, x)
    torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=1e-9)
    for a, b in zip(*(torch.autograd.grad(y.square().mean(), inputs) for y in (ours, theirs)), strict=True):
        torch.testing.assert_close(a, b, atol=1e-12, rtol=1e-8)


def test_taps_do_move_and_some_leave_the_map() -> None:
    """Or else the comparisons above would say little."""
    conv, x = conv_with_offsets(128, 128, groups=32, stride=2), features(2, 128, 9, 12)
    first, second, modulation = offsets_of(conv, x)
    offset = torch.cat([first, second], dim=1)
    assert (offset.abs() > 3).any()
    assert (offset.abs().frac() > 0.1).float().mean() > 0.5
    assert modulation.min() < 0.2 < 0.8 < modulation.max()


@pytest.mark.parametrize("groups", [1, 32])
@pytest.mark.parametrize("stride", [1, 2])
def test_begins_as_half_of_the_plain_convolution(groups: int, stride: int) -> None:
    plain = nn.Conv2d(64, 64, 3, stride=stride, padding=1, groups=groups, bias=False)
    deformable = DeformConv2d.like(plain)
    assert {n: tuple(t.shape) for n, t in deformable.state_dict().items()} == {
        "weight": (64, 64 // groups, 3, 3),
        "conv_offset.weight": (27, 64, 3, 3),
        "conv_offset.bias": (27,),
    }
    x = torch.randn(2, 64, 11, 8)
    torch.testing.assert_close(deformable(x), plain(x) / 2, atol=1e-5, rtol=1e-4)


def test_one_tap_moved_by_hand() -> None:
    """A 1x1 kernel that reads one pixel below and two to the right: offsets are (y, x)."""
    conv = DeformConv2d(1, 1, 1)
    with torch.no_grad():
        conv.weight.fill_(1)
        conv.conv_offset.bias.copy_(torch.tensor([1.0, 2.0, 100.0]))
    x = torch.arange(20.0).reshape(1, 1, 4, 5)
    expected = torch.zeros_like(x)
    expected[..., :3, :3] = x[..., 1:, 2:]
    torch.testing.assert_close(conv(x), expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_close(dtype: torch.dtype) -> None:
    conv, x = conv_with_offsets(64, 64, groups=32, stride=2).float(), features(1, 64, 9, 12).float()
    nn.init.normal_(conv.conv_offset.weight, std=0.01)
    exact, rough = conv(x), conv.to(dtype)(x.to(dtype))
    assert rough.dtype == dtype
    assert (rough.float() - exact).norm() < 0.03 * exact.norm()
