"""RoIAlign as one weighted gather: every cell of every RoI is a sum of 16 pixels of a table that holds the whole pyramid.

The same numbers as torchvision's operation to rounding. That one reads a channel at a time; here the channels of a pixel lie
together and are added as a vector (torch's embedding_bag), about twenty times as fast on a CPU. Its gradient is a gather too.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from queryinst_vis.models.roi import assign_levels, pool_rois

_SAMPLES = 2  # along each side of a cell


def roi_pooling(pyramid: Sequence[Tensor], strides: Sequence[int]) -> Callable[[Tensor, Tensor, int], Tensor]:
    """What pools boxes [R, 4] xyxy of images [R] to [R, C, size, size]; by a gather on a CPU, and where no gradient is wanted."""
    device = pyramid[0].device.type
    if device == "cpu" or (device == "cuda" and not torch.is_grad_enabled()):
        return GatherPooling(pyramid, strides)
    return partial(pool_rois, pyramid, strides)


class GatherPooling:
    """Pools boxes from a pyramid [B, C, h, w] x levels, which is laid out anew once.

    Every level takes part in the gradient, as with `pool_rois`; boxes have none. With a gradient, sums are in single precision.
    """

    def __init__(self, pyramid: Sequence[Tensor], strides: Sequence[int]) -> None:
        channels = pyramid[0].shape[1]
        self._table = torch.cat([level.permute(0, 2, 3, 1).reshape(-1, channels) for level in pyramid])  # [B*h*w + ..., C]
        self._dtype, device = self._table.dtype, self._table.device
        if self._has_gradient():
            self._table = self._table.to(torch.promote_types(self._dtype, torch.float32))
        self._scales = torch.cat([torch.full((1,), 1.0 / stride, device=device) for stride in strides])  # nothing is uploaded
        sides = [torch.full((), side, device=device) for level in pyramid for side in level.shape[-2:]]  # graphs keep them open
        self._hw = torch.stack(sides).view(-1, 2)  # [L, 2]
        areas = self._hw.prod(1)
        self._begins = F.pad((pyramid[0].shape[0] * areas).cumsum(0), (1, 0))[:-1]

    def __call__(self, boxes: Tensor, image_index: Tensor, size: int) -> Tensor:
        """Features [R, C, size, size] of boxes [R, 4] xyxy in input pixels; image_index: [R], the batch row of each box."""
        levels = assign_levels(boxes, len(self._scales))
        hw = self._hw[levels]
        corners = boxes * self._scales[levels, None].to(boxes.dtype) - 0.5
        rows, row_weights = _axis(corners[:, 1], corners[:, 3], hw[:, 0], size)
        columns, column_weights = _axis(corners[:, 0], corners[:, 2], hw[:, 1], size)
        begin = self._begins[levels] + image_index * hw.prod(1)
        index = (begin[:, None] + rows.flatten(1) * hw[:, 1:]).view_as(rows)[:, :, None, :, None] + columns[:, None, :, None]
        weights = row_weights[:, :, None, :, None] * column_weights[:, None, :, None]  # [R, size, size, 4, 4], as index
        bags = index.reshape(-1, (2 * _SAMPLES) ** 2), weights.reshape(-1, (2 * _SAMPLES) ** 2).to(self._table.dtype)
        if self._has_gradient():
            pooled = _SumsWithGradient.apply(self._table, *bags).to(self._dtype)
        else:
            pooled = _weighted_sums(self._table, *bags)
        return pooled.view(boxes.shape[0], size, size, self._table.shape[1]).permute(0, 3, 1, 2)

    def _has_gradient(self) -> bool:
        return self._table.requires_grad and torch.is_grad_enabled()


def _weighted_sums(table: Tensor, index: Tensor, weights: Tensor) -> Tensor:
    """[N, C], rows of a table [M, C] by index [N, k], weighted by [N, k] and added."""
    return F.embedding_bag(index, table, per_sample_weights=weights, mode="sum")


class _SumsWithGradient(torch.autograd.Function):
    """`_weighted_sums` with a gradient for the table, by the same operation: a row's is a sum over the bags that read it.

    Weights get none: boxes are detached from stage to stage, and torchvision's RoIAlign gives them none either.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, table: Tensor, index: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(index, weights)
        ctx.num_rows = len(table)  # type: ignore[attr-defined]
        return _weighted_sums(table, index, weights)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, None, None]:
        index, weights = ctx.saved_tensors  # type: ignore[attr-defined]
        rows, reads = index.flatten().sort()
        begins = torch.searchsorted(rows, torch.arange(ctx.num_rows, device=rows.device))  # type: ignore[attr-defined]
        bags = reads // index.shape[1]
        return F.embedding_bag(bags, gradient, begins, per_sample_weights=weights.flatten()[reads], mode="sum"), None, None


def _axis(low: Tensor, high: Tensor, length: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The pixels that each cell reads along one side, and their weights: int64 and float [R, size, 4].

    low, high: [R], the box's sides in pixels of its level; length: int64 [R], that of the level. As in torchvision, samples
    more than a pixel outside count as zero, and so do those of boxes that are not finite.
    """
    steps = (torch.arange(_SAMPLES * size, dtype=low.dtype, device=low.device) + 0.5) / (_SAMPLES * size)
    position = low[:, None] + (high - low)[:, None] * steps  # [R, 2 * size]
    last = (length - 1)[:, None]
    inside = (position >= -1) & (position <= length[:, None])
    position = torch.where(inside, position, 0.0).clamp(min=0)
    first = torch.minimum(position.long(), last)
    share = torch.where(first == last, 0.0, position - first)
    pixels = torch.stack([first, torch.minimum(first + 1, last)], dim=-1)
    weights = torch.stack([1 - share, share], dim=-1) * (inside[..., None] / _SAMPLES)
    return pixels.view(-1, size, 2 * _SAMPLES), weights.view(-1, size, 2 * _SAMPLES)
