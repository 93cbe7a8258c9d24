"""What a tracker remembers of its tracks: one row of a few tensors each, so that a crowd costs little more than one object."""

from dataclasses import dataclass, fields
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from queryinst_vis.structures import Instances
from queryinst_vis.trackers.duplicates import class_evidence
from queryinst_vis.trackers.mask_overlap import GRID, mask_grids
from queryinst_vis.trackers.motion import predict_boxes, update_velocities

EMBED_MEMORY = 0.5  # seconds over which the appearance of a track is smoothed
CLASS_MEMORY = 1.0  # and its class distribution and score


@dataclass(slots=True)
class Sightings:
    """Detections of one frame as the table keeps them. N detections, C classes, D embedding size (0 without embeddings)."""

    boxes: Tensor  # float32 [N, 4] xyxy
    scores: Tensor  # float32 [N]
    class_scores: Tensor  # float32 [N, C]
    embeds: Tensor  # float32 [N, D]
    grids: Tensor  # bool [N, G, G], masks over their boxes
    unit_length: bool = True  # of embeds, which are compared by cosine then

    @classmethod
    def of(cls, instances: Instances, *, unit_length: bool = True) -> Self:
        """unit_length: make embeddings so. Numbers in them that are not finite count as 0."""
        embeds = instances.embeds if instances.embeds is not None else instances.boxes.new_zeros(len(instances), 0)
        embeds = embeds.float().nan_to_num(0, 0, 0)
        embeds = F.normalize(embeds, dim=1) if unit_length else embeds
        return cls(instances.boxes, instances.scores, class_evidence(instances), embeds, mask_grids(instances), unit_length)

    def __len__(self) -> int:
        return len(self.boxes)


@dataclass(slots=True)
class TrackTable:
    """T living tracks."""

    ids: Tensor  # int64 [T]; 0 as long as the track is not confirmed
    boxes: Tensor  # float32 [T, 4] xyxy at the last sighting
    velocities: Tensor  # float32 [T, 2] of the centre, pixels per second
    born: Tensor  # float64 [T], seconds of the first sighting
    seen: Tensor  # float64 [T], of the last one
    misses: Tensor  # int64 [T], frames since then
    scores: Tensor  # float32 [T], smoothed
    class_scores: Tensor  # float32 [T, C], smoothed
    embeds: Tensor  # float32 [T, D], smoothed, of unit length if those of the detections are
    grids: Tensor  # bool [T, G, G], masks over their boxes, at the last sighting

    @classmethod
    def empty(cls) -> Self:
        counts, matrix = torch.zeros(0, dtype=torch.int64), torch.zeros(0, 0)
        seen = torch.zeros(0, dtype=torch.float64)
        return cls(
            counts,
            torch.zeros(0, 4),
            torch.zeros(0, 2),
            seen,
            seen,
            counts,
            torch.zeros(0),
            matrix,
            matrix,
            torch.zeros(0, GRID, GRID, dtype=torch.bool),
        )

    def __len__(self) -> int:
        return len(self.ids)

    def to_dict(self) -> dict[str, Tensor]:
        return {f.name: getattr(self, f.name).clone() for f in fields(self)}

    @property
    def labels(self) -> Tensor:
        """int64 [T]: the class each track had most of."""
        return self.class_scores.argmax(1)

    def keep(self, rows: Tensor) -> None:
        """Forget all tracks but these (bool [T] or indices)."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name)[rows])

    def keep_latest(self, limit: int) -> None:
        """Forget all tracks but the `limit` seen latest; of equals the newer."""
        if len(self) > limit:
            newest_first = len(self) - 1 - self.seen.flip(0).argsort(descending=True, stable=True)
            self.keep(newest_first[:limit].sort().values)

    def as_sightings(self, rows: Tensor) -> Sightings:
        """Tracks as if they were detections: where they were seen last, with all they have gathered."""
        return Sightings(self.boxes[rows], self.scores[rows], self.class_scores[rows], self.embeds[rows], self.grids[rows])

    def expected_boxes(self, time: float) -> Tensor:
        """Where constant velocity puts the tracks at `time`: [T, 4]."""
        return predict_boxes(self.boxes, self.velocities, self.elapsed(time))

    def elapsed(self, time: float) -> Tensor:
        """Seconds since each track was seen: float32 [T]; 0 where time went back."""
        return (time - self.seen).clamp(min=0).float()

    def fit_widths(self, sightings: Sightings) -> None:
        """Make room for the classes of these detections and agree on a size of embeddings.

        ValueError: living tracks have embeddings of another size.
        """
        if not len(sightings):
            sightings.embeds = self.embeds[:0]
        elif not len(self):
            self.embeds = sightings.embeds[:0]
        check_same_size(sightings.embeds, self.embeds)
        width = max(self.class_scores.shape[1], sightings.class_scores.shape[1])
        self.class_scores = F.pad(self.class_scores, (0, width - self.class_scores.shape[1]))
        sightings.class_scores = F.pad(sightings.class_scores, (0, width - sightings.class_scores.shape[1]))

    def see(self, rows: Tensor, sightings: Sightings, columns: Tensor, time: float) -> None:
        """Tracks `rows` were found as detections `columns`, int64 [P] each."""
        elapsed, boxes = self.elapsed(time)[rows], sightings.boxes[columns]
        self.velocities[rows] = update_velocities(self.velocities[rows], self.boxes[rows], boxes, elapsed)
        self.boxes[rows], self.grids[rows] = boxes, sightings.grids[columns]
        self.seen[rows] = time
        self.misses[rows] = 0
        gain = _gain(elapsed, CLASS_MEMORY)
        self.scores[rows] = torch.lerp(self.scores[rows], sightings.scores[columns], gain[:, 0])
        self.class_scores[rows] = torch.lerp(self.class_scores[rows], sightings.class_scores[columns], gain)
        gain = _gain(elapsed, EMBED_MEMORY) * sightings.scores[columns, None]
        embeds = torch.lerp(self.embeds[rows], sightings.embeds[columns], gain)
        self.embeds[rows] = F.normalize(embeds, dim=1) if sightings.unit_length else embeds

    def add(self, ids: Tensor, sightings: Sightings, columns: Tensor, time: float) -> Tensor:
        """Start tracks at detections `columns`, with `ids` int64 [P]. Returns their rows, int64 [P]."""
        count = len(columns)
        rows = {
            "ids": ids,
            "boxes": sightings.boxes[columns],
            "velocities": torch.zeros(count, 2),
            "born": torch.full((count,), time, dtype=torch.float64),
            "seen": torch.full((count,), time, dtype=torch.float64),
            "misses": torch.zeros(count, dtype=torch.int64),
            "scores": sightings.scores[columns],
            "class_scores": sightings.class_scores[columns],
            "embeds": sightings.embeds[columns],
            "grids": sightings.grids[columns],
        }
        for name, value in rows.items():
            setattr(self, name, torch.cat([getattr(self, name), value]))
        return torch.arange(len(self) - count, len(self))

    def tag(self, found: Instances, rows: Tensor) -> Instances:
        """Detections that belong to tracks, with the ids and classes of those. rows: int64 [N], -1 for detections that do not."""
        columns = torch.nonzero(rows >= 0).flatten()
        tagged, rows = found[columns], rows[columns]
        tagged.track_ids = self.ids[rows]
        tagged.labels = self.labels[rows] if len(rows) else tagged.labels
        return tagged


def check_same_size(embeds: Tensor, known: Tensor) -> None:
    """ValueError: embeddings [..., D] and [..., D] that cannot be compared."""
    if embeds.shape[-1] != known.shape[-1]:
        raise ValueError(f"embeddings of size {embeds.shape[-1]} follow some of {known.shape[-1]} in one video")


def _gain(elapsed: Tensor, memory: float) -> Tensor:
    """How much the new counts after `elapsed` seconds [P], for smoothing over `memory` seconds: [P, 1]."""
    return 1 - torch.exp(-elapsed / memory)[:, None]
