"""One-to-one assignment of tracks and detections (Hungarian algorithm)."""

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor


def assign(cost: Tensor, max_cost: float, *, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The one-to-one pairs that save most against `max_cost`; a pair that costs as much or more is no better than none.

    cost: float [T, N]; inf and nan stand for "never". weights: [N], how much what detections save counts: with their scores, many
    weak ones cannot take a strong one's track together. Returns rows and columns of the pairs, int64 [P] each.
    """
    saved = torch.where(cost < max_cost, max_cost - cost, 0)
    weighed = saved if weights is None else saved * weights
    rows, columns = map(torch.as_tensor, linear_sum_assignment(weighed.numpy(), maximize=True))
    worth = saved[rows, columns] > 0
    return rows[worth], columns[worth]


def assign_or_new(scores: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """For each detection the track it is, one to one, or none: the choice of largest total score.

    scores: float [N, 1 + T], column 0 that of being a new object. weights: as in `assign`. Returns int64 [N]: row of the track,
    -1 for a new object.
    """
    rows = torch.full((len(scores),), -1, dtype=torch.int64)
    tracks, detections = assign((scores[:, :1] - scores[:, 1:]).T, 0.0, weights=weights)
    rows[detections] = tracks
    return rows
