"""A tracker without training: Hungarian matching on query embeddings, overlap with predicted motion, and class.

Identities are matched as in the online trackers of this field (QueryInst-VIS, IDOL: arXiv 2105.01928, 2207.10661) with raw
queries in place of a trained head.
"""

from typing import Any

import torch
from torch import Tensor

from queryinst_vis.registry import TRACKERS
from queryinst_vis.structures import Instances
from queryinst_vis.trackers.affinity import Affinity
from queryinst_vis.trackers.appearance import Appearance
from queryinst_vis.trackers.assignment import assign
from queryinst_vis.trackers.base import Tracker, check_not_negative, check_score_threshold, usable
from queryinst_vis.trackers.duplicates import find_births, merge_queries, suppress_duplicates
from queryinst_vis.trackers.table import Sightings, TrackTable
from queryinst_vis.trackers.weak_matches import match_weak

MAX_TRACKS = 512  # the latest seen are kept, whatever the time stamps say
YOUNG = 0.5  # seconds after its first sighting in which a track may turn out to be a lost one
TENTATIVE_MISSES = 2  # frames in a row without a sighting that end a track not confirmed yet


@TRACKERS.register_module(name="query_match")
class QueryMatchTracker(Tracker):
    """Match detections to tracks by joint cost; wait for lost ones; confirm new ones before they are shown.

    score_threshold: score that a new object needs, and that the smoothed score of a track needs to be shown. An object is shown
    at once in the first frame or when scored at least (1 + score_threshold) / 2, else when seen a second time within three
    frames. similarity: how embeddings compare. low_score: fraction of the threshold down to which a detection carries a track
    on. min_overlap: IoU with the mask (or box) where it is expected that it needs for that. patience: seconds a track waits to
    be seen again. max_cost: joint cost, in [0, 1], from which two are not the same. duplicate_iou: overlap from which two
    detections are one object; birth_iou: the same for a new object and another of its class.
    """

    def __init__(
        self,
        *,
        score_threshold: float = 0.3,
        similarity: str = "cosine",
        low_score: float = 0.5,
        patience: float = 3.0,
        max_cost: float = 0.5,
        min_overlap: float = 0.3,
        duplicate_iou: float = 0.6,
        birth_iou: float = 0.5,
        affinity: Affinity = Affinity(),  # noqa: B008 (frozen)
    ) -> None:
        self.score_threshold = check_score_threshold(score_threshold)
        check_not_negative(low_score=low_score, patience=patience, max_cost=max_cost, min_overlap=min_overlap)
        check_not_negative(duplicate_iou=duplicate_iou, birth_iou=birth_iou)
        self.min_score = low_score * score_threshold
        self.patience = patience
        self.max_cost = max_cost
        self.min_overlap = min_overlap
        self.duplicate_iou = duplicate_iou
        self.birth_iou = birth_iou
        self.affinity = affinity
        self._appearance = Appearance(similarity)
        self.reset()

    def reset(self) -> None:
        self._appearance.reset()
        self._tracks = TrackTable.empty()
        self._next_id = 1
        self._first_frame = True

    @torch.inference_mode()
    def update(self, instances: Instances, *, time: float) -> Instances:
        found = suppress_duplicates(merge_queries(usable(instances, self.min_score)), self.duplicate_iou)
        sightings = self._appearance.sightings(found)
        self._forget(time)
        self._tracks.fit_widths(sightings)
        self._appearance.learn(sightings)
        rows = self._match(sightings, time)
        self._tracks.misses += 1
        columns = torch.nonzero(rows >= 0).flatten()
        self._tracks.see(rows[columns], sightings, columns, time)
        self._confirm(rows[columns])
        self._reunite(time)
        self._start(rows, found, sightings, time)
        self._first_frame = False
        return self._shown(found, rows)

    def _forget(self, time: float) -> None:
        tracks = self._tracks
        tracks.keep((tracks.elapsed(time) <= self.patience) & ((tracks.ids > 0) | (tracks.misses < TENTATIVE_MISSES)))
        tracks.keep_latest(MAX_TRACKS)

    def _match(self, sightings: Sightings, time: float) -> Tensor:
        """Row of the track each detection belongs to, int64 [N], -1 for none: strong detections first, then weak ones."""
        rows = torch.full((len(sightings),), -1, dtype=torch.int64)
        strong = sightings.scores >= self.score_threshold
        cost = self.affinity.cost(self._tracks, sightings, time, self._appearance)
        matched, columns = assign(cost.masked_fill(~strong, torch.inf), self.max_cost, weights=sightings.scores)
        rows[columns] = matched
        possible = (cost < self.max_cost) & ~strong
        match_weak(rows, self._tracks, sightings, time, possible=possible, min_overlap=self.min_overlap)
        return rows

    def _confirm(self, rows: Tensor) -> None:
        """Tracks seen a second time get their ids."""
        tentative = rows[self._tracks.ids[rows] == 0]
        self._tracks.ids[tentative] = self._new_ids(len(tentative))

    def _reunite(self, time: float) -> None:
        """A young track that by now looks like a lost one is that object: it takes over the id, and the lost row goes.

        What an object looks like, and which class it has, is often clear only some frames after it came back.
        """
        tracks = self._tracks
        young = torch.nonzero((tracks.misses == 0) & (time - tracks.born < YOUNG)).flatten()
        lost = torch.nonzero((tracks.ids > 0) & (tracks.misses > 0)).flatten()
        if not len(young) or not len(lost):
            return
        cost = self.affinity.cost(tracks, tracks.as_sightings(young), time, self._appearance)[lost]
        overlapping = tracks.seen[lost, None] >= tracks.born[young]  # both were seen at once: two objects
        rows, columns = assign(cost.masked_fill(overlapping, torch.inf), self.max_cost)
        found, gone = young[columns], lost[rows]
        tracks.ids[found], tracks.born[found] = tracks.ids[gone], tracks.born[gone]
        tracks.ids[gone], tracks.seen[gone] = 0, -torch.inf  # forgotten at the next frame

    def _start(self, rows: Tensor, found: Instances, sightings: Sightings, time: float) -> None:
        """Strong detections that belong to no track, nor lie on another of their class, start one; writes its row into `rows`."""
        columns = find_births(found, rows, min_score=self.score_threshold, max_iou=self.birth_iou)
        sure = (sightings.scores[columns] >= (1 + self.score_threshold) / 2) | self._first_frame
        ids = torch.zeros(len(columns), dtype=torch.int64)
        ids[sure] = self._new_ids(int(sure.sum()))
        rows[columns] = self._tracks.add(ids, sightings, columns, time)

    def _shown(self, found: Instances, rows: Tensor) -> Instances:
        """Detections of confirmed tracks whose smoothed score is high enough, with their ids and the class of the track."""
        worth = (self._tracks.ids > 0) & (self._tracks.scores >= self.score_threshold)
        return self._tracks.tag(found, rows.masked_fill(~worth[rows], -1) if len(worth) else rows)

    def state_dict(self) -> dict[str, Any]:
        return {
            "next_id": self._next_id,
            "first_frame": self._first_frame,
            "appearance": self._appearance.state_dict(),
            "tracks": self._tracks.to_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._next_id, self._first_frame = state["next_id"], state["first_frame"]
        self._appearance.load_state_dict(state["appearance"])
        self._tracks = TrackTable(**{name: value.clone() for name, value in state["tracks"].items()})
