"""MaskTrack R-CNN's tracker (arXiv 1905.04804, section 4.2), which QueryInst-VIS names as its own: one score for all evidence.

Deviations, because of what a tracker promises (`base.py`): tracks wait for a limited time; assignment is one to one; boxes are
compared with where motion predicts them; looks are smoothed; what lies where a track is expected is of its class, whatever this
frame calls it; an object is found again only within reach. `reference=True` is the published code's behaviour instead.
"""

from typing import Any

import torch
from torch import Tensor

from queryinst_vis.ops.boxes import box_iou
from queryinst_vis.registry import TRACKERS
from queryinst_vis.structures import Instances
from queryinst_vis.trackers.appearance import Appearance
from queryinst_vis.trackers.assignment import assign_or_new
from queryinst_vis.trackers.base import Tracker, check_not_negative, check_score_threshold, usable
from queryinst_vis.trackers.distances import class_distance, out_of_reach
from queryinst_vis.trackers.duplicates import find_births, merge_queries, suppress_duplicates
from queryinst_vis.trackers.masktrack_reference import ReferenceMemory, match_scores
from queryinst_vis.trackers.table import Sightings, TrackTable

MAX_TRACKS = 256  # the latest seen are kept, whatever the time stamps say


@TRACKERS.register_module(name="masktrack")
class MaskTrackTracker(Tracker):
    """Assign detections to tracks, or to "new object", by appearance, detection score, overlap and class in one score.

    score_threshold: detections below are ignored. similarity: how embeddings compare. score_weight, overlap_weight,
    label_weight: the coefficients of the score. patience: seconds a track waits unseen. reach, reach_growth: how far from where
    it is expected it may be found, in box sizes, and how many more per second unseen. duplicate_iou: overlap from which two
    detections are one object; birth_iou: the same for a new object and another of its class. reference: as the published code:
    greedy in the order of detections, one memory for ever, no merging of queries and duplicates; only the weights count then.
    """

    def __init__(
        self,
        *,
        score_threshold: float = 0.3,
        similarity: str = "cosine",
        score_weight: float = 1.0,
        overlap_weight: float = 2.0,
        label_weight: float = 10.0,
        patience: float = 3.0,
        reach: float = 1.0,
        reach_growth: float = 1.5,
        duplicate_iou: float = 0.6,
        birth_iou: float = 0.5,
        reference: bool = False,
    ) -> None:
        self.min_score = check_score_threshold(score_threshold)
        check_not_negative(
            patience=patience, reach=reach, reach_growth=reach_growth, duplicate_iou=duplicate_iou, birth_iou=birth_iou
        )
        self.weights = {"score_weight": score_weight, "overlap_weight": overlap_weight, "label_weight": label_weight}
        check_not_negative(**self.weights)
        self.patience = patience
        self.reach, self.reach_growth = reach, reach_growth
        self.duplicate_iou = duplicate_iou
        self.birth_iou = birth_iou
        self.reference = reference
        self._appearance = Appearance(similarity)
        self.reset()

    def reset(self) -> None:
        self._appearance.reset()
        self._tracks = TrackTable.empty()
        self._next_id = 1
        self._memory = ReferenceMemory.empty()

    @torch.inference_mode()
    def update(self, instances: Instances, *, time: float) -> Instances:
        found = usable(instances, self.min_score)
        if self.reference:
            return self._memory.identify(found, self._appearance, **self.weights)
        found = suppress_duplicates(merge_queries(found), self.duplicate_iou)
        tracks, sightings = self._tracks, self._appearance.sightings(found)
        tracks.keep(tracks.elapsed(time) <= self.patience)
        tracks.keep_latest(MAX_TRACKS)
        tracks.fit_widths(sightings)
        self._appearance.learn(sightings)
        rows = assign_or_new(self._scores(sightings, time), weights=sightings.scores)
        columns = torch.nonzero(rows >= 0).flatten()
        tracks.see(rows[columns], sightings, columns, time)
        born = find_births(found, rows, min_score=self.min_score, max_iou=self.birth_iou)
        rows[born] = tracks.add(self._new_ids(len(born)), sightings, born, time)
        return tracks.tag(found, rows)

    def _scores(self, sightings: Sightings, time: float) -> Tensor:
        """[N, 1 + T]; -inf out of reach."""
        tracks = self._tracks
        expected, elapsed = tracks.expected_boxes(time), tracks.elapsed(time)
        overlap = box_iou(sightings.boxes, expected)
        same_class = 1 - class_distance(sightings.class_scores, tracks.class_scores)
        logits = self._appearance.logits(sightings.embeds, tracks.embeds)
        scores = match_scores(logits, sightings.scores, overlap, torch.maximum(same_class, overlap), **self.weights)
        too_far = out_of_reach(
            expected, elapsed, sightings.boxes, reach=self.reach, growth=self.reach_growth, trust=self._appearance.trust
        )
        scores[:, 1:].masked_fill_(too_far.T, -torch.inf)
        return scores

    def state_dict(self) -> dict[str, Any]:
        memory = self._memory if self.reference else self._tracks
        return {"next_id": self._next_id, "appearance": self._appearance.state_dict(), "memory": memory.to_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._next_id = state["next_id"]
        self._appearance.load_state_dict(state["appearance"])
        memory = {name: value.clone() for name, value in state["memory"].items()}
        if self.reference:
            self._memory = ReferenceMemory(**memory)
        else:
            self._tracks = TrackTable(**memory)
