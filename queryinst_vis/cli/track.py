"""`track IN`: a video in; the same video with its objects drawn, and their tracks as JSON, out."""

import argparse
import sys
import time
from collections import Counter
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import numpy as np

from queryinst_vis.cli.model_options import add_model_arguments, labels_of, load
from queryinst_vis.cli.progress import progress_bar
from queryinst_vis.cli.stopping import Stop, stop_on_signal
from queryinst_vis.errors import UserError
from queryinst_vis.models.base import ImageModel
from queryinst_vis.outputs import check_new_file
from queryinst_vis.pipeline import segment_frames, track_video
from queryinst_vis.structures import Frame, Instances, VideoInfo
from queryinst_vis.trackers import Tracker, build_tracker
from queryinst_vis.tracks import TrackLog, class_scores
from queryinst_vis.video import VideoSource, VideoWriter, open_video, prefetch
from queryinst_vis.video.writer import check_output
from queryinst_vis.visualization import Trails, draw_instances

DAMAGED = 3
_FIRST_LOOK = 8  # frames without a track after which it is looked how near the model came to finding something


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", type=Path, metavar="IN", help="a video file")
    parser.add_argument("--output", type=Path, metavar="OUT.mp4", help="annotated video (default: NAME_tracked.mp4 here)")
    parser.add_argument("--no-video", action="store_true", help="write no video, only the JSON")
    parser.add_argument("--json", type=Path, metavar="OUT.json", help="tracks with boxes and masks (docs/json_format.md)")
    parser.add_argument("--overwrite", action="store_true", help="replace output files that exist")
    parser.add_argument("--tracker", metavar="NAME", help="query_match or iou (default: what suits the model)")
    parser.add_argument("--max-frames", type=_positive, metavar="N", help="stop after N frames")
    add_model_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Track one video. Exit codes: 0; 3 when the video is damaged; 128 + signal when stopped."""
    video_path, json_path = _outputs(args)
    with open_video(args.input) as source:
        model = load(args)
        labels = labels_of(args.classes, model.info.classes)
        tracker = build_tracker(
            args.tracker or model.info.tracker,
            score_threshold=model.info.score_threshold,
            similarity=model.info.similarity,
        )
        with stop_on_signal() as stop:
            job = _Job(source, model, tracker, labels)
            problems = job.run(args, video_path, json_path, stop)
    job.report([path for path in (video_path, json_path) if path])
    if stop.signal is not None:
        print(f"stopped after {job.num_frames} frames; what was done is kept", file=sys.stderr)
        return stop.exit_code
    if problems:
        print(f"{args.input} is damaged: {'; '.join(problems)}", file=sys.stderr)
    return DAMAGED if problems else 0


def _outputs(args: argparse.Namespace) -> tuple[Path | None, Path | None]:
    """Where the video and the JSON go, checked before any work."""
    if args.no_video and (args.output or not args.json):
        raise UserError("--no-video goes with --json OUT.json and without --output")
    video = None
    if not args.no_video:
        video = check_output(args.output or Path(f"{args.input.stem}_tracked.mp4"), overwrite=args.overwrite)
    json = check_new_file(args.json, overwrite=args.overwrite) if args.json else None
    for path in (video, json):
        if path and path.exists() and args.input.exists() and path.samefile(args.input):
            raise UserError(f"{path} is the input; name another output")
    if video and json and video.absolute() == json.absolute():
        raise UserError(f"{json} cannot be the video and the JSON")
    return video, json


class _Job:
    """One run over a video, and what there is to say about it afterwards."""

    def __init__(self, source: VideoSource, model: ImageModel, tracker: Tracker, labels: list[int] | None) -> None:
        self._source, self._model, self._tracker, self._labels = source, model, tracker, labels
        self._class_sums: dict[int, np.ndarray] = {}  # of each track
        self._best = (0.0, "")  # score and class of the best detection in frames that were looked at
        self.num_frames = 0
        self.seconds = 0.0

    def run(self, args: argparse.Namespace, video_path: Path | None, json_path: Path | None, stop: Stop) -> list[str]:
        """Returns what is wrong with the input, one line per kind."""
        info, classes, begun = self._source.info, self._model.info.classes, time.perf_counter()
        with ExitStack() as stack:
            writer = video_path and stack.enter_context(
                VideoWriter(video_path, info, audio_from=args.input, overwrite=args.overwrite)
            )
            log = json_path and stack.enter_context(
                TrackLog(json_path, video_name=args.input.name, info=info, classes=classes, overwrite=args.overwrite)
            )
            frames = prefetch(islice(self._source, args.max_frames))
            stack.callback(frames.close)
            advance = stack.enter_context(progress_bar(args.input.name, _expected_frames(info, args.max_frames)))
            trails = Trails()
            for frame, instances in track_video(frames, self._model, self._tracker, labels=self._labels):
                if log:
                    log.add(frame, instances)
                if writer:
                    writer.write(draw_instances(frame.image, instances, classes=classes, trails=trails), frame.pts)
                self._take_in(frame, instances)
                advance()
                if stop.signal is not None:
                    break
            self._look_closer(frame)
        self.seconds = time.perf_counter() - begun
        return self._source.problems + (writer.problems if writer else [])

    def _take_in(self, frame: Frame, instances: Instances) -> None:
        self.num_frames += 1
        scores = class_scores(instances, len(self._model.info.classes))
        for track_id, row in zip(instances.track_ids.tolist(), scores, strict=True):
            self._class_sums[track_id] = self._class_sums.get(track_id, 0) + row
        if frame.index >= _FIRST_LOOK and frame.index.bit_count() == 1:  # now and then, ever more rarely
            self._look_closer(frame)

    def _look_closer(self, frame: Frame) -> None:
        """While there is no track: how well did the best detection score?"""
        if not self._class_sums:
            ((_, found),) = segment_frames([frame], self._model, min_score=0.0, labels=self._labels)
            if len(found):
                row = int(found.scores.argmax())
                name = self._model.info.classes[int(found.labels[row])]
                self._best = max(self._best, (float(found.scores[row]), name))

    def report(self, paths: list[Path]) -> None:
        """Print the summary."""
        fps = self.num_frames / max(self.seconds, 1e-9)
        print(f"{self.num_frames} frames in {self.seconds:.1f} s ({fps:.1f} fps), {self._tracks_by_class()}")
        if not self._class_sums:
            print(self._hint())
        for path in paths:
            print(f"wrote {path}")

    def _tracks_by_class(self) -> str:
        classes = Counter(self._model.info.classes[int(sums.argmax())] for sums in self._class_sums.values())
        total = len(self._class_sums)
        counts = ", ".join(f"{name} {number}" for name, number in classes.most_common())
        return f"{total} track{'' if total == 1 else 's'}" + (f": {counts}" if counts else "")

    def _hint(self) -> str:
        score, name = self._best
        if not name:
            return "nothing was found, at no score"
        return (
            f"nothing was found; the best score in the frames looked at was {score:.2f} ({name}): "
            f"try --score-threshold {0.9 * score:.2f}"
        )


def _expected_frames(info: VideoInfo, max_frames: int | None) -> int | None:
    known = info.num_frames
    if known is None and info.duration and info.fps:
        known = round(info.duration * info.fps)
    return min((number for number in (known, max_frames) if number), default=None)


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"expected a number of at least 1, got '{text}'")
    return int(text)
