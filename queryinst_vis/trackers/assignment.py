"""One-to-one assignment of tracks and detections (Hungarian algorithm)."""

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor


def assign(cost: Tensor, max_cost: float) -> tuple[Tensor, Tensor]:
    """The cheapest one-to-one pairs; a pair that costs `max_cost` or more is no better than none.

    cost: float [T, N]; inf and nan stand for "never". Returns rows and columns of the pairs, int64 [P] each.
    """
    capped = torch.where(cost < max_cost, cost, max_cost)
    rows, columns = map(torch.as_tensor, linear_sum_assignment(capped.numpy()))
    cheap = capped[rows, columns] < max_cost
    return rows[cheap], columns[cheap]


def assign_or_new(scores: Tensor) -> Tensor:
    """For each detection the track it is, one to one, or none: the choice of largest total score.

    scores: float [N, 1 + T], column 0 that of being a new object. Returns int64 [N]: row of the track, -1 for a new object.
    """
    rows = torch.full((len(scores),), -1, dtype=torch.int64)
    tracks, detections = assign((scores[:, :1] - scores[:, 1:]).T, 0.0)
    rows[detections] = tracks
    return rows
