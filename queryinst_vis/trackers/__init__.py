"""Trackers: `Instances` of one frame after the other in, the same with identities out. `build_tracker` makes one by name."""

import inspect
from difflib import get_close_matches
from typing import Any

from queryinst_vis.errors import UserError
from queryinst_vis.registry import TRACKERS, available
from queryinst_vis.trackers.base import Tracker
from queryinst_vis.trackers.iou import IoUTracker
from queryinst_vis.trackers.masktrack import MaskTrackTracker
from queryinst_vis.trackers.memory_bank import MemoryBankTracker
from queryinst_vis.trackers.query_match import QueryMatchTracker

__all__ = ["IoUTracker", "MaskTrackTracker", "MemoryBankTracker", "QueryMatchTracker", "Tracker", "build_tracker"]


def build_tracker(name: str, *, score_threshold: float, similarity: str = "cosine", **settings: Any) -> Tracker:
    """A fresh tracker of a registered name.

    score_threshold: score from which a detection counts as an object. similarity: how the model's embeddings compare
    (`ModelInfo`). settings: others of that tracker, by name. UserError: no tracker of that name, one that cannot work with such
    embeddings, or a setting it does not have or cannot be set so.
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
    known = inspect.signature(tracker).parameters
    allowed = [setting for setting in known if setting not in ("score_threshold", "similarity")]
    for unknown in settings.keys() - allowed:
        raise UserError(f"tracker '{name}' has no setting '{unknown}'; it has: {', '.join(allowed)}")
    if "similarity" in known:
        settings["similarity"] = similarity
    try:
        return tracker(score_threshold=score_threshold, **settings)
    except (TypeError, ValueError) as error:
        raise UserError(f"tracker '{name}': {error}") from error
