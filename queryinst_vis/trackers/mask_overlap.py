"""Overlap of masks through time: each as a small grid over its box, moved and compared without pasting anything.

Boxes of objects that hide each other overlap even where the objects do not, so masks tell more about who is who.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from queryinst_vis.masks import BitMasks, Masks, RoiMasks, Window
from queryinst_vis.ops.boxes import box_area, box_iou
from queryinst_vis.structures import Instances

GRID = 28  # cells along each side of a box
NEAR = 0.1


def mask_grids(found: Instances) -> Tensor:
    """Which cells of its box each object covers: bool [N, GRID, GRID]; none of an object without a mask."""
    masks, boxes = found.masks, found.boxes
    if masks is None or not len(found):
        return torch.zeros(len(found), GRID, GRID, dtype=torch.bool)
    if isinstance(masks, RoiMasks):
        return _read(masks.probabilities >= masks.threshold, masks.roi_boxes, boxes)
    return torch.cat([_read_window(window, box) for window, box in zip(_windows(masks), boxes, strict=True)])


def mask_iou(boxes: Tensor, grids: Tensor, other_boxes: Tensor, other_grids: Tensor) -> Tensor:
    """IoU of N objects with M others, float [N, M]; `boxes` say where each mask is by now, wherever it was seen.

    IoU of the boxes where one has no mask or where they hardly overlap.
    """
    iou = box_iou(boxes, other_boxes)
    have_masks = grids.any(2).any(1)[:, None] & other_grids.any(2).any(1)
    rows, columns = torch.nonzero((iou > NEAR) & have_masks, as_tuple=True)
    if len(rows):
        first, second = grids[rows], _read(other_grids[columns], other_boxes[columns], boxes[rows])
        cell, other_cell = box_area(boxes) / GRID**2, box_area(other_boxes) / GRID**2
        both = cell[rows] * (first & second).sum((1, 2))
        either = (cell * grids.sum((1, 2)))[rows] + (other_cell * other_grids.sum((1, 2)))[columns] - both
        iou[rows, columns] = (both / either.clamp(min=1e-6)).clamp(max=1)
    return iou


def _read(grids: Tensor, boxes: Tensor, at: Tensor) -> Tensor:
    """Grids bool [P, h, w] over boxes [P, 4], read at the middles of the cells of other boxes `at` [P, 4]: [P, GRID, GRID]."""
    rows, inside_y = _cells(boxes[:, 1::2], at[:, 1::2], grids.shape[1])
    columns, inside_x = _cells(boxes[:, 0::2], at[:, 0::2], grids.shape[2])
    numbers = torch.arange(len(grids))[:, None, None]
    return grids[numbers, rows[:, :, None], columns[:, None]] & inside_y[:, :, None] & inside_x[:, None]


def _cells(sides: Tensor, at: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Sides (low, high) [P, 2] divided into `count` cells, and the middles of GRID cells of sides `at` [P, 2]: the cell each of
    these lies in, int64 [P, GRID], and whether it lies in one at all."""
    middles = at[:, :1] + (at[:, 1:] - at[:, :1]) * (torch.arange(GRID) + 0.5) / GRID
    cells = ((middles - sides[:, :1]) / (sides[:, 1:] - sides[:, :1]).clamp(min=1e-6) * count).floor()
    return cells.clamp(0, count - 1).long(), (cells >= 0) & (cells < count)


def _windows(masks: Masks) -> Iterable[Window]:
    """Without looking for the smallest, where masks are dense."""
    return (Window(0, 0, bitmap) for bitmap in masks.tensor.numpy()) if isinstance(masks, BitMasks) else masks.windows()


def _read_window(window: Window, box: Tensor) -> Tensor:
    """[1, GRID, GRID]."""
    height, width = window.bitmap.shape
    if not height or not width:
        return torch.zeros(1, GRID, GRID, dtype=torch.bool)
    extent = torch.tensor([[window.left, window.top, window.left + width, window.top + height]], dtype=torch.float32)
    return _read(torch.from_numpy(window.bitmap)[None], extent, box[None])
