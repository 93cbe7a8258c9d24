"""How unlike a track and a detection are: appearance, place and class, each in [0, 1], joined to one cost.

Raw queries tell classes apart well and identities weakly (their cosine is 0.93-0.96 for one person and 0.90 for another), so
appearance decides only where overlap and motion leave room, and counts more the longer an object was out of sight.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from queryinst_vis.ops.boxes import box_area, box_giou
from queryinst_vis.trackers.motion import centres
from queryinst_vis.trackers.table import Sightings, TrackTable


@dataclass(frozen=True, slots=True)
class Affinity:
    """Weights of the three parts (appearance drops out where there are no embeddings).

    other_cosine: cosine distance of embeddings from which they count as wholly different. place_memory: seconds out of sight
    after which the place an object was expected at counts half. reach, reach_growth: how far from there an object may be, in box
    sizes, and how many sizes more per second out of sight.
    """

    appearance: float = 0.2
    place: float = 0.5
    classes: float = 0.3
    other_cosine: float = 0.2
    place_memory: float = 1.0
    reach: float = 1.0
    reach_growth: float = 1.5

    def cost(self, tracks: TrackTable, sightings: Sightings, time: float) -> Tensor:
        """[T, N] in [0, 1]; inf where a detection is out of reach."""
        expected, elapsed = tracks.expected_boxes(time), tracks.elapsed(time)
        too_far = out_of_reach(expected, elapsed, sightings.boxes, reach=self.reach, growth=self.reach_growth)
        elapsed = elapsed[:, None]
        place_weight = self.place / (1 + elapsed / self.place_memory)
        cost = place_weight * (1 - box_giou(expected, sightings.boxes)) / 2
        cost = cost + self.classes * class_distance(tracks.class_scores, sightings.class_scores)
        total = place_weight + self.classes
        if tracks.embeds.shape[1]:
            unlike = ((1 - tracks.embeds @ sightings.embeds.T) / self.other_cosine).clamp(0, 1)
            cost, total = cost + self.appearance * unlike, total + self.appearance
        return (cost / total).masked_fill(too_far, torch.inf)


def class_distance(first: Tensor, second: Tensor) -> Tensor:
    """Scores per class [T, C] and [N, C] -> 1 - cosine of their squares, [T, N]; 0 for one class.

    Squares, because the many classes that score next to nothing would otherwise make all objects alike.
    """
    return (1 - F.normalize(first.square(), dim=1) @ F.normalize(second.square(), dim=1).T).clamp(0, 1)


def out_of_reach(expected: Tensor, elapsed: Tensor, boxes: Tensor, *, reach: float, growth: float) -> Tensor:
    """Which boxes [N, 4] are further than `reach` box sizes, and `growth` more per second `elapsed` [T], from where tracks are
    `expected` [T, 4]: bool [T, N]."""
    return centre_distance(expected, boxes) > reach + growth * elapsed[:, None]


def centre_distance(first: Tensor, second: Tensor) -> Tensor:
    """Boxes [T, 4] and [N, 4] -> distance of centres in sizes (square root of the area) of the larger box, [T, N]."""
    size = torch.maximum(box_area(first)[:, None], box_area(second)[None]).sqrt().clamp(min=1)
    return torch.cdist(centres(first), centres(second)) / size
