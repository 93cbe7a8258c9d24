"""A video from file to file: every part by itself, one after the other, and the whole as `track` runs it."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch

from queryinst_vis.benchmark.timing import Spread, Stopwatch
from queryinst_vis.jobs.job import Job, run_job
from queryinst_vis.models.base import ImageModel
from queryinst_vis.results import open_result
from queryinst_vis.structures import Frame
from queryinst_vis.trackers import build_tracker
from queryinst_vis.video import VideoWriter, open_video
from queryinst_vis.visualization import Trails, draw_instances


@dataclass(frozen=True, slots=True)
class VideoTimes:
    """Seconds of a frame by part; of the whole video as `track` runs it, where parts overlap; and how much was in it."""

    parts: dict[str, Spread]
    whole: float
    num_frames: int
    num_objects: int

    @property
    def network_fps(self) -> float:
        """Frames per second if there were nothing but the network."""
        return 1 / self.parts["network"].median

    @property
    def fps(self) -> float:
        """Frames per second from file to file."""
        return self.num_frames / self.whole


def time_video(
    path: Path, model: ImageModel, *, max_frames: int | None = None, warmup: int = 3, batch_size: int | None = None
) -> VideoTimes:
    """batch_size: of the whole, None for what suits the model. UserError: the video cannot be read."""
    with tempfile.TemporaryDirectory() as folder:
        frames, num_objects = _one_after_the_other(path, model, Path(folder), max_frames)
        names = list(frames[0])
        parts = {name: Spread.of(frame[name] for frame in frames[warmup:] or frames) for name in names}
        begun = time.perf_counter()
        job = Job(
            source=str(path),
            max_frames=max_frames,
            video=Path(folder, "whole.mp4"),
            results=(("json", str(Path(folder, "whole.json"))),),
            batch_size=batch_size,
        )
        report = run_job(job, lambda: model)
        whole = time.perf_counter() - begun
    return VideoTimes(parts, whole, report.num_frames, num_objects)


def _one_after_the_other(
    path: Path, model: ImageModel, folder: Path, max_frames: int | None
) -> tuple[list[dict[str, float]], int]:
    """Seconds of the parts of each frame, and the number of objects in all frames."""
    info, seconds, num_objects = model.info, [], 0
    with ExitStack() as stack:
        source = stack.enter_context(open_video(path))
        writer = stack.enter_context(VideoWriter(folder / "parts.mp4", source.info))
        facts = {"video_name": path.name, "info": source.info, "classes": info.classes}
        results = stack.enter_context(open_result("json", folder / "parts.json", **facts))
        tracker = build_tracker(info.tracker, score_threshold=info.score_threshold, similarity=info.similarity)
        trails = Trails()
        for frame, watch in _timed(islice(source, max_frames), model):
            (found,) = model.predict([frame.image], min_score=tracker.min_score)
            watch.mark("network")
            with torch.inference_mode():
                instances = tracker.update(found, time=frame.time)
            watch.mark("tracking")
            results.add(frame, instances)
            watch.mark("RLE and JSON")
            picture = draw_instances(frame.image, instances, classes=info.classes, trails=trails)
            watch.mark("drawing")
            writer.write(picture, frame.pts)
            watch.mark("encoding")
            seconds.append(watch.seconds)
            num_objects += len(instances)
    return seconds, num_objects


def _timed(frames: Iterator[Frame], model: ImageModel) -> Iterator[tuple[Frame, Stopwatch]]:
    """Each frame with a watch that has its decoding on it."""
    while True:
        watch = Stopwatch(model.device)
        frame = next(frames, None)
        if frame is None:
            return
        watch.mark("decoding")
        yield frame, watch
