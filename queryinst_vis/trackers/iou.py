"""The example tracker: boxes that overlap where an object was expected are that object. Start here to write your own.

It needs boxes, scores and labels only.
"""

from dataclasses import astuple, dataclass
from typing import Any

import torch

from queryinst_vis.ops.boxes import box_iou
from queryinst_vis.registry import TRACKERS
from queryinst_vis.structures import Instances
from queryinst_vis.trackers.assignment import assign
from queryinst_vis.trackers.base import Tracker, check_score_threshold, usable
from queryinst_vis.trackers.duplicates import merge_queries, suppress_duplicates
from queryinst_vis.trackers.motion import predict_boxes, update_velocities

MAX_TRACKS = 256  # the latest are kept, whatever the time stamps say


@dataclass(slots=True)
class _Track:
    id: int
    box: torch.Tensor  # float32 [4] at the last sighting
    velocity: torch.Tensor  # float32 [2] pixels per second
    seen: float  # seconds


@TRACKERS.register_module(name="iou")
class IoUTracker(Tracker):
    """Match boxes by IoU with where constant velocity puts the tracks, one to one.

    score_threshold: detections below are ignored. patience: seconds a track waits unseen. min_iou: overlap needed to be the same.
    """

    def __init__(self, *, score_threshold: float = 0.3, patience: float = 1.0, min_iou: float = 0.3) -> None:
        self.min_score = check_score_threshold(score_threshold)
        self.patience = patience
        self.min_iou = min_iou
        self.reset()

    def reset(self) -> None:
        self._tracks: list[_Track] = []
        self._next_id = 1

    def update(self, instances: Instances, *, time: float) -> Instances:
        found = suppress_duplicates(merge_queries(usable(instances, self.min_score)), max_iou=0.7)
        self._tracks = [t for t in self._tracks if time - t.seen <= self.patience][-MAX_TRACKS:]
        rows, columns = assign(1 - box_iou(self._expected(time), found.boxes), 1 - self.min_iou)
        found.track_ids = torch.zeros(len(found), dtype=torch.int64)
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            track, box = self._tracks[row], found.boxes[column]
            elapsed = torch.tensor([max(time - track.seen, 0)])
            track.velocity = update_velocities(track.velocity[None], track.box[None], box[None], elapsed)[0]
            track.box, track.seen = box, time
            found.track_ids[column] = track.id
        for column in torch.nonzero(found.track_ids == 0).flatten().tolist():
            self._tracks.append(_Track(self._next_id, found.boxes[column], torch.zeros(2), time))
            found.track_ids[column] = self._next_id
            self._next_id += 1
        return found

    def _expected(self, time: float) -> torch.Tensor:
        """Boxes [T, 4] of the tracks at `time`."""
        if not self._tracks:
            return torch.zeros(0, 4)
        boxes, velocities = torch.stack([t.box for t in self._tracks]), torch.stack([t.velocity for t in self._tracks])
        return predict_boxes(boxes, velocities, torch.tensor([max(time - t.seen, 0) for t in self._tracks]))

    def state_dict(self) -> dict[str, Any]:
        return {"next_id": self._next_id, "tracks": [list(astuple(track)) for track in self._tracks]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._next_id = state["next_id"]
        self._tracks = [_Track(*values) for values in state["tracks"]]
