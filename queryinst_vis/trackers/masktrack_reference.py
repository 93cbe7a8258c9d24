"""The online tracker of MaskTrack R-CNN's published code: its score of a detection and a track, and its greedy memory.

arXiv 1905.04804, equation 5, in the form of the code (log of the softmax, boxes without the +1 of old).
"""

from dataclasses import dataclass, fields
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from queryinst_vis.ops.boxes import box_iou
from queryinst_vis.structures import Instances
from queryinst_vis.trackers.appearance import Appearance

LEAST_SCORE = -100.0  # a track is taken over by what scores more than this


def match_scores(
    logits: Tensor,
    scores: Tensor,
    overlap: Tensor,
    same_label: Tensor,
    *,
    score_weight: float = 1.0,
    overlap_weight: float = 2.0,
    label_weight: float = 10.0,
) -> Tensor:
    """How well each detection fits each track, float [N, 1 + T]; column 0: that it is a new object.

    logits: [N, T], of a softmax in which "new" has 0. scores: [N] of detections. overlap: IoU [N, T], 0 for "new". same_label:
    [N, T] in [0, 1], 1 for "new".
    """
    appearance = F.log_softmax(F.pad(logits, (1, 0)), dim=1)
    detection = scores.clamp(min=torch.finfo(scores.dtype).tiny).log()[:, None]
    place, label = F.pad(overlap, (1, 0)), F.pad(same_label.float(), (1, 0), value=1.0)
    return appearance + score_weight * detection + overlap_weight * place + label_weight * label


@dataclass(slots=True)
class ReferenceMemory:
    """All T objects of a video so far, for ever, with ids 1 to T."""

    boxes: Tensor  # float32 [T, 4], the latest
    embeds: Tensor  # float32 [T, D], the latest
    labels: Tensor  # int64 [T], the first

    @classmethod
    def empty(cls) -> Self:
        return cls(torch.zeros(0, 4), torch.zeros(0, 0), torch.zeros(0, dtype=torch.int64))

    def to_dict(self) -> dict[str, Tensor]:
        return {f.name: getattr(self, f.name).clone() for f in fields(self)}

    def identify(self, found: Instances, appearance: Appearance, **weights: float) -> Instances:
        """Detections of a frame with their ids; without those that lost their track to a stronger one.

        In their order, each takes the track that fits it best, even from an earlier one it beats (the code shows both and keeps
        the later in its results). What is new is remembered at once, but other detections of the frame are not compared with it.
        """
        found.track_ids = ids = torch.zeros(len(found), dtype=torch.int64)
        if not len(found):
            return found
        embeds = appearance.sightings(found).embeds
        if not len(self.labels):
            self.embeds = embeds[:0]
        same_label, overlap = found.labels[:, None] == self.labels, box_iou(found.boxes, self.boxes)
        scores = match_scores(appearance.logits(embeds, self.embeds), found.scores, overlap, same_label, **weights).numpy()
        strongest: dict[int, float] = {}
        for row, choice in enumerate(scores.argmax(1).tolist()):
            if choice == 0:
                ids[row] = self._append(found.boxes[row], embeds[row], found.labels[row])
            elif scores[row, choice] > strongest.get(choice, LEAST_SCORE):
                ids[ids == choice] = 0
                ids[row] = choice
                strongest[choice] = scores[row, choice]
                self.boxes[choice - 1], self.embeds[choice - 1] = found.boxes[row], embeds[row]
        return found[ids > 0]

    def _append(self, box: Tensor, embed: Tensor, label: Tensor) -> int:
        """Remember an object; its id."""
        self.boxes, self.embeds = torch.cat([self.boxes, box[None]]), torch.cat([self.embeds, embed[None]])
        self.labels = torch.cat([self.labels, label[None]])
        return len(self.labels)
