"""One video from end to end: source, model, tracker, files. What `track` does, as a function that prints nothing.

A `Job` is plain values, so that the same unit of work runs here, in a process of its own or on another machine. By a `Watcher` a
caller sees what happens, and stops it.
"""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np

from queryinst_vis.errors import UserError
from queryinst_vis.jobs.checkpoints import Checkpoints
from queryinst_vis.jobs.identity import can_be_identified, identity_of
from queryinst_vis.jobs.outputs import STANDARD_OUTPUT, check_outputs
from queryinst_vis.jobs.run import JobRun
from queryinst_vis.models.base import ImageModel
from queryinst_vis.models.region import Region, RegionOfInterest, region_inside
from queryinst_vis.structures import Frame, Instances, VideoInfo
from queryinst_vis.trackers.events import Event
from queryinst_vis.video import Limits, VideoSource, open_video
from queryinst_vis.video.url import mask_url


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A video and what to make of it.

    source: as `open_video` takes it; start and end in seconds; every `stride`-th frame, at most `max_frames` of them; fps of
    pictures; policy of live sources; limits of reading.
    region: where to look (left, top, width, height); classes: names, None for all; tracker: None for what suits the model.
    batch_size: frames that go through the model at once, None for what suits it; those of live sources, pipes and views
    do not wait for others then.
    video: path of the annotated video; results: kinds and paths, as `open_result` takes them.
    events: tell them in results that hold them.
    resume: keep what is needed to go on after a stop or kill, every `segment_seconds` of video, and go on where that is there.
    model: facts that tell models apart, for JSON.
    """

    source: Any
    start: Fraction | None = None
    end: Fraction | None = None
    stride: int = 1
    max_frames: int | None = None
    fps: Fraction | None = None
    policy: Literal["newest", "every"] = "newest"
    limits: Limits | None = None
    region: Region | None = None
    classes: tuple[str, ...] | None = None
    tracker: str | None = None
    batch_size: int | None = None
    video: Path | None = None
    codec: str = "h264"
    results: tuple[tuple[str, str], ...] = ()
    events: bool = False
    overwrite: bool = False
    resume: bool = False
    segment_seconds: float = 10.0
    model: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of the source, for people and in results: without folders and passwords."""
        if isinstance(self.source, str) and "://" in self.source:
            return mask_url(self.source)
        if isinstance(self.source, str | os.PathLike):
            return Path(self.source).name or str(self.source)
        if isinstance(self.source, list | tuple) and self.source:
            return replace(self, source=self.source[0]).name
        return type(self.source).__name__

    @property
    def checkpoint_folder(self) -> Path:
        """UserError: there is no file beside which it could be."""
        paths = [*([self.video] if self.video else []), *(Path(path) for _, path in self.results if path != STANDARD_OUTPUT)]
        if not paths:
            raise UserError("going on later needs an output that is a file")
        return paths[0].with_name(f"{paths[0].name}.resume")


@dataclass(slots=True)
class JobReport:
    """How a job ended.

    num_frames: all of them, `num_resumed` of which an earlier run had done; seconds: of this run, without loading the model.
    tracks: number of each class. damage: what was wrong with the source or its sound; lost: what results could not hold.
    """

    num_frames: int
    num_resumed: int
    seconds: float
    tracks: dict[str, int]
    damage: list[str]
    lost: list[str]
    outputs: list[str]
    statistics: dict[str, Any]
    is_stopped: bool

    @property
    def problems(self) -> list[str]:
        """All that keeps the result from being all that was asked for."""
        return self.damage + self.lost


class Watcher:
    """Is told what happens in a job; does nothing with it. To be subclassed."""

    wants_pictures = False

    def begin(self, source: VideoSource, model: ImageModel, *, num_resumed: int) -> None:
        """The first frame is about to come; an earlier run had done `num_resumed` before it."""

    def frame(self, frame: Frame, instances: Instances) -> None:
        """The next frame is done, its objects tracked."""

    def event(self, event: Event) -> None:
        """Something happened to a track in the frame done last."""

    def picture(self, image: np.ndarray) -> None:
        """Its objects drawn, uint8 [H, W, 3] RGB, if `wants_pictures`."""

    def should_stop(self) -> bool:
        """Asked after each frame, and from another thread while a live source is waited for."""
        return False


def run_job(job: Job, load_model: Callable[[], ImageModel], watcher: Watcher | None = None) -> JobReport:
    """Do it. load_model: called when the source is known to be good.

    UserError: the source cannot be read, or a file cannot be written; with `resume` what was done is kept for the next time.
    """
    watcher = watcher or Watcher()
    check_outputs(job, are_ours=job.resume and job.checkpoint_folder.exists())
    with ExitStack() as stack:
        source = stack.enter_context(open_source(job))
        model = _looking_at(job.region, load_model(), source.info)
        checkpoints = stack.enter_context(_checkpoints(job, source)) if job.resume else None
        begun = time.perf_counter()
        run = JobRun(job, source, model, watcher, checkpoints)
        run()
        if checkpoints and not run.is_stopped:
            checkpoints.remove()
    return JobReport(
        num_frames=run.tally.num_frames,
        num_resumed=run.num_resumed,
        seconds=time.perf_counter() - begun,
        tracks={model.info.classes[label]: number for label, number in run.tally.by_label().most_common()},
        damage=[*source.problems, *run.outputs.lost_in_video],
        lost=run.outputs.lost_in_results,
        outputs=[str(path) for path in (job.video, *(path for _, path in job.results)) if path],
        statistics=dict(source.statistics),
        is_stopped=run.is_stopped,
    )


def open_source(job: Job) -> VideoSource:
    """The frames that the job is about."""
    names = ("start", "end", "stride", "max_frames", "fps", "limits", "policy")
    return open_video(job.source, **{name: getattr(job, name) for name in names})


def _checkpoints(job: Job, source: VideoSource) -> Checkpoints:
    if source.is_live or not can_be_identified(job.source):
        raise UserError(f"{job.name} cannot be gone on with later: what was shown is not shown again")
    return Checkpoints(job.checkpoint_folder, identity_of(job), overwrite=job.overwrite)


def _looking_at(region: Region | None, model: ImageModel, info: VideoInfo) -> ImageModel:
    if region is None:
        return model
    return RegionOfInterest(model, region_inside(region, width=info.width, height=info.height))
