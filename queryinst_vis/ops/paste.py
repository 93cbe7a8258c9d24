"""Put the small masks of boxes into the image: Mask R-CNN's pasting, inside the window of each box only.

Sampling is that of mmdetection's `_do_paste_mask`: pixel centres, bilinear, zeros outside the box (grid_sample, align_corners
false). Rows and columns are sampled alike everywhere, so it is two products with matrices of two weights a row, which is faster.
"""

import math

import torch
from torch import Tensor


def paste_window(probabilities: Tensor, box: Tensor, image_hw: tuple[int, int], threshold: float) -> tuple[int, int, Tensor]:
    """Mask of one box inside the image.

    probabilities: float [h, w] over the box; box: [4] xyxy in image pixels, may leave the image or be degenerate.
    Returns (top, left, bool [window height, window width]); the window covers all pixels that can be set and lies inside the
    image (both sides may be 0).
    """
    height, width = image_hw
    x1, y1, x2, y2 = box.tolist()
    if not all(map(math.isfinite, (x1, y1, x2, y2))):
        return 0, 0, torch.zeros((0, 0), dtype=torch.bool)
    left, right = _window(x1, x2, width)
    top, bottom = _window(y1, y2, height)
    if right <= left or bottom <= top or x2 <= x1 or y2 <= y1:
        return min(top, height), min(left, width), torch.zeros((0, 0), dtype=torch.bool)
    device, (rows, columns) = probabilities.device, probabilities.shape
    down, across = _weights(top, bottom, y1, y2, rows, device), _weights(left, right, x1, x2, columns, device)
    return top, left, down @ probabilities.float() @ across.T >= threshold


def _weights(first: int, end: int, low: float, high: float, cells: int, device: torch.device) -> Tensor:
    """What each pixel from `first` to `end` takes of each cell between `low` and `high`: float32 [pixels, cells]."""
    position = (torch.arange(first, end, device=device, dtype=torch.float32) + (0.5 - low)) * (cells / (high - low)) - 0.5
    return (1 - (position[:, None] - torch.arange(cells, device=device)).abs_()).clamp_(min=0)


def _window(low: float, high: float, size: int) -> tuple[int, int]:
    """Pixels a side from `low` to `high` can touch, one to spare on each side, clipped to [0, size]."""
    first = max(math.floor(low) - 1, 0)
    return min(first, size), max(min(math.ceil(high) + 1, size), 0)
