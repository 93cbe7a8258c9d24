"""Masks pasted on a device, with shapes that are known beforehand: the host is given where columns cross the threshold.

The same arithmetic as `ops/paste.py`, for all columns of the image at once. What crosses where is written one behind the other
into a buffer of fixed length, so that nothing waits for a count; the host makes runs of it.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from queryinst_vis.ops.runs import join_runs


def crossing_pixels(
    probabilities: Tensor, boxes: Tensor, shown: Tensor, image_hw: tuple[int, int], threshold: float, *, capacity: int
) -> tuple[Tensor, Tensor]:
    """Where each column of the image enters and leaves a mask: pixels int32 [capacity], the masks' one after the other, as edges
    of runs that may be empty or touch, zeros behind; and counts int64 [N], of each mask. What goes beyond `capacity` is lost.

    probabilities, boxes, threshold: as of `paste_runs`; shown: bool [N], the masks that are wanted.
    """
    height, width = image_hw
    _, rows, columns = probabilities.shape
    corners = boxes.double()
    low, side = corners[:, :2], corners[:, 2:] - corners[:, :2]
    scale_x, scale_y = columns / side[:, 0], rows / side[:, 1]
    shown = shown & (scale_x > 0) & (scale_x < torch.inf) & (scale_y > 0) & (scale_y < torch.inf)
    x = torch.arange(width, device=boxes.device)
    values = _across(probabilities.float(), (x + (0.5 - low[:, :1])) * scale_x[:, None])  # [N, W, rows + 2]
    is_set = (values >= threshold) & shown[:, None, None]
    flips = is_set[..., 1:] != is_set[..., :-1]
    before, after = values[..., :-1].double(), values[..., 1:].double()
    place = torch.arange(rows + 1, device=boxes.device) + torch.nan_to_num((threshold - before) / (after - before))
    y = low[:, 1, None, None] + (place - 0.5) * (side[:, 1] / rows)[:, None, None] - 0.5  # the middle of row 0 is at 0
    y = torch.where(is_set[..., 1:], y.ceil(), y.floor() + 1).clamp(0, height)
    pixels = (x * height)[:, None] + torch.nan_to_num(y).long()
    line = flips.flatten()
    target = torch.where(line, line.cumsum(0) - 1, capacity).clamp(max=capacity)
    found = torch.zeros(capacity + 1, dtype=torch.int32, device=boxes.device)
    found.scatter_(0, target, pixels.flatten().int())
    return found[:-1], flips.sum((1, 2))


def _across(probabilities: Tensor, place: Tensor) -> Tensor:
    """Masks [N, h, w] read at places [N, C] along their rows, in cells from their left: float32 [N, C, h + 2], zeros outside."""
    columns = probabilities.shape[2]
    padded = F.pad(probabilities.transpose(1, 2), (1, 1, 1, 1))  # [N, w + 2, h + 2]
    place = torch.nan_to_num(place + 0.5).clamp(0, columns + 1)  # the middle of padded column 0 is at 0
    first = place.long().clamp(max=columns)
    share = (place - first).float()[..., None]
    values, others = (padded.gather(1, index[..., None].expand(-1, -1, padded.shape[2])) for index in (first, first + 1))
    return values + (others - values) * share


def runs_of_crossings(pixels: np.ndarray, counts: np.ndarray) -> list[np.ndarray] | None:
    """Edges of each mask's runs (`ops/runs.py`) from what `crossing_pixels` gave; None: there was more than it could hold."""
    if counts.sum() > len(pixels):
        return None
    ends = np.cumsum(counts)
    pairs = [pixels[end - count : end].astype(np.int64).reshape(-1, 2) for count, end in zip(counts, ends, strict=True)]
    return [join_runs(pair[pair[:, 0] < pair[:, 1]].ravel()) for pair in pairs]
