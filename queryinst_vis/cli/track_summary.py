"""What `track` says at the end: how many frames, how fast, which tracks; and a hint when there are none."""

import time
from collections import Counter

import numpy as np

from queryinst_vis.models.base import ImageModel
from queryinst_vis.pipeline import segment_frames
from queryinst_vis.structures import Frame, Instances
from queryinst_vis.tracks import class_scores

_FIRST_LOOK = 8  # frames without a track after which it is looked how near the model came to finding something


class TrackSummary:
    """Takes in what every frame gave; the time it measures begins with its making."""

    def __init__(self, model: ImageModel, labels: list[int] | None) -> None:
        """labels: the classes that were asked for, None for all."""
        self.num_frames = 0
        self._model, self._labels = model, labels
        self._begun = time.perf_counter()
        self._class_sums: dict[int, np.ndarray] = {}  # of each track
        self._last: Frame | None = None
        self._best = (0.0, "")  # score and class of the best detection in the frames that were looked at closer

    def add(self, frame: Frame, instances: Instances) -> None:
        """The next frame."""
        self.num_frames += 1
        self._last = frame
        scores = class_scores(instances, len(self._model.info.classes))
        for track_id, row in zip(instances.track_ids.tolist(), scores, strict=True):
            self._class_sums[track_id] = self._class_sums.get(track_id, 0) + row
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
        lines = [f"{self.num_frames} frames in {seconds:.1f} s ({fps:.1f} fps), {self._tracks_by_class()}"]
        if self._class_sums or self._last is None:
            return lines
        self._look_closer(self._last)
        return [*lines, self._hint()]

    def _tracks_by_class(self) -> str:
        classes = Counter(self._model.info.classes[int(sums.argmax())] for sums in self._class_sums.values())
        total = len(self._class_sums)
        counts = ", ".join(f"{name} {number}" for name, number in classes.most_common())
        return f"{total} track{'' if total == 1 else 's'}" + (f": {counts}" if counts else "")

    def _hint(self) -> str:
        score, name = self._best
        if not name:
            return "nothing was found, not even at a low score"
        return (
            f"nothing was found; the best score in the frames looked at was {score:.2f} ({name}): "
            f"try --score-threshold {0.9 * score:.2f}"
        )
