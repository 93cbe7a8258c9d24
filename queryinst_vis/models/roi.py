"""RoI features from a pyramid: each box from the level of its size (FPN's rule, finest scale 56), RoIAlign, 2 x 2 samples."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.ops import roi_align

FINEST_SCALE = 56.0
_EPS = 1e-6


def assign_levels(boxes: Tensor, num_levels: int) -> Tensor:
    """[R, 4] xyxy -> int64 [R], the pyramid level of each box: side sqrt(w h) below 112 px is 0, below 224 px is 1, and so on."""
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    levels = torch.floor(torch.log2(area.sqrt() / FINEST_SCALE + _EPS))
    return levels.nan_to_num(nan=0.0).clamp(0, num_levels - 1).long()


def pool_rois(pyramid: Sequence[Tensor], strides: Sequence[int], boxes: Tensor, image_index: Tensor, size: int) -> Tensor:
    """Features [R, C, size, size] of boxes [R, 4] xyxy in input pixels; image_index: [R], the batch row of each box.

    Every level takes part in the gradient, with zeros where it serves no box (distributed training wants that).
    """
    rois = torch.cat([image_index[:, None].to(boxes.dtype), boxes], dim=1)
    levels = assign_levels(boxes, len(pyramid))
    pooled = pyramid[0].new_zeros((len(rois), pyramid[0].shape[1], size, size))
    for level, (features, stride) in enumerate(zip(pyramid, strides, strict=True)):
        rows = _rows_of(levels, level)
        if len(rows):
            dtype = torch.promote_types(features.dtype, rois.dtype)  # boxes are not rounded, in mixed precision either
            aligned = roi_align(features.to(dtype), rois[rows].to(dtype), size, 1.0 / stride, sampling_ratio=2, aligned=True)
            pooled = pooled.index_put((rows,), aligned.to(pooled.dtype))
        elif features.requires_grad:
            pooled = pooled + 0.0 * features.sum()
    return pooled


def _rows_of(levels: Tensor, level: int) -> Tensor:
    """Which boxes are of a level. On the meta device, where boxes have no values, all are of the first."""
    if levels.is_meta:
        return torch.arange(0 if level else len(levels), device="meta")
    return torch.nonzero(levels == level).squeeze(1)
