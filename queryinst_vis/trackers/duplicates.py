"""One detection per object: merge the classes of one query, and drop what different queries found twice."""

import torch
from torch import Tensor

from queryinst_vis.masks import RoiMasks
from queryinst_vis.ops.boxes import box_iou
from queryinst_vis.structures import Instances


def class_evidence(instances: Instances) -> Tensor:
    """Scores per class, float32 [N, C]: class_scores, or without them the score at the label (C = largest label + 1)."""
    if instances.class_scores is not None:
        return instances.class_scores.float()
    num_classes = int(instances.labels.max()) + 1 if len(instances) else 0
    evidence = torch.zeros(len(instances), num_classes)
    return evidence.scatter_(1, instances.labels[:, None], instances.scores[:, None].float())


def merge_queries(instances: Instances) -> Instances:
    """Rows with equal query_ids become one: the best scored row, with class_scores joined by their maximum. Order is kept."""
    if instances.query_ids is None or len(instances) < 2:
        return instances
    queries, group = torch.unique(instances.query_ids, return_inverse=True)
    if len(queries) == len(instances):
        return instances
    evidence = class_evidence(instances)
    joined = evidence.new_zeros(len(queries), evidence.shape[1])
    joined.scatter_reduce_(0, group[:, None].expand_as(evidence), evidence, "amax")
    kept = _best_of_groups(instances.scores, group, len(queries)).sort().values
    merged = instances[kept]
    merged.class_scores = joined[group[kept]]
    return merged


def _best_of_groups(scores: Tensor, group: Tensor, num_groups: int) -> Tensor:
    """Index of the best scored row of each group; the first of equals."""
    order = torch.argsort(scores, stable=True, descending=True)
    best = torch.empty(num_groups, dtype=torch.int64)
    best[group[order.flip(0)]] = order.flip(0)  # written worst first, so the best stays
    return best


def suppress_duplicates(instances: Instances, max_iou: float) -> Instances:
    """Drop every row that overlaps a better one of any class by more than `max_iou`; order is kept."""
    nobody = torch.zeros(len(instances), dtype=torch.bool)
    return instances[~find_duplicates(instances, max_iou, protected=nobody, same_label=False)]


def find_duplicates(instances: Instances, max_iou: float, *, protected: Tensor, same_label: bool) -> Tensor:
    """Which rows overlap a better one by more than `max_iou`: of masks where there are some, else of boxes. bool [N].

    protected: rows that are better than all others and no duplicates themselves, bool [N]. same_label: only of rows of one label.
    Masks are compared only where boxes overlap by half of `max_iou`.
    """
    duplicate = torch.zeros(len(instances), dtype=torch.bool)
    overlap = box_iou(instances.boxes, instances.boxes)
    near = overlap > (max_iou if instances.masks is None else max_iou / 2)
    if same_label:
        near &= instances.labels[:, None] == instances.labels
    order = torch.argsort(instances.scores + 2.0 * protected, stable=True, descending=True)
    order = order[near[order].sum(1) > 1]  # the others overlap nobody but themselves
    if isinstance(instances.masks, RoiMasks):
        instances.masks[order].paste()
    for position, row in enumerate(order):
        rivals = order[position + 1 :]
        rivals = rivals[near[row, rivals] & ~duplicate[rivals] & ~protected[rivals]]
        if len(rivals) and not duplicate[row]:
            duplicate[rivals] = _object_iou(instances, row, rivals, overlap) > max_iou
    return duplicate


def find_births(found: Instances, rows: Tensor, *, min_score: float, max_iou: float) -> Tensor:
    """Detections that may start a track: scored at least `min_score`, and no duplicates of one that has a track, nor of a better
    one, of their class. rows: int64 [N], -1 for no track. Returns int64 [P].
    """
    repeated = find_duplicates(found, max_iou, protected=rows >= 0, same_label=True)
    return torch.nonzero((rows < 0) & (found.scores >= min_score) & ~repeated).flatten()


def _object_iou(instances: Instances, row: Tensor, others: Tensor, box_overlap: Tensor) -> Tensor:
    if instances.masks is None:
        return box_overlap[row, others]
    return instances.masks[row[None]].iou(instances.masks[others])[0]
