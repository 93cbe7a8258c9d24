"""`track IN`: a video in; the same video with its objects drawn, and their tracks as JSON, out."""

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path
from typing import Self

from queryinst_vis.cli.model_options import add_model_arguments, labels_of, load
from queryinst_vis.cli.progress import progress_bar
from queryinst_vis.cli.stopping import stop_on_signal
from queryinst_vis.cli.track_summary import TrackSummary
from queryinst_vis.errors import UserError
from queryinst_vis.outputs import check_new_file
from queryinst_vis.pipeline import track_video
from queryinst_vis.results import ResultWriter, open_result
from queryinst_vis.structures import Frame, Instances, VideoInfo
from queryinst_vis.trackers import build_tracker
from queryinst_vis.video import VideoWriter, open_video, prefetch
from queryinst_vis.video.writer import check_output
from queryinst_vis.visualization import Trails, draw_instances

DAMAGED = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", type=Path, metavar="IN", help="a video file")
    parser.add_argument("--output", type=Path, metavar="OUT.mp4", help="annotated video (default: NAME_tracked.mp4 here)")
    parser.add_argument("--no-video", action="store_true", help="write no video, only the JSON")
    parser.add_argument("--json", type=Path, metavar="OUT.json", help="tracks with boxes and masks (docs/json_format.md)")
    parser.add_argument("--overwrite", action="store_true", help="replace output files that exist")
    parser.add_argument(
        "--tracker", metavar="NAME", help="e.g. iou, masktrack, memory_bank or query_match (default: what suits the model)"
    )
    parser.add_argument("--max-frames", type=_positive, metavar="N", help="stop after N frames")
    add_model_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Track one video. Exit codes: 0; 3 when the video is damaged; 128 + signal when stopped."""
    video_path, json_path = _output_paths(args)
    with open_video(args.input) as source:
        model = load(args)
        info = model.info
        labels = labels_of(args.classes, info.classes)
        tracker = build_tracker(args.tracker or info.tracker, score_threshold=info.score_threshold, similarity=info.similarity)
        summary = TrackSummary(model, labels)
        with (
            stop_on_signal() as stop,
            _Outputs(args.input, source.info, info.classes, video_path, json_path, overwrite=args.overwrite) as outputs,
            closing(prefetch(islice(source, args.max_frames))) as frames,
            progress_bar(args.input.name, _expected_frames(source.info, args.max_frames)) as advance,
        ):
            for frame, instances in track_video(frames, model, tracker, labels=labels):
                outputs.add(frame, instances)
                summary.add(frame, instances)
                advance()
                if stop.signal is not None:
                    break
        problems = source.problems + outputs.problems
    print(*summary.lines(), *(f"wrote {path}" for path in (video_path, json_path) if path), sep="\n")
    if stop.signal is not None:
        print(f"stopped after {summary.num_frames} frames; what was done is kept", file=sys.stderr)
        return stop.exit_code
    if problems:
        print(f"{args.input} is damaged: {'; '.join(problems)}", file=sys.stderr)
    return DAMAGED if problems else 0


def _output_paths(args: argparse.Namespace) -> tuple[Path | None, Path | None]:
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


class _Outputs:
    """The files of one run: annotated video, JSON, or both."""

    def __init__(
        self,
        source: Path,
        info: VideoInfo,
        classes: Sequence[str],
        video_path: Path | None,
        json_path: Path | None,
        *,
        overwrite: bool,
    ) -> None:
        self._classes, self._trails = classes, Trails()
        self._writer: VideoWriter | None = None
        self._log: ResultWriter | None = None
        with ExitStack() as stack:
            if video_path:
                self._writer = stack.enter_context(VideoWriter(video_path, info, audio_from=source, overwrite=overwrite))
            if json_path:
                log = open_result("json", json_path, video_name=source.name, info=info, classes=classes, overwrite=overwrite)
                self._log = stack.enter_context(log)
            self._stack = stack.pop_all()

    def add(self, frame: Frame, instances: Instances) -> None:
        """Write what was found in the next frame."""
        if self._log:
            self._log.add(frame, instances)
        if self._writer:
            picture = draw_instances(frame.image, instances, classes=self._classes, trails=self._trails)
            self._writer.write(picture, frame.pts)

    @property
    def problems(self) -> list[str]:
        """What could not be carried over, complete once closed."""
        return self._writer.problems if self._writer else []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.__exit__(*exc_info)


def _expected_frames(info: VideoInfo, max_frames: int | None) -> int | None:
    known = info.num_frames
    if known is None and info.duration and info.fps:
        known = round(info.duration * info.fps)
    return min((number for number in (known, max_frames) if number), default=None)


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"expected a number of at least 1, got '{text}'")
    return int(text)
