"""What `track` says at the end: how many frames, how fast, which tracks; and a hint when there are none."""

import time
from collections import Counter

import numpy as np

from queryinst_vis.models.base import ImageModel
from queryinst_vis.pipeline import segment_frames
from queryinst_vis.structures import Frame, Instances
from queryinst_vis.tracks import class_scores

_KEPT = 1024  # tracks whose class may still change: more than trackers hold, so that one left out never comes back
_FIRST_LOOK = 8  # frames without a track after which it is looked how near the model came to finding something


class TrackSummary:
    """Takes in what every frame gave, in memory that does not grow; the time it measures begins with its making."""

    def __init__(self, model: ImageModel, labels: list[int] | None) -> None:
        """labels: the classes that were asked for, None for all."""
        self.num_frames = 0
        self._model, self._labels = model, labels
        self._begun = time.perf_counter()
        self._class_sums: dict[int, np.ndarray] = {}  # of the tracks seen last, the latest at the end
        self._ended: Counter[int] = Counter()  # how many tracks of each label went before them
        self._last: Frame | None = None
        self._best = (0.0, "")  # score and class of the best detection in the frames that were looked at closer

    def add(self, frame: Frame, instances: Instances) -> None:
        """The next frame."""
        self.num_frames += 1
        self._last = frame
        scores = class_scores(instances, len(self._model.info.classes))
        for track_id, row in zip(instances.track_ids.tolist(), scores, strict=True):
            self._class_sums[track_id] = self._class_sums.pop(track_id, 0) + row
        while len(self._class_sums) > _KEPT:
            self._ended[int(self._class_sums.pop(next(iter(self._class_sums))).argmax())] += 1
        if self.num_frames > _FIRST_LOOK and frame.index.bit_count() == 1:  # now and then, ever more rarely
            self._look_closer(frame)

    def _look_closer(self, frame: Frame) -> None:
        """While there is no track: how well does the best detection score?"""
        if not self._class_sums:
            ((_, found),) = segment_frames([frame], self._model, min_score=0.0, labels=self._labels)
            if len(found):
                row = int(found.scores.argmax())
                name = self._model.info.classes[int(found.labels[row])]
                self._best = max(self._best, (float(found.scores[row]), name))

    def lines(self) -> list[str]:
        """To be printed after the last frame."""
        seconds = time.perf_counter() - self._begun
        fps = self.num_frames / max(seconds, 1e-9)
        lines = [f"{_count(self.num_frames, 'frame')} in {seconds:.1f} s ({fps:.1f} fps), {self._tracks_by_class()}"]
        if self._class_sums or self._last is None:
            return lines
        self._look_closer(self._last)
        return [*lines, self._hint()]

    def _tracks_by_class(self) -> str:
        labels = self._ended + Counter(int(sums.argmax()) for sums in self._class_sums.values())
        counts = ", ".join(f"{self._model.info.classes[label]} {number}" for label, number in labels.most_common())
        return _count(labels.total(), "track") + (f": {counts}" if counts else "")

    def _hint(self) -> str:
        score, name = self._best
        if not name:
            return "nothing was found, not even at a low score"
        return (
            f"nothing was found; the best score in the frames looked at was {score:.2g} ({name}): "
            f"try --score-threshold {0.9 * score:.2g}"
        )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
