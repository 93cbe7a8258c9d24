"""The contest of `compare`: each tracker runs over the same detections, and what it makes of them is measured."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from time import perf_counter
from typing import Any

import numpy as np

from queryinst_vis.errors import UserError
from queryinst_vis.evaluation.category_map import CategoryMap
from queryinst_vis.evaluation.detection_cache import Timed
from queryinst_vis.evaluation.identity import IdentityMetrics
from queryinst_vis.evaluation.mask_tracks import drop_unannotated
from queryinst_vis.evaluation.ytvis_ap import VideoAveragePrecision
from queryinst_vis.evaluation.ytvis_results import to_results
from queryinst_vis.models.base import ModelInfo
from queryinst_vis.registry import TRACKERS, available
from queryinst_vis.structures import Frame, Instances
from queryinst_vis.trackers import Tracker, build_tracker
from queryinst_vis.tracks import collect_tracks

_NO_PICTURE = np.zeros((1, 1, 3), dtype=np.uint8)


@dataclass(slots=True)
class Contestant:
    """A tracker as it is used, and once more with the low score threshold that average precision wants; results of both so far.

    error: why it cannot work with the detections.
    """

    name: str
    tracker: Tracker | None = None
    ap_tracker: Tracker | None = None
    error: str | None = None
    shown: list[dict[str, Any]] = field(default_factory=list)
    all_results: list[dict[str, Any]] = field(default_factory=list)
    num_frames: int = 0
    seconds: float = 0.0

    @property
    def min_score(self) -> float:
        """Lowest score of detections it has a use for."""
        return min((t.min_score for t in (self.tracker, self.ap_tracker) if t), default=1.0)

    def follow(self, frames: Sequence[Timed], video: Mapping[str, Any], categories: CategoryMap, *, num_classes: int) -> None:
        """Track one video, given all its detections."""
        if self.tracker is None or self.ap_tracker is None:
            return
        began = perf_counter()
        tracked = list(_track(self.tracker, frames))
        self.seconds += perf_counter() - began
        self.num_frames += len(tracked)
        self.shown += _results(tracked, video, categories, num_classes)
        self.all_results += _results(_track(self.ap_tracker, frames), video, categories, num_classes)


def contestants(names: Sequence[str] | None, info: ModelInfo, *, ap_threshold: float) -> list[Contestant]:
    """Trackers by name, all registered ones for None; settings may follow: "iou:patience=2". UserError: unknown or misspelt."""
    return [_contestant(name, info, ap_threshold) for name in names or available(TRACKERS)]


def _contestant(text: str, info: ModelInfo, ap_threshold: float) -> Contestant:
    name, *words = text.split(":")
    settings = dict(_setting(word) for word in words)
    known = TRACKERS.module_dict.get(name) if name in available(TRACKERS) else None
    if known is not None and info.similarity not in known.similarities:
        return Contestant(text, error=f"needs embeddings for {' or '.join(known.similarities)}, these are for {info.similarity}")
    tracker, ap_tracker = (
        build_tracker(name, score_threshold=threshold, similarity=info.similarity, **settings)
        for threshold in (info.score_threshold, ap_threshold)
    )
    return Contestant(text, tracker, ap_tracker)


def _setting(word: str) -> tuple[str, Any]:
    name, equals, text = word.partition("=")
    if not equals:
        raise UserError(f"a tracker's settings are NAME:SETTING=VALUE:SETTING=VALUE, got '{word}'")
    try:
        return name, ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return name, text


class Judge:
    """Measures contestants by annotations (content as `read_ytvis` gives it). ignore_unmatched: see drop_unannotated."""

    def __init__(self, content: dict[str, Any], *, ignore_unmatched: bool) -> None:
        self._content = content
        self._precision, self._identity = VideoAveragePrecision(content), IdentityMetrics(content)
        self._ignore_unmatched = ignore_unmatched

    def measures(self, contestant: Contestant) -> dict[str, Any]:
        """Numbers by name, or {"error": why there are none}."""
        if contestant.error:
            return {"error": contestant.error}
        shown, all_results = contestant.shown, contestant.all_results
        if self._ignore_unmatched:
            shown, all_results = (drop_unannotated(self._content, results) for results in (shown, all_results))
        identity = self._identity(shown, min_score=0.0)
        speed = {"ms_per_frame": 1000 * contestant.seconds / max(contestant.num_frames, 1)}
        return {**self._precision(all_results), **identity, **speed}


def _track(tracker: Tracker, frames: Sequence[Timed]) -> Iterator[tuple[Frame, Instances]]:
    tracker.reset()
    for index, (time, instances) in enumerate(frames):
        found = instances[instances.scores >= tracker.min_score]
        found.masks = found.masks and found.masks.to("cpu")  # what one tracker pasted does not hurry the next one, nor stay
        yield Frame(_NO_PICTURE, index, index, Fraction(1)), tracker.update(found, time=time)


def _results(
    tracked: Sequence[tuple[Frame, Instances]] | Iterator[tuple[Frame, Instances]],
    video: Mapping[str, Any],
    categories: CategoryMap,
    num_classes: int,
) -> list[dict[str, Any]]:
    return to_results(
        categories.tracks(collect_tracks(tracked, num_classes=num_classes)),
        video_id=video["id"],
        num_frames=len(video["file_names"]),
        image_hw=(video["height"], video["width"]),
        category_ids=categories.category_ids,
    )
