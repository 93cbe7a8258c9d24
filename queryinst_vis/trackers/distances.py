"""How far apart tracks and detections are in class and in place."""

import torch
import torch.nn.functional as F
from torch import Tensor

from queryinst_vis.ops.boxes import box_area
from queryinst_vis.trackers.motion import centres

TRUSTED_REACH = 4.0  # times further that objects may be found which are recognised by their looks


def class_distance(first: Tensor, second: Tensor) -> Tensor:
    """Scores per class [T, C] and [N, C] -> 1 - cosine of their squares, [T, N]; 0 for one class.

    Squares, because the many classes that score next to nothing would otherwise make all objects alike.
    """
    return (1 - F.normalize(first.square(), dim=1) @ F.normalize(second.square(), dim=1).T).clamp(0, 1)


def centre_distance(first: Tensor, second: Tensor) -> Tensor:
    """Boxes [T, 4] and [N, 4] -> distance of centres in sizes (square root of the area) of the larger box, [T, N]."""
    size = torch.maximum(box_area(first)[:, None], box_area(second)[None]).sqrt().clamp(min=1)
    return torch.cdist(centres(first), centres(second)) / size


def out_of_reach(expected: Tensor, elapsed: Tensor, boxes: Tensor, *, reach: float, growth: float, trust: float) -> Tensor:
    """Which boxes [N, 4] are too far from where tracks are `expected` [T, 4] to be theirs: bool [T, N].

    reach: in box sizes; growth: that much more per second `elapsed` [T] since they were seen. trust: in [0, 1], how well looks
    tell objects apart; where they do, an object may be found almost anywhere.
    """
    factor = 1 + trust * (TRUSTED_REACH - 1)
    return centre_distance(expected, boxes) > factor * (reach + growth * elapsed[:, None])
