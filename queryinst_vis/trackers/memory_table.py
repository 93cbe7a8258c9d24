"""Tracks that remember several looks each: the embeddings of a few moments, older ones counting less."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from queryinst_vis.trackers.appearance import Appearance
from queryinst_vis.trackers.table import Sightings, TrackTable

NUM_LOOKS = 8  # K, remembered per track
INTERVAL = 0.25  # seconds between two of them; within, the newest is replaced
RECENT = 1.0  # age in seconds from which a look counts half


@dataclass(slots=True)
class MemoryTable(TrackTable):
    """T living tracks with K looks each."""

    looks: Tensor  # float32 [T, K, D]
    look_times: Tensor  # float64 [T, K], seconds; -inf for none
    look_scores: Tensor  # float32 [T, K], of the detection

    @classmethod
    def empty(cls) -> Self:
        columns = TrackTable.empty().to_dict()
        looks, times = torch.zeros(0, NUM_LOOKS, 0), torch.zeros(0, NUM_LOOKS, dtype=torch.float64)
        return cls(**columns, looks=looks, look_times=times, look_scores=torch.zeros(0, NUM_LOOKS))

    def fit_widths(self, sightings: Sightings) -> None:
        TrackTable.fit_widths(self, sightings)
        if not len(self):
            self.looks = self.looks.new_zeros(0, NUM_LOOKS, self.embeds.shape[1])

    def see(self, rows: Tensor, sightings: Sightings, columns: Tensor, time: float) -> None:
        TrackTable.see(self, rows, sightings, columns, time)
        newest, slots = self.look_times[rows].max(1)
        due = time - newest >= INTERVAL
        slots = torch.where(due, self.look_times[rows].argmin(1), slots)
        self.look_times[rows, slots] = torch.where(due, time, newest)
        self._look(rows, slots, sightings, columns)

    def add(self, ids: Tensor, sightings: Sightings, columns: Tensor, time: float) -> Tensor:
        count = len(columns)
        self.looks = torch.cat([self.looks, self.looks.new_zeros(count, *self.looks.shape[1:])])
        self.look_scores = torch.cat([self.look_scores, torch.zeros(count, NUM_LOOKS)])
        self.look_times = torch.cat([self.look_times, self.look_times.new_full((count, NUM_LOOKS), -torch.inf)])
        rows = TrackTable.add(self, ids, sightings, columns, time)
        slots = torch.zeros_like(rows)
        self.look_times[rows, slots] = time
        self._look(rows, slots, sightings, columns)
        return rows

    def _look(self, rows: Tensor, slots: Tensor, sightings: Sightings, columns: Tensor) -> None:
        self.looks[rows, slots] = sightings.embeds[columns]
        self.look_scores[rows, slots] = sightings.scores[columns]

    def appearance_logits(self, sightings: Sightings, appearance: Appearance, time: float) -> Tensor:
        """[T, N]: how much detections look like tracks, beside 0; the odds of a track's looks averaged by score and age."""
        age = (time - self.look_times).clamp(min=0).float()
        weights = self.look_scores / (1 + age / RECENT)
        weights = weights / weights.sum(1, keepdim=True)
        logits = appearance.logits(self.looks.flatten(0, 1), sightings.embeds).unflatten(0, (-1, NUM_LOOKS))  # [T, K, N]
        return (logits + weights.log()[..., None]).logsumexp(1)
