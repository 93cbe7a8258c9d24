"""One-to-one assignment of tracks and detections (Hungarian algorithm)."""

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor


def assign(cost: Tensor, max_cost: float) -> tuple[Tensor, Tensor]:
    """The cheapest one-to-one pairs; a pair that costs `max_cost` or more is no better than none.

    cost: float [T, N], may hold inf. Returns rows and columns of the pairs, int64 [P] each.
    """
    capped = cost.clamp(max=max_cost)
    rows, columns = map(torch.as_tensor, linear_sum_assignment(capped.numpy()))
    cheap = capped[rows, columns] < max_cost
    return rows[cheap], columns[cheap]
