"""How alike two objects look: one number beside zero for "another object", whatever the embeddings were made for.

"dot": products of embeddings are trained to be such logits. "cosine": distances are told apart by a scale, and models differ in
it by a factor of ten (for raw queries two persons are 0.03 apart, for a trained head 0.9). So the scale is measured in the
video: two detections of one frame are two objects.
"""

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from queryinst_vis.ops.boxes import box_iou
from queryinst_vis.structures import Instances
from queryinst_vis.trackers.distances import class_distance
from queryinst_vis.trackers.table import Sightings, check_same_size

SIMILARITIES = ("cosine", "dot")
LEAST_SPREAD = 0.4  # cosine distance of different objects that is taken for granted: closer, embeddings tell little
FULL_SPREAD = 0.8  # from which embeddings are trusted fully
SAME = 0.7  # two are one object when closer than this share of the spread
SHARPNESS = 0.06  # share of the spread in which the odds change by a factor of e
DISTINCT = 0.3  # IoU below which two detections are two objects
FIRST_PAIRS = 2.0  # what is taken for granted counts like so many pairs of objects
MOST_PAIRS = 1000.0  # that the spread is averaged over, about


class Appearance:
    """Compares embeddings of one kind of similarity ("cosine" or "dot") and learns how far to trust them in this video."""

    def __init__(self, similarity: str) -> None:
        if similarity not in SIMILARITIES:
            raise ValueError(f"similarity is one of {', '.join(SIMILARITIES)}, got '{similarity}'")
        self.similarity = similarity
        self.reset()

    def reset(self) -> None:
        self._distance, self._pairs = LEAST_SPREAD, FIRST_PAIRS

    def sightings(self, found: Instances) -> Sightings:
        """Detections with embeddings that can be compared here."""
        return Sightings.of(found, unit_length=self.similarity == "cosine")

    def learn(self, sightings: Sightings) -> None:
        """See how far apart the objects of a frame are: pairs of one class that hardly overlap, counted by their scores."""
        if self.similarity == "dot" or not sightings.embeds.shape[1] or len(sightings) < 2:
            return
        weights = (sightings.scores[:, None] * sightings.scores).triu(1)
        weights = weights * (1 - class_distance(sightings.class_scores, sightings.class_scores))
        weights = weights * (box_iou(sightings.boxes, sightings.boxes) < DISTINCT)
        pairs = weights.sum().item()
        total = (weights * (1 - sightings.embeds @ sightings.embeds.T)).sum().item()
        self._distance = (self._distance * self._pairs + total) / (self._pairs + pairs)
        self._pairs = min(self._pairs + pairs, MOST_PAIRS)

    @property
    def spread(self) -> float:
        """Cosine distance of different objects."""
        return max(self._distance, LEAST_SPREAD)

    @property
    def _evidence(self) -> float:
        """In [0, 1]: where all objects look alike, looking alike says little."""
        return min(max(self._distance / LEAST_SPREAD, 0.0), 1.0)

    @property
    def trust(self) -> float:
        """In [0, 1]: how well embeddings tell objects apart; 0 for raw queries, 1 for what was trained to."""
        return 1.0 if self.similarity == "dot" else min((self.spread - LEAST_SPREAD) / (FULL_SPREAD - LEAST_SPREAD), 1.0)

    def logits(self, first: Tensor, second: Tensor) -> Tensor:
        """Embeddings [T, D] and [N, D] -> [T, N]: 0 where one object is as likely as two; 0 for D = 0."""
        check_same_size(first, second)
        product = first @ second.T
        if self.similarity == "dot" or not first.shape[1]:
            return product
        return self._evidence * (SAME - (1 - product) / self.spread) / SHARPNESS

    def probabilities(self, tracks: Tensor, found: Tensor) -> Tensor:
        """That a detection is a track, rather than another or a new object: embeddings [T, D] and [N, D] -> [T, N]."""
        return F.pad(self.logits(tracks, found), (0, 0, 1, 0)).softmax(0)[1:]

    def state_dict(self) -> dict[str, Any]:
        return {"distance": self._distance, "pairs": self._pairs}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._distance, self._pairs = state["distance"], state["pairs"]
