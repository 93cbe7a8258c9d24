"""The work of a job: frames through model and tracker into the files, from the beginning or from where an earlier run was."""

import threading
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from queryinst_vis.errors import UserError
from queryinst_vis.jobs.behind import Behind
from queryinst_vis.jobs.checkpoints import Checkpoints
from queryinst_vis.jobs.outputs import JobOutputs
from queryinst_vis.jobs.tally import TrackTally
from queryinst_vis.models.base import ImageModel
from queryinst_vis.pipeline import labels_of, track_video
from queryinst_vis.results import FullDiskError
from queryinst_vis.results.spool import SpoolInUseError
from queryinst_vis.structures import Frame, Instances
from queryinst_vis.trackers import build_tracker
from queryinst_vis.trackers.events import EventFinder
from queryinst_vis.video import VideoSource, prefetch
from queryinst_vis.video.sources import can_be_opened_again
from queryinst_vis.visualization import Trails, draw_instances

if TYPE_CHECKING:
    from queryinst_vis.jobs.job import Job, Watcher

_POLL_SECONDS = 0.1


class JobRun:
    """To be called once. `tally`, `outputs`, `num_resumed` and `is_stopped` tell what was done."""

    outputs: JobOutputs
    _behind: Behind

    def __init__(
        self, job: "Job", source: VideoSource, model: ImageModel, watcher: "Watcher", checkpoints: Checkpoints | None
    ) -> None:
        """UserError: the model does not know a class, or there is no such tracker."""
        info = model.info
        self._job, self._source, self._model, self._watcher, self._checkpoints = job, source, model, watcher, checkpoints
        self._labels = labels_of(job.classes, info.classes)
        name = job.tracker or info.tracker
        self._tracker = build_tracker(name, score_threshold=info.score_threshold, similarity=info.similarity)
        patience = getattr(self._tracker, "patience", None)
        self._finder = EventFinder() if patience is None else EventFinder(patience=patience)
        self._trails = Trails()
        self.tally = TrackTally(len(info.classes))
        self.num_resumed = 0
        self.is_stopped = False
        self._last_pts: int | None = None
        self._number = 0  # of checkpoints
        self._part_begins: float | None = None  # seconds into the video; None when nothing came since the last checkpoint

    def __call__(self) -> None:
        """Do the work. UserError, as `run_job`."""
        with self._opened() as self.outputs:
            self.num_resumed = self.tally.num_frames
            self._watcher.begin(self._source, self._model, num_resumed=self.num_resumed)
            with (
                Behind() as self._behind,
                _closed_when_stopped(self._source, self._watcher),
                closing(_made_ahead(self._source)) as frames,
            ):
                self._skip(frames)
                self._track(frames)
            if self._checkpoints:
                self._save()
            if self._checkpoints and self.is_stopped:
                self.outputs.pause()
            else:
                self._finish()  # leaving the block closes the files

    def _track(self, frames: Iterator[Frame]) -> None:
        if self.is_stopped:
            return
        tracked = track_video(frames, self._model, self._tracker, labels=self._labels, batch_size=self._batch_size())
        for frame, instances in tracked:
            self._add(frame, instances)
            self.is_stopped = self._watcher.should_stop()
            if self.is_stopped:
                return
            if self._checkpoints and frame.time - (self._part_begins or 0) >= self._job.segment_seconds:
                self._save()

    def _batch_size(self) -> int:
        if self._source.is_live:
            return 1
        if self._job.batch_size:
            return self._job.batch_size
        if self._watcher.wants_pictures or not can_be_opened_again(self._job.source):
            return 1  # somebody may wait for each frame
        return self._model.frames_at_once((self._source.info.height, self._source.info.width))

    def _add(self, frame: Frame, instances: Instances) -> None:
        if self._part_begins is None:
            self._part_begins = frame.time
        events = self._finder.update(frame, instances)
        self.outputs.add(frame, instances, events)
        self.tally.add(instances)
        self._last_pts = frame.pts
        self._watcher.frame(frame, instances)
        if self._watcher.wants_pictures:
            self._watcher.picture(self._draw(frame, instances))
        elif self.outputs.wants_pictures:
            self._behind.do(self._draw, frame, instances)
        for event in events:
            self._watcher.event(event)

    def _draw(self, frame: Frame, instances: Instances) -> np.ndarray:
        """The frame with its objects, which goes into the video, too."""
        picture = draw_instances(frame.image, instances, classes=self._model.info.classes, trails=self._trails)
        self.outputs.add_picture(picture, frame.pts)
        return picture

    def _finish(self) -> None:
        events = self._finder.finish()
        self.outputs.add_events(events)
        for event in events:
            self._watcher.event(event)
        if self._checkpoints:
            self._checkpoints.finishing()

    # Going on

    def _skip(self, frames: Iterator[Frame]) -> None:
        """Pass over what an earlier run has done: frames are the same only when all before them are decoded, too."""
        pts = None
        for frame in islice(frames, self.num_resumed):
            pts = frame.pts
            if self._watcher.should_stop():
                self.is_stopped = True
                return
        if pts != self._last_pts:
            raise UserError(
                f"{self._job.name} gives other frames than before; remove {self._job.checkpoint_folder} to start anew"
            )

    def _save(self) -> None:
        """Keep all that later frames depend on, if there is anything new."""
        if self._checkpoints is None or self._part_begins is None:
            return
        self._behind.wait()
        self._number += 1
        self._checkpoints.save(self._number, self._state())
        self.outputs.end_part()
        self._part_begins = None

    def _state(self) -> dict[str, Any]:
        return {
            "tracker": self._tracker.state_dict(),
            "events": self._finder.state_dict(),
            "tally": self.tally.state_dict(),
            "last_pts": self._last_pts,
            "marks": self.outputs.marks(),
        }

    def _opened(self) -> JobOutputs:
        """The files, and all state, as they were when an earlier run was stopped; else new ones."""
        job, checkpoints = self._job, self._checkpoints
        if checkpoints is None:
            return JobOutputs(job, self._source.info, self._model.info.classes)
        for number in reversed(checkpoints.numbers()):
            if outputs := self._restored(number, checkpoints.load(number)):
                return outputs
        checkpoints.clear()
        job = replace(job, overwrite=job.overwrite or not checkpoints.is_new)  # what stands under our names is ours
        return JobOutputs(job, self._source.info, self._model.info.classes, checkpoints=checkpoints)

    def _restored(self, number: int, state: dict[str, Any] | None) -> JobOutputs | None:
        """None: the state is damaged, or the files do not hold what belongs to it."""
        if state is None or self._checkpoints is None:
            return None
        job, num_frames = replace(self._job, overwrite=True), state["tally"]["num_frames"]
        try:
            outputs = JobOutputs(
                job, self._source.info, self._model.info.classes, checkpoints=self._checkpoints, marks=state["marks"]
            )
        except (FullDiskError, SpoolInUseError):
            if not self._checkpoints.is_finishing:  # else some of the files have their names already
                raise
            return None
        except UserError:
            return None
        if not outputs.keep_parts(number, num_frames=num_frames):
            outputs.pause()
            return None
        self._tracker.load_state_dict(state["tracker"])
        self._finder.load_state_dict(state["events"])
        self.tally.load_state_dict(state["tally"])
        self._last_pts, self._number = state["last_pts"], number
        return outputs


def _made_ahead(source: VideoSource) -> Generator[Frame, None, None]:
    """The frames, decoded ahead; not those of a live source, which has a thread of its own: what waits grows old."""
    yield from source if source.is_live else prefetch(source)


@contextmanager
def _closed_when_stopped(source: VideoSource, watcher: "Watcher") -> Iterator[None]:
    """Inside, a live source that gives nothing is let go of when somebody wants to stop."""
    if not source.is_live:
        yield
        return
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(_POLL_SECONDS):
            if watcher.should_stop():
                source.close()
                return

    thread = threading.Thread(target=watch, name="stop", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
