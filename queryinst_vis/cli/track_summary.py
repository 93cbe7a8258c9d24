"""What `track` says at the end: how many frames, how fast, which tracks; and a hint when there are none.

For people in lines, for programs as one JSON document (docs/video.md).
"""

import json
from collections.abc import Sequence

from queryinst_vis.jobs.job import Job, JobReport
from queryinst_vis.models.base import ImageModel
from queryinst_vis.pipeline import labels_of, segment_frames
from queryinst_vis.structures import Frame, Instances
from queryinst_vis.video.url import mask_url

_FIRST_LOOK = 8  # frames without a track after which it is looked how near the model came to finding something


def summary_line(report: JobReport) -> str:
    """Frames, speed and tracks."""
    num_new = report.num_frames - report.num_resumed
    fps = num_new / max(report.seconds, 1e-9)
    before = f", after {report.num_resumed} of an earlier run" if report.num_resumed else ""
    return f"{_count(num_new, 'frame')} in {report.seconds:.1f} s ({fps:.1f} fps){before}, {tracks_by_class(report)}"


def tracks_by_class(report: JobReport) -> str:
    """3 tracks: person 2, dog 1."""
    counts = ", ".join(f"{name} {number}" for name, number in report.tracks.items())
    return _count(sum(report.tracks.values()), "track") + (f": {counts}" if counts else "")


def statistics_line(report: JobReport) -> str:
    """What a live source has to tell; empty for others."""
    return ", ".join(f"{name} {value:g}" for name, value in report.statistics.items())


def report_document(inputs: Sequence[str], job: Job, report: JobReport, exit_code: int) -> str:
    """JSON on how a job ended."""
    num_new = report.num_frames - report.num_resumed
    status = "stopped" if report.is_stopped else "damaged" if report.problems else "complete"
    document = {
        "status": status,
        "exit_code": exit_code,
        "inputs": [mask_url(name) for name in inputs],
        "frames": report.num_frames,
        "frames_of_earlier_runs": report.num_resumed,
        "seconds": round(report.seconds, 3),
        "frames_per_second": round(num_new / max(report.seconds, 1e-9), 3),
        "tracks": report.tracks,
        "damage": report.damage,
        "lost": report.lost,
        "statistics": report.statistics,
        "outputs": [] if report.is_stopped and job.resume else report.outputs,
    }
    return json.dumps(document, indent=1)


class NearMisses:
    """While there is no track: how well does the best detection score?"""

    def __init__(self, model: ImageModel, classes: tuple[str, ...] | None) -> None:
        """classes: those that were asked for, None for all."""
        self._model, self._labels = model, labels_of(classes, model.info.classes)
        self._num_frames = 0
        self._is_needed = True
        self._last: Frame | None = None
        self._best = (0.0, "")  # score and class of the best detection in the frames that were looked at closer

    def add(self, frame: Frame, instances: Instances) -> None:
        """The next frame with its tracked objects."""
        self._num_frames += 1
        self._last = frame
        self._is_needed = self._is_needed and not len(instances)
        if self._num_frames > _FIRST_LOOK and frame.index.bit_count() == 1:  # now and then, ever more rarely
            self._look_closer(frame)

    def _look_closer(self, frame: Frame) -> None:
        if self._is_needed:
            ((_, found),) = segment_frames([frame], self._model, min_score=0.0, labels=self._labels)
            if len(found):
                row = int(found.scores.argmax())
                name = self._model.info.classes[int(found.labels[row])]
                self._best = max(self._best, (float(found.scores[row]), name))

    def hint(self) -> str:
        """To be printed after the last frame when there was no track at all."""
        if self._last is not None:
            self._look_closer(self._last)
        score, name = self._best
        if not name:
            return "nothing was found, not even at a low score"
        return (
            f"nothing was found; the best score in the frames looked at was {score:.2g} ({name}): "
            f"try --score-threshold {0.9 * score:.2g}"
        )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
