"""One-to-one matching of queries with objects by least cost (DETR's bipartite matching, with the costs of Sparse R-CNN)."""

from typing import NamedTuple

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from queryinst_vis.ops.boxes import box_giou

_LOG_EPS = 1e-12


class Match(NamedTuple):
    """queries: int64 [P], ascending; objects: int64 [P], the target of each of them. P = min(queries, objects)."""

    queries: Tensor
    objects: Tensor


def focal_cost(logits: Tensor, labels: Tensor, *, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Focal loss of calling a query an object of class c, less that of calling it background. [Q, C], [M] -> [Q, M]."""
    p = logits.sigmoid()
    positive = -(p + _LOG_EPS).log() * alpha * (1 - p) ** gamma
    negative = -(1 - p + _LOG_EPS).log() * (1 - alpha) * p**gamma
    return positive[:, labels] - negative[:, labels]


class HungarianMatcher:
    """Weights of the three costs: class, L1 of boxes in units of the image, generalised IoU of pixel boxes."""

    def __init__(self, *, cls_weight: float = 2.0, l1_weight: float = 5.0, giou_weight: float = 2.0) -> None:
        self.cls_weight, self.l1_weight, self.giou_weight = cls_weight, l1_weight, giou_weight

    def cost(self, logits: Tensor, boxes: Tensor, labels: Tensor, object_boxes: Tensor, whwh: Tensor) -> Tensor:
        """[Q, M] from logits [Q, C], boxes [Q, 4] and objects [M], [M, 4]; boxes xyxy pixels; whwh: [4], size of the image."""
        l1 = torch.cdist(boxes / whwh, object_boxes / whwh, p=1)
        return (
            self.cls_weight * focal_cost(logits, labels) + self.l1_weight * l1 - self.giou_weight * box_giou(boxes, object_boxes)
        )

    @torch.no_grad()
    def __call__(self, logits: Tensor, boxes: Tensor, labels: Tensor, object_boxes: Tensor, whwh: Tensor) -> Match:
        """The cheapest assignment. Raises FloatingPointError when predictions are not finite."""
        if not len(labels):
            empty = labels.new_zeros(0)
            return Match(empty, empty)
        cost = self.cost(logits.float(), boxes.float(), labels, object_boxes, whwh).cpu()
        if not torch.isfinite(cost).all():
            raise FloatingPointError("the network's logits or boxes are not finite: the training has diverged")
        rows, columns = linear_sum_assignment(cost.numpy())  # rows ascend
        return Match(torch.as_tensor(rows, device=labels.device), torch.as_tensor(columns, device=labels.device))
