"""What `track` does while a job runs: progress, the live view, and stopping."""

import signal
import sys
from contextlib import ExitStack

import numpy as np

from queryinst_vis.cli.progress import progress_bar
from queryinst_vis.cli.stopping import Stop, stop_on_signal
from queryinst_vis.cli.track_summary import NearMisses, statistics_line, summary_line
from queryinst_vis.jobs.job import Job, JobReport, Watcher
from queryinst_vis.jobs.outputs import STANDARD_OUTPUT
from queryinst_vis.models.base import ImageModel
from queryinst_vis.structures import Frame, Instances, VideoInfo
from queryinst_vis.trackers.events import BORN, Event
from queryinst_vis.video import VideoSource
from queryinst_vis.visualization.window import LiveView


class TrackWatcher(Watcher):
    """Progress, signals, the live view, and what the summary needs."""

    def __init__(self, job: Job, stack: ExitStack, *, view: LiveView | None = None, is_quiet: bool = False) -> None:
        """stack: what begins with the first frame ends with it."""
        self.stop = Stop()
        self.wants_pictures = view is not None
        self._job, self._stack, self._view, self._is_quiet = job, stack, view, is_quiet
        self._num_objects = self._num_tracks = 0

    def begin(self, source: VideoSource, model: ImageModel, *, num_resumed: int) -> None:
        self.stop = self._stack.enter_context(stop_on_signal())
        self._near_misses = NearMisses(model, self._job.classes)
        total = _expected_frames(source.info, self._job.max_frames)
        bar = progress_bar(self._job.name, total and total - num_resumed, note=self._counts, is_quiet=self._is_quiet)
        self._advance = self._stack.enter_context(bar)

    def _counts(self) -> str:
        return f"{self._num_objects} objects, {self._num_tracks} new tracks"

    def frame(self, frame: Frame, instances: Instances) -> None:
        self._near_misses.add(frame, instances)
        self._num_objects = len(instances)
        self._advance()

    def event(self, event: Event) -> None:
        self._num_tracks += event.kind == BORN

    def picture(self, image: np.ndarray) -> None:
        assert self._view is not None
        self._view.show(image, should_stop=self.should_stop)
        if self._view.is_lost:
            self.wants_pictures = False
            print("the window is gone; the work goes on without it", file=sys.stderr)

    def should_stop(self) -> bool:
        if self._view is not None and self._view.wants_stop:
            self.stop.signal = signal.SIGINT
        return self.stop.signal is not None

    def summary(self, report: JobReport) -> list[str]:
        """To be printed at the end."""
        lines = [summary_line(report), statistics_line(report)]
        if not report.tracks and report.num_frames > report.num_resumed:
            lines.append(self._near_misses.hint())
        if not (report.is_stopped and self._job.resume):
            lines += [f"wrote {path}" for path in report.outputs if path != STANDARD_OUTPUT]
        return [line for line in lines if line]


def _expected_frames(info: VideoInfo, max_frames: int | None) -> int | None:
    known = info.num_frames
    if known is None and info.duration and info.fps:
        known = round(info.duration * info.fps)
    return min((number for number in (known, max_frames) if number), default=None)
