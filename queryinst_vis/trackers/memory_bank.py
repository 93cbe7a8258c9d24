"""A memory of several looks per track, compared both ways: which track a detection fits best, and which detection a track.

After the online trackers of QDTrack (arXiv 2006.06664, section 3.2: softmax in both directions) and IDOL (arXiv 2207.10661,
section 3.3: memory with temporal weights, suppression of masks across classes). Unlike theirs, overlap and class count too, so
that it works with any embeddings or none, and pairs are compared with "a new object" as well.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from queryinst_vis.ops.boxes import box_giou
from queryinst_vis.registry import TRACKERS
from queryinst_vis.structures import Instances
from queryinst_vis.trackers.appearance import Appearance
from queryinst_vis.trackers.assignment import assign
from queryinst_vis.trackers.base import Tracker, check_not_negative, check_score_threshold, usable
from queryinst_vis.trackers.distances import class_distance, out_of_reach
from queryinst_vis.trackers.duplicates import find_births, merge_queries, suppress_duplicates
from queryinst_vis.trackers.memory_table import MemoryTable
from queryinst_vis.trackers.table import Sightings
from queryinst_vis.trackers.weak_matches import match_weak

MAX_TRACKS = 128  # the latest seen are kept, whatever the time stamps say


@TRACKERS.register_module(name="memory_bank")
class MemoryBankTracker(Tracker):
    """Match detections to tracks where both choose each other.

    score_threshold: score a new object needs. similarity: how embeddings compare. low_score: fraction of the threshold down to
    which a detection carries a track on; min_overlap: IoU with its mask (or box) that it needs for that. match_score: mean
    probability of both directions from which two are the same. place_weight, class_weight: what overlap (GIoU) and another
    class count in the odds, as logits. place_memory: seconds unseen after which the place counts half. patience: seconds a track
    waits unseen. reach, reach_growth: how far from where it is expected it may be found, in box sizes, and how many more per
    second unseen. duplicate_iou: overlap from which two detections are one object; birth_iou: the same for a new object and
    another of its class.
    """

    def __init__(
        self,
        *,
        score_threshold: float = 0.3,
        similarity: str = "cosine",
        low_score: float = 0.5,
        min_overlap: float = 0.3,
        match_score: float = 0.2,
        place_weight: float = 4.0,
        class_weight: float = 2.0,
        place_memory: float = 1.0,
        patience: float = 3.0,
        reach: float = 1.0,
        reach_growth: float = 1.5,
        duplicate_iou: float = 0.6,
        birth_iou: float = 0.5,
    ) -> None:
        self.score_threshold = check_score_threshold(score_threshold)
        check_not_negative(low_score=low_score, place_weight=place_weight, class_weight=class_weight, place_memory=place_memory)
        check_not_negative(
            patience=patience, reach=reach, reach_growth=reach_growth, duplicate_iou=duplicate_iou, birth_iou=birth_iou
        )
        self.min_score = low_score * score_threshold
        self.min_overlap = min_overlap
        self.match_score = match_score
        self.place_weight, self.class_weight, self.place_memory = place_weight, class_weight, place_memory
        self.patience = patience
        self.reach, self.reach_growth = reach, reach_growth
        self.duplicate_iou = duplicate_iou
        self.birth_iou = birth_iou
        self._appearance = Appearance(similarity)
        self.reset()

    def reset(self) -> None:
        self._appearance.reset()
        self._tracks = MemoryTable.empty()
        self._next_id = 1

    @torch.inference_mode()
    def update(self, instances: Instances, *, time: float) -> Instances:
        found = suppress_duplicates(merge_queries(usable(instances, self.min_score)), self.duplicate_iou)
        tracks, sightings = self._tracks, self._appearance.sightings(found)
        tracks.keep(tracks.elapsed(time) <= self.patience)
        tracks.keep_latest(MAX_TRACKS)
        tracks.fit_widths(sightings)
        self._appearance.learn(sightings)
        rows = self._match(sightings, time)
        tracks.misses += 1
        columns = torch.nonzero(rows >= 0).flatten()
        tracks.see(rows[columns], sightings, columns, time)
        born = find_births(found, rows, min_score=self.score_threshold, max_iou=self.birth_iou)
        rows[born] = tracks.add(self._new_ids(len(born)), sightings, born, time)
        return tracks.tag(found, rows)

    def _match(self, sightings: Sightings, time: float) -> Tensor:
        """Row of the track each detection belongs to, int64 [N], -1 for none: strong detections first, then weak ones."""
        rows = torch.full((len(sightings),), -1, dtype=torch.int64)
        strong, logits = sightings.scores >= self.score_threshold, self._logits(sightings, time)
        probability = both_ways(logits.masked_fill(~strong, -torch.inf), self._tracks.scores, sightings.scores)
        matched, columns = assign(-probability, -self.match_score, weights=sightings.scores)
        rows[columns] = matched
        possible = (logits > 0) & ~strong
        match_weak(rows, self._tracks, sightings, time, possible=possible, min_overlap=self.min_overlap)
        return rows

    def _logits(self, sightings: Sightings, time: float) -> Tensor:
        """[T, N]: logits of "the same object"; -inf out of reach."""
        tracks = self._tracks
        expected, elapsed = tracks.expected_boxes(time), tracks.elapsed(time)
        logits = tracks.appearance_logits(sightings, self._appearance, time)
        place_weight = self.place_weight / (1 + elapsed / max(self.place_memory, 1e-6))
        logits = logits + place_weight[:, None] * box_giou(expected, sightings.boxes)
        logits = logits - self.class_weight * class_distance(tracks.class_scores, sightings.class_scores)
        too_far = out_of_reach(
            expected, elapsed, sightings.boxes, reach=self.reach, growth=self.reach_growth, trust=self._appearance.trust
        )
        return logits.masked_fill(too_far, -torch.inf)

    def state_dict(self) -> dict[str, Any]:
        return {"next_id": self._next_id, "appearance": self._appearance.state_dict(), "tracks": self._tracks.to_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._next_id = state["next_id"]
        self._appearance.load_state_dict(state["appearance"])
        self._tracks = MemoryTable(**{name: value.clone() for name, value in state["tracks"].items()})


def both_ways(logits: Tensor, track_scores: Tensor, scores: Tensor) -> Tensor:
    """Probability of each pair, [T, N]: the mean of a softmax over tracks and one over detections.

    logits: [T, N], beside 0 for "none of these". Rivals count by their scores (of tracks [T], of detections [N]): many weak ones
    around an object take nothing from it.
    """
    of_tracks = F.pad(logits + track_scores.clamp(min=1e-3).log()[:, None], (0, 0, 1, 0)).softmax(0)[1:]
    of_detections = F.pad(logits + scores.clamp(min=1e-3).log(), (1, 0)).softmax(1)[:, 1:]
    return (of_tracks + of_detections) / 2
