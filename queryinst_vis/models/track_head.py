"""Embeddings that tell the objects of a video apart: a small head, and the two things it can be trained for.

The head is MaskTrack R-CNN's (arXiv 1905.04804, section 4): fully connected layers, nothing after the last. The published
QueryInst-VIS names just that, so `roi_size=7` is its literal form; on queries it costs next to nothing.
"""

from itertools import pairwise
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from queryinst_vis.limits import Count, NotNegative, Positive, Share
from queryinst_vis.models.matching import Match
from queryinst_vis.ops.boxes import box_iou
from queryinst_vis.registry import MODELS
from queryinst_vis.structures import Targets


class TrackQueries(NamedTuple):
    """What one frame has to compare: embeds [R, E]; ids int64 [R], the identity of the object, 0 for none, -1 for any."""

    embeds: Tensor
    ids: Tensor


class TrackCriterion(Protocol):
    """What embeddings are trained for. similarity: how a tracker is to compare them ("dot" or "cosine", see ModelInfo)."""

    similarity: str

    def label(self, boxes: Tensor, match: Match, objects: Targets) -> Tensor:
        """Identities for the queries of a frame, int64 [Q] as in TrackQueries. boxes: [Q, 4] xyxy; objects: without crowd."""
        ...

    def __call__(self, key: TrackQueries, reference: TrackQueries) -> Tensor:
        """Loss of a pair of frames."""
        ...


@MODELS.register_module()
class TrackHead(nn.Module):
    """in_dim channels of a query (or of RoI features, flattened channel first) -> an embedding of embed_dim numbers.

    roi_size: read RoI features of that size instead of queries. criterion: by default TrackCrossEntropy. alone: nothing else
    learns, and no other loss is computed: the model's detections stay as they are.
    """

    def __init__(
        self,
        in_dim: Count,
        embed_dim: Count = 1024,
        *,
        num_layers: Count = 2,
        roi_size: Count | None = None,
        criterion: TrackCriterion | None = None,
        alone: bool = False,
    ) -> None:
        super().__init__()
        self.in_dim, self.roi_size, self.alone = in_dim, roi_size, alone
        self.criterion = criterion or TrackCrossEntropy()
        widths = [in_dim * (roi_size or 1) ** 2] + [embed_dim] * num_layers
        self.fcs = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(widths))
        for layer in self.fcs:
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Queries [..., D], or RoI features [R, D, roi_size, roi_size] -> embeddings [..., E]."""
        x = features.flatten(1) if self.roi_size else features
        for layer in self.fcs[:-1]:
            x = F.relu(layer(x))
        return self.fcs[-1](x)


@MODELS.register_module()
class TrackCrossEntropy:
    """Each object of the key frame picks its counterpart among those of the reference frame, or "new object", a logit of zero.

    Cross-entropy over dot products, divided by the number of objects (MaskTrack R-CNN, whose code skips a frame with one object;
    here it counts).
    """

    similarity = "dot"

    def __init__(self, *, weight: NotNegative = 1.0) -> None:
        self.weight = weight

    def label(self, boxes: Tensor, match: Match, objects: Targets) -> Tensor:
        return _identities_of_matched(boxes, match, objects)

    def __call__(self, key: TrackQueries, reference: TrackQueries) -> Tensor:
        found, known = key.ids > 0, reference.ids > 0
        same = key.ids[found, None] == reference.ids[known]
        similarity = key.embeds[found].float() @ reference.embeds[known].float().T
        return self.weight * cross_entropy_with_new(similarity, positions(same))


@MODELS.register_module()
class TrackContrast:
    """A query is to be closer to those of its object in the other frame than to all others, in both directions.

    log(1 + sum over pairs of exp(other - same)) on cosines divided by `temperature`, over all queries of a frame (as QDTrack,
    arXiv 2006.06664, and IDOL, arXiv 2207.10661, do it on dot products). Beside the matched query, those whose box overlaps an
    object by `positive_iou` count as that object; from `ignore_iou` on they count as nothing.
    """

    similarity = "cosine"

    def __init__(
        self, *, weight: NotNegative = 1.0, temperature: Positive = 0.1, positive_iou: Share = 0.7, ignore_iou: Share = 0.4
    ) -> None:
        self.weight, self.temperature = weight, temperature
        self.positive_iou, self.ignore_iou = positive_iou, ignore_iou

    def label(self, boxes: Tensor, match: Match, objects: Targets) -> Tensor:
        ids = _identities_of_matched(boxes, match, objects)
        if not len(objects):
            return ids
        overlap, nearest = box_iou(boxes, objects.boxes).max(1)
        around = torch.where(overlap >= self.positive_iou, objects.track_ids[nearest], -1)  # type: ignore[index]
        return torch.where((ids == 0) & (overlap >= self.ignore_iou), around, ids)

    def __call__(self, key: TrackQueries, reference: TrackQueries) -> Tensor:
        cosine = F.normalize(key.embeds.float(), dim=1) @ F.normalize(reference.embeds.float(), dim=1).T / self.temperature
        there = _contrast(cosine, key.ids, reference.ids)
        back = _contrast(cosine.T, reference.ids, key.ids)
        return self.weight * (there + back) / 2


def cross_entropy_with_new(similarity: Tensor, targets: Tensor) -> Tensor:
    """Mean over P rows of similarity [P, M] beside a first column of zeros; targets: int64 [P], 0 for "new", else column + 1."""
    logits = F.pad(similarity, (1, 0))
    return F.cross_entropy(logits, targets, reduction="sum") / max(len(logits), 1)


def positions(same: Tensor) -> Tensor:
    """bool [P, M] -> int64 [P]: the first column that is set, counted from 1; 0 for none."""
    if not same.shape[1]:
        return torch.zeros(len(same), dtype=torch.int64, device=same.device)
    return torch.where(same.any(1), same.int().argmax(1) + 1, 0)


def _contrast(similarity: Tensor, ids: Tensor, other_ids: Tensor) -> Tensor:
    """Mean over the rows whose object is in the other frame. similarity [R, S]."""
    same = (ids[:, None] == other_ids) & (ids > 0)[:, None]
    other = ~same & (other_ids >= 0)
    rows = same.any(1)
    none = torch.finfo(similarity.dtype).min
    hardest = similarity.masked_fill(~other, none).logsumexp(1)
    weakest = (-similarity).masked_fill(~same, none).logsumexp(1)
    return F.softplus(hardest[rows] + weakest[rows]).sum() / max(int(rows.sum()), 1)


def _identities_of_matched(boxes: Tensor, match: Match, objects: Targets) -> Tensor:
    ids = torch.zeros(len(boxes), dtype=torch.int64, device=boxes.device)
    ids[match.queries] = objects.track_ids[match.objects]  # type: ignore[index]
    return ids
