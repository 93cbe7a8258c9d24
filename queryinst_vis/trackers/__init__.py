"""Trackers: `Instances` of one frame after the other in, the same with identities out. `build_tracker` makes one by name."""

from difflib import get_close_matches

from queryinst_vis.errors import UserError
from queryinst_vis.registry import TRACKERS, available
from queryinst_vis.trackers.base import Tracker
from queryinst_vis.trackers.iou import IoUTracker
from queryinst_vis.trackers.query_match import QueryMatchTracker

__all__ = ["IoUTracker", "QueryMatchTracker", "Tracker", "build_tracker"]


def build_tracker(name: str, *, score_threshold: float, similarity: str = "cosine") -> Tracker:
    """A fresh tracker of a registered name, its other settings at their defaults (for others construct its class).

    score_threshold: score from which a detection counts as an object. similarity: how the model's embeddings compare
    (`ModelInfo`). UserError: no tracker of that name, or one that cannot work with such embeddings.
    """
    names = available(TRACKERS)
    if name not in names:
        nearest = get_close_matches(name, names, n=1, cutoff=0.0)[0]
        raise UserError(f"no tracker is called '{name}'; did you mean '{nearest}'? There are: {', '.join(names)}")
    tracker = TRACKERS.module_dict[name]
    if similarity not in tracker.similarities:
        raise UserError(
            f"tracker '{name}' needs embeddings made for {' or '.join(tracker.similarities)} similarity, "
            f"this model's are for {similarity}; use --tracker query_match"
        )
    return tracker(score_threshold=score_threshold)
