"""The contract of every tracker: identities for the instances of one video, frame by frame.

A tracker owns its state and there is one per video. It sees `Instances` only, runs on the host, and must not count on optional
fields (class_scores, masks, embeds, query_ids), on a size of embedding, or on more than one class. Ids are positive, never given
twice in a frame and never used again for something else. Patience is in seconds and memory is bounded. To add one: subclass,
register, import it in `__init__.py`; the tests under tests/trackers sweep every registered tracker.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor

from queryinst_vis.structures import Instances


class Tracker(ABC):
    """Gives identities to detections.

    min_score: detections below are of no use, so a model need not report them. similarities: the kinds of embeddings it can work
    with ("cosine": queries as they are; "dot": trained as logits beside a "new object" column).
    """

    similarities: ClassVar[tuple[str, ...]] = ("cosine", "dot")
    min_score: float
    _next_id: int

    @abstractmethod
    def update(self, instances: Instances, *, time: float) -> Instances:
        """The frame shown at `time` seconds: its detections worth showing, in their order, with track_ids set."""

    @abstractmethod
    def reset(self) -> None:
        """Forget the video: the next frame is the first of another one."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """All that the ids of later frames depend on, as numbers, tensors, lists and dicts (`torch.save` can write it)."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Carry on from what `state_dict()` gave."""

    def _new_ids(self, count: int) -> Tensor:
        """The next `count` ids, int64 [count]; trackers that use it set `_next_id` to 1 at their reset."""
        first, self._next_id = self._next_id, self._next_id + count
        return torch.arange(first, self._next_id)


def usable(instances: Instances, min_score: float) -> Instances:
    """Detections a tracker can work with: scored at least `min_score`, with finite boxes."""
    return instances[(instances.scores >= min_score) & torch.isfinite(instances.boxes).all(1)]


def check_score_threshold(value: float) -> float:
    """The value itself; ValueError when it is no probability."""
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"score_threshold must lie in [0, 1], got {value!r}")
    return value


def check_not_negative(**settings: float) -> None:
    """ValueError: a setting that is no number of at least 0."""
    for name, value in settings.items():
        if not isinstance(value, int | float) or not value >= 0:
            raise ValueError(f"{name} must be a number of at least 0, got {value!r}")
