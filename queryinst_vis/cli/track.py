"""`track IN`: a video in; the same video with its objects drawn, and their tracks in any format, out."""

import argparse
import re
import sys
from contextlib import ExitStack
from pathlib import Path

from queryinst_vis.cli.job_options import add_job_arguments, job_settings, result_of
from queryinst_vis.cli.model_options import load
from queryinst_vis.cli.progress import progress_bar
from queryinst_vis.cli.stopping import Stop, stop_on_signal
from queryinst_vis.cli.track_summary import NearMisses, statistics_line, summary_line
from queryinst_vis.errors import UserError
from queryinst_vis.job import Job, JobReport, Watcher, run_job
from queryinst_vis.job_outputs import STANDARD_OUTPUT
from queryinst_vis.models.base import ImageModel
from queryinst_vis.results import KINDS
from queryinst_vis.structures import Frame, Instances, VideoInfo
from queryinst_vis.video import VideoSource
from queryinst_vis.video.url import mask_url

DAMAGED = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "input",
        metavar="IN",
        nargs="+",
        help='a video, a folder or "glob" of pictures, - for standard input, camera:0, the address of a stream (rtsp://...); '
        "several are one video, one after the other",
    )
    parser.add_argument("--output", type=Path, metavar="OUT.mp4", help="annotated video (default: NAME_tracked.mp4 here)")
    parser.add_argument("--no-video", action="store_true", help="write no video, only results")
    parser.add_argument("--json", metavar="OUT.json", help="tracks with boxes and masks (docs/json_format.md)")
    parser.add_argument("--jsonl", metavar="OUT.jsonl", help="a line of JSON per frame as it happens, - for standard output")
    parser.add_argument(
        "--results",
        type=result_of,
        action="append",
        default=[],
        metavar="KIND=PATH",
        help=f"results of another kind, may be given again: {', '.join(KINDS)}",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace output files that exist")
    parser.add_argument("--quiet", action="store_true", help="say nothing but what is wrong")
    add_job_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Track one video. Exit codes: 0; 3 when the video is damaged; 128 + signal when stopped."""
    job = _job(args)
    with ExitStack() as stack:
        watcher = _Watcher(job, stack, is_quiet=args.quiet)
        report = run_job(job, lambda: load(args), watcher)
    if not args.quiet:
        has_output = any(path == STANDARD_OUTPUT for _, path in job.results)
        print(*watcher.summary(report), sep="\n", file=sys.stderr if has_output else sys.stdout)
    return _end(job, report, watcher.stop)


def _end(job: Job, report: JobReport, stop: Stop) -> int:
    """Say what is wrong; the exit code."""
    if stop.signal is not None:
        after = "the same command goes on from there" if job.resume else "what was done is kept"
        print(f"stopped after {report.num_frames} frames; {after}", file=sys.stderr)
        return stop.exit_code
    if report.damage:
        name = job.source if isinstance(job.source, str) and "://" not in job.source else job.name
        print(f"{name} is damaged: {'; '.join(report.damage)}", file=sys.stderr)
    for line in report.lost:
        print(line, file=sys.stderr)
    return DAMAGED if report.problems else 0


def _job(args: argparse.Namespace) -> Job:
    results = [*args.results]
    results += [(kind, path) for kind in ("json", "jsonl") if (path := getattr(args, kind)) is not None]
    if args.no_video and (args.output or not results):
        raise UserError("--no-video goes with --json OUT.json or another result and without --output")
    video = None if args.no_video else args.output or Path(f"{_stem(args.input[0])}_tracked.{_suffix(args.codec)}")
    source = args.input[0] if len(args.input) == 1 else list(args.input)
    return Job(source=source, video=video, results=tuple(results), overwrite=args.overwrite, **job_settings(args))


def _stem(source: str) -> str:
    """What files made of a source are called."""
    if source == "-":
        return "stdin"
    if "://" in source or "*" in source or not Path(source).stem:
        return re.sub(r"[^\w.]+", "_", mask_url(source).partition("://")[2] or source).strip("._") or "video"
    return Path(source).stem.replace(":", "")


def _suffix(codec: str) -> str:
    return "mov" if codec == "prores" else "mp4"


class _Watcher(Watcher):
    """Progress bar, signals, and what the summary needs."""

    def __init__(self, job: Job, stack: ExitStack, *, is_quiet: bool) -> None:
        """stack: what begins with the first frame ends with it."""
        self.stop = Stop()
        self._job, self._stack, self._is_quiet = job, stack, is_quiet

    def begin(self, source: VideoSource, model: ImageModel, *, num_resumed: int) -> None:
        self.stop = self._stack.enter_context(stop_on_signal())
        self._near_misses = NearMisses(model, self._job.classes)
        total = _expected_frames(source.info, self._job.max_frames)
        if not self._is_quiet:
            self._advance = self._stack.enter_context(progress_bar(self._job.name, total and total - num_resumed))

    def frame(self, frame: Frame, instances: Instances) -> None:
        self._near_misses.add(frame, instances)
        if not self._is_quiet:
            self._advance()

    def should_stop(self) -> bool:
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
