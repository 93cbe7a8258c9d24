"""The example tracker: a box that overlaps where an object was expected is that object. Start here to write your own.

It needs boxes, scores and labels only.
"""

from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import torch
from torch import Tensor

from queryinst_vis.ops.boxes import box_iou
from queryinst_vis.registry import TRACKERS
from queryinst_vis.structures import Instances
from queryinst_vis.trackers.assignment import assign
from queryinst_vis.trackers.base import Tracker, check_not_negative, check_score_threshold, usable
from queryinst_vis.trackers.duplicates import merge_queries, suppress_duplicates
from queryinst_vis.trackers.motion import predict_boxes, update_velocities

MAX_TRACKS = 256  # the latest seen are kept, whatever the time stamps say


@dataclass(slots=True)
class _Tracks:
    ids: Tensor  # int64 [T]
    boxes: Tensor  # float32 [T, 4] at the last sighting
    velocities: Tensor  # float32 [T, 2], pixels per second
    seen: Tensor  # float64 [T], seconds of the last sighting

    def __getitem__(self, rows: Tensor | slice) -> Self:
        return type(self)(*(getattr(self, f.name)[rows] for f in fields(self)))

    def __add__(self, other: Self) -> Self:
        return type(self)(*(torch.cat([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self)))


@TRACKERS.register_module(name="iou")
class IoUTracker(Tracker):
    """Match boxes by IoU with where constant velocity puts the tracks, one to one.

    score_threshold: detections below are ignored. patience: seconds a track waits unseen. min_iou: overlap needed to be the same.
    """

    def __init__(self, *, score_threshold: float = 0.3, patience: float = 1.0, min_iou: float = 0.3) -> None:
        self.min_score = check_score_threshold(score_threshold)
        check_not_negative(patience=patience, min_iou=min_iou)
        self.patience = patience
        self.min_iou = min_iou
        self.reset()

    def reset(self) -> None:
        no_time = torch.zeros(0, dtype=torch.float64)
        self._tracks = _Tracks(torch.zeros(0, dtype=torch.int64), torch.zeros(0, 4), torch.zeros(0, 2), no_time)
        self._next_id = 1

    def update(self, instances: Instances, *, time: float) -> Instances:
        found = suppress_duplicates(merge_queries(usable(instances, self.min_score)), max_iou=0.7)
        tracks = self._tracks[time - self._tracks.seen <= self.patience]
        elapsed = (time - tracks.seen).clamp(min=0).float()
        expected = predict_boxes(tracks.boxes, tracks.velocities, elapsed)
        rows, columns = assign(1 - box_iou(expected, found.boxes), 1 - self.min_iou, weights=found.scores)

        found.track_ids = self._ids(tracks, rows, columns, len(found))
        velocities = torch.zeros(len(found), 2)
        before, now = tracks.boxes[rows], found.boxes[columns]
        velocities[columns] = update_velocities(tracks.velocities[rows], before, now, elapsed[rows])
        seen = _Tracks(found.track_ids, found.boxes, velocities, torch.full((len(found),), time, dtype=torch.float64))
        unseen = torch.ones(len(tracks.ids), dtype=torch.bool)
        unseen[rows] = False
        self._tracks = (tracks[unseen] + seen)[-MAX_TRACKS:]
        return found

    def _ids(self, tracks: _Tracks, rows: Tensor, columns: Tensor, count: int) -> Tensor:
        """Those of the matched tracks, new ones for the other detections: int64 [count]."""
        ids = torch.zeros(count, dtype=torch.int64)
        ids[columns] = tracks.ids[rows]
        born = ids == 0
        ids[born] = self._new_ids(int(born.sum()))
        return ids

    def state_dict(self) -> dict[str, Any]:
        return {"next_id": self._next_id, "tracks": asdict(self._tracks)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._next_id = state["next_id"]
        self._tracks = _Tracks(**state["tracks"])
