"""How unlike a track and a detection are: appearance, place and class, each in [0, 1], joined to one cost.

Raw queries tell classes apart well and identities weakly (their cosine is 0.93-0.96 for one person and 0.90 for another), so
appearance decides only where overlap and motion leave room, and counts more the longer an object was out of sight. Embeddings
trained to tell objects apart are given more weight, as far as they do so in the video (`appearance.py`).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from queryinst_vis.ops.boxes import box_giou
from queryinst_vis.trackers.appearance import Appearance
from queryinst_vis.trackers.distances import class_distance, out_of_reach
from queryinst_vis.trackers.table import Sightings, TrackTable


@dataclass(frozen=True, slots=True)
class Affinity:
    """Weights of the three parts (appearance drops out where there are no embeddings).

    appearance: of raw queries; trained_appearance: of embeddings that are fully trusted. other_cosine: cosine distance of raw
    queries from which they count as wholly different. place_memory: seconds out of sight
    after which the place an object was expected at counts half. reach, reach_growth: how far from there an object may be, in box
    sizes, and how many sizes more per second out of sight.
    """

    appearance: float = 0.2
    trained_appearance: float = 0.8
    place: float = 0.5
    classes: float = 0.3
    other_cosine: float = 0.2
    place_memory: float = 1.0
    reach: float = 1.0
    reach_growth: float = 1.5

    def cost(self, tracks: TrackTable, sightings: Sightings, time: float, appearance: Appearance) -> Tensor:
        """[T, N] in [0, 1]; inf where a detection is out of reach."""
        expected, elapsed = tracks.expected_boxes(time), tracks.elapsed(time)
        too_far = out_of_reach(
            expected, elapsed, sightings.boxes, reach=self.reach, growth=self.reach_growth, trust=appearance.trust
        )
        elapsed = elapsed[:, None]
        place_weight = self.place / (1 + elapsed / self.place_memory)
        cost = place_weight * (1 - box_giou(expected, sightings.boxes)) / 2
        cost = cost + self.classes * class_distance(tracks.class_scores, sightings.class_scores)
        total = place_weight + self.classes
        if tracks.embeds.shape[1]:
            weight = self.appearance + appearance.trust * (self.trained_appearance - self.appearance)
            cost, total = cost + weight * self._unlike(tracks.embeds, sightings.embeds, appearance), total + weight
        return (cost / total).masked_fill(too_far, torch.inf)

    def _unlike(self, first: Tensor, second: Tensor, appearance: Appearance) -> Tensor:
        """[T, N] in [0, 1]: as raw queries, as trained embeddings, or between the two, as far as they are trusted."""
        trained = 1 - appearance.probabilities(first, second)
        if appearance.trust == 1:  # products of "dot" are no cosines
            return trained
        raw = ((1 - first @ second.T) / self.other_cosine).clamp(0, 1)
        return torch.lerp(raw, trained, appearance.trust)
