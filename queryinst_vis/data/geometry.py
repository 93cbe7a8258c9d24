"""Flip, resize and crop of a sample: pixels, boxes and masks together, by the reference's rules (mmdetection 3.3 transforms).

Pixels are interpolated bilinearly, masks by the nearest neighbour, both as mmcv does it. Boxes are moved along and clipped, not
made anew from the masks.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from queryinst_vis.data.sample import Sample
from queryinst_vis.masks import BitMasks
from queryinst_vis.ops.boxes import box_area, clip_boxes, flip_boxes
from queryinst_vis.ops.resize import resize_image
from queryinst_vis.structures import Targets


def flip(sample: Sample) -> Sample:
    """Mirror left and right."""
    boxes = flip_boxes(sample.targets.boxes, sample.image_hw[1])
    return replace(sample, image=sample.image.flip(-1), targets=_moved(sample.targets, boxes, lambda bitmaps: bitmaps.flip(-1)))


def resize(sample: Sample, hw: tuple[int, int]) -> Sample:
    """Scale to (height, width) = `hw`, each axis by its own factor."""
    height, width = sample.image_hw
    scale = torch.tensor([hw[1] / width, hw[0] / height]).repeat(2)
    boxes = clip_boxes(sample.targets.boxes * scale, hw)
    pixels = resize_image(sample.image.permute(1, 2, 0).numpy(), hw)
    return replace(
        sample,
        image=torch.from_numpy(pixels).permute(2, 0, 1),
        targets=_moved(sample.targets, boxes, lambda bitmaps: _resize_bitmaps(bitmaps, hw)),
    )


def crop(sample: Sample, window: tuple[int, int, int, int], *, min_visible: float = 0.0) -> Sample:
    """Cut out a window (top, left, height, width) that lies inside the image.

    Objects stay when their clipped box has a width and a height and at least the share `min_visible` of its area (crowd regions
    stay whatever their share); it is no error when none is left.
    """
    top, left, height, width = window
    shifted = sample.targets.boxes - torch.tensor([left, top, left, top])
    boxes = clip_boxes(shifted, (height, width))
    inside = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    visible = (box_area(boxes) >= min_visible * box_area(shifted)) | sample.targets.is_crowd  # type: ignore[operator]
    rows, columns = slice(top, top + height), slice(left, left + width)
    targets = _moved(sample.targets, boxes, lambda bitmaps: bitmaps[:, rows, columns])
    return replace(sample, image=sample.image[:, rows, columns], targets=targets[inside & visible])


def tighten_cut_boxes(sample: Sample) -> Sample:
    """Boxes at the image's edge become those of their masks; objects with nothing left of a mask go. Crowd regions stay."""
    targets = sample.targets
    if targets.masks is None:
        return sample
    height, width = sample.image_hw
    x1, y1, x2, y2 = targets.boxes.unbind(-1)
    at_edge = (x1 <= 0) | (y1 <= 0) | (x2 >= width) | (y2 >= height)
    rows = torch.nonzero(at_edge & targets.has_mask & ~targets.is_crowd)[:, 0]  # type: ignore[operator]
    boxes = targets.boxes.clone()
    boxes[rows] = targets.masks[rows].boxes()
    kept = boxes[:, 2] > boxes[:, 0]
    return replace(sample, targets=replace(targets, boxes=boxes)[kept])


def _moved(targets: Targets, boxes: Tensor, change: Callable[[Tensor], Tensor]) -> Targets:
    """Targets with other boxes, and masks (if any) changed by a function of bool [M, H, W]."""
    masks = None if targets.masks is None else BitMasks(change(targets.masks.tensor))
    return replace(targets, boxes=boxes, masks=masks)


def _resize_bitmaps(bitmaps: Tensor, hw: tuple[int, int]) -> Tensor:
    """bool [M, H, W] -> bool [M, h, w]."""
    resized = np.zeros((len(bitmaps), *hw), dtype=bool)
    for row, bitmap in zip(resized, bitmaps.numpy(), strict=True):
        row[:] = resize_image(bitmap.view(np.uint8), hw, interpolation="nearest")
    return torch.from_numpy(resized)
