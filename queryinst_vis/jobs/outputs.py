"""The files that a job writes: the annotated video and results of any kind."""

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from queryinst_vis.errors import UserError
from queryinst_vis.jobs.checkpoints import Checkpoints
from queryinst_vis.outputs import check_new_file
from queryinst_vis.results import ResultWriter, open_result
from queryinst_vis.structures import Frame, Instances, VideoInfo
from queryinst_vis.trackers.events import Event
from queryinst_vis.video import VideoWriter
from queryinst_vis.video.fragments import SegmentedVideo
from queryinst_vis.video.writer import check_output

if TYPE_CHECKING:
    from queryinst_vis.jobs.job import Job

STANDARD_OUTPUT = "-"
_NEVER = 10**9  # seconds: parts end when their state is saved, not by themselves


def check_outputs(job: "Job", *, are_ours: bool) -> None:
    """UserError, before any work: files that cannot be made, that are one and the same, or are the source.

    are_ours: an earlier run of the job has begun them, or may even have finished some.
    """
    overwrite = job.overwrite or are_ours
    if job.video:
        check_output(job.video, overwrite=overwrite, codec=job.codec)
    paths = [path for path in (job.video, *(Path(path) for _, path in job.results if path != STANDARD_OUTPUT)) if path]
    for path in paths:
        if path.is_file():
            check_new_file(path, overwrite=overwrite)
        if _is_source(path, job.source):
            raise UserError(f"{path} is the input; name another output")
    for index, path in enumerate(paths):
        if path.absolute() in [other.absolute() for other in paths[:index]]:
            raise UserError(f"{path} cannot be two outputs at once")
    if sum(path == STANDARD_OUTPUT for _, path in job.results) > 1:
        raise UserError("only one result can go to standard output")


def _is_source(path: Path, source: Any) -> bool:
    if isinstance(source, list | tuple):
        return any(_is_source(path, each) for each in source)
    is_path = isinstance(source, str | os.PathLike) and Path(source).exists()
    return is_path and path.exists() and path.samefile(source)


class JobOutputs:
    """Takes in one frame after the other. On leaving by an exception what is complete is kept.

    With checkpoints the video is written in parts, and everything stays as it is until `close`.
    """

    def __init__(
        self,
        job: "Job",
        info: VideoInfo,
        classes: Sequence[str],
        *,
        checkpoints: Checkpoints | None = None,
        marks: Sequence[dict[str, Any]] | None = None,
    ) -> None:
        """marks: of the results, to go on from there. UserError: a file cannot be made."""
        self._job, self._info, self._checkpoints = job, info, checkpoints
        self._zero = int((job.start or 0) / info.time_base)  # ticks of the source at time 0 of the video
        self._video: VideoWriter | SegmentedVideo | None = None
        self._results: list[ResultWriter] = []
        self._joining: list[str] = []
        self._is_paused = False
        facts: dict[str, Any] = {"video_name": job.name, "info": info, "classes": classes, "overwrite": job.overwrite}
        with ExitStack() as stack:
            if job.video:
                self._video = self._open_video(job.video)
                stack.push(self._video)
            try:
                for index, (kind, path) in enumerate(job.results):
                    self._results.append(open_result(kind, path, **facts, resume=None if marks is None else marks[index]))
                    stack.push(self._results[-1])
            except BaseException:
                if marks is not None:
                    self.pause()
                raise
            self._stack = stack.pop_all()

    def _open_video(self, path: Path) -> VideoWriter | SegmentedVideo:
        if self._checkpoints:
            return SegmentedVideo(self._checkpoints.parts, self._info, seconds=_NEVER, codec=self._job.codec)
        return VideoWriter(path, self._info, **self._sound(), codec=self._job.codec, overwrite=self._job.overwrite)

    def _sound(self) -> dict[str, Any]:
        source = self._job.source
        if not isinstance(source, str | os.PathLike) or not Path(source).is_file():
            return {}
        return {"audio_from": source, "audio_start": Fraction(self._zero) * self._info.time_base}

    @property
    def wants_pictures(self) -> bool:
        """Whether there is a video to be made."""
        return self._video is not None

    @property
    def num_parts(self) -> int:
        """Complete parts of the video."""
        return len(self._video.segments) if isinstance(self._video, SegmentedVideo) else 0

    def keep_parts(self, number: int, *, num_frames: int) -> bool:
        """Forget parts that came after a state; whether those that stay are as long as it says."""
        if not isinstance(self._video, SegmentedVideo):
            return True
        self._video.keep(number)
        return self._video.num_frames == num_frames

    def add(self, frame: Frame, instances: Instances, events: Sequence[Event]) -> None:
        """What was found in the next frame, to the results. events: for those that hold them."""
        for result in self._results:
            result.add(frame, instances)
        self.add_events(events)

    def add_picture(self, picture: np.ndarray, pts: int) -> None:
        """The next frame with its objects drawn, for the video; pts: of the source. Another thread may call it."""
        if self._video is not None:
            self._video.write(picture, pts - self._zero)

    def add_events(self, events: Sequence[Event]) -> None:
        """What happened to tracks in the frame added last."""
        if events and self._job.events:
            for result in self._results:
                result.add_events(events)

    def marks(self) -> list[dict[str, Any]]:
        """Where the results are, to go on from there."""
        return [result.mark() for result in self._results]

    def end_part(self) -> None:
        """Complete the part of the video that is being written."""
        if isinstance(self._video, SegmentedVideo):
            self._video.close()

    def pause(self) -> None:
        """Let go of all files as they are, to go on from the last marks later."""
        self._is_paused = True
        for result in self._results:
            result.suspend()

    def close(self) -> None:
        """Finish all files and give them their names."""
        try:
            if isinstance(self._video, SegmentedVideo):
                assert self._job.video
                self._joining = self._video.join(self._job.video, **self._sound(), overwrite=self._job.overwrite)
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        self._stack.close()

    @property
    def lost_in_video(self) -> list[str]:
        """What of the source could not be carried over into the video, complete once closed."""
        return self._joining + (self._video.problems if isinstance(self._video, VideoWriter) else [])

    @property
    def lost_in_results(self) -> list[str]:
        """What kinds of results could not hold, complete once closed."""
        return [f"{result.path}: {problem}" for result in self._results for problem in result.problems]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error_type: type[BaseException] | None, *exc_info: Any) -> None:
        if error_type is None and not self._is_paused:
            self.close()
            return
        if self._checkpoints and not self._is_paused:
            self.pause()
        self._stack.__exit__(error_type, *exc_info)
