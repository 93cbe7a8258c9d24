"""`track IN`: a video in; the same video with its objects drawn, and their tracks in any format, out."""

import argparse
import re
import sys
from contextlib import ExitStack
from pathlib import Path

from queryinst_vis.cli.job_options import add_job_arguments, job_settings, result_of
from queryinst_vis.cli.model_options import load
from queryinst_vis.cli.printable import printable
from queryinst_vis.cli.stopping import Stop
from queryinst_vis.cli.track_summary import report_document
from queryinst_vis.cli.track_watcher import TrackWatcher
from queryinst_vis.errors import UserError
from queryinst_vis.jobs.job import Job, JobReport, run_job
from queryinst_vis.jobs.outputs import STANDARD_OUTPUT
from queryinst_vis.results import KINDS
from queryinst_vis.video.url import mask_url
from queryinst_vis.visualization.window import LiveView

DAMAGED = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "input",
        metavar="IN",
        nargs="+",
        help='a video, a folder or "glob" of pictures, - for standard input, camera:0, the address of a stream (rtsp://...); '
        "several are one video, one after the other",
    )
    group = parser.add_argument_group("what to write")
    group.add_argument("--output", type=Path, metavar="OUT.mp4", help="annotated video (default: NAME_tracked.mp4 here)")
    group.add_argument("--no-video", action="store_true", help="write no video, only results")
    group.add_argument("--json", metavar="OUT.json", help="tracks with boxes and masks (docs/json_format.md)")
    group.add_argument("--jsonl", metavar="OUT.jsonl", help="a line of JSON per frame as it happens, - for standard output")
    group.add_argument(
        "--results",
        type=result_of,
        action="append",
        default=[],
        metavar="KIND=PATH",
        help=f"results of another kind, may be given again: {', '.join(KINDS)}",
    )
    group.add_argument("--overwrite", action="store_true", help="replace output files that exist")
    group = parser.add_argument_group("what to show")
    group.add_argument("--show", action="store_true", help="a window with what is found as it is found: space pauses, q stops")
    group.add_argument("--quiet", action="store_true", help="say nothing but what is wrong")
    group.add_argument(
        "--report", choices=("text", "json"), default="text", help="what to print at the end; json: one document for programs"
    )
    add_job_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Track one video. Exit codes: 0; 3 when the video is damaged; 128 + signal when stopped."""
    job = _job(args)
    with ExitStack() as stack:
        view = stack.enter_context(LiveView(job.name)) if args.show else None
        watcher = TrackWatcher(job, stack, view=view, is_quiet=args.quiet)
        report = run_job(job, lambda: load(args), watcher)
    exit_code = _end(job, report, watcher.stop)
    if args.report == "json":
        print(report_document(args.input, job, report, exit_code))
    elif not args.quiet:
        has_output = any(path == STANDARD_OUTPUT for _, path in job.results)
        print(*map(printable, watcher.summary(report)), sep="\n", file=sys.stderr if has_output else sys.stdout)
    return exit_code


def _end(job: Job, report: JobReport, stop: Stop) -> int:
    """Say what is wrong; the exit code."""
    if stop.signal is not None:
        after = "the same command goes on from there" if job.resume else "what was done is kept"
        print(f"stopped after {report.num_frames} frames; {after}", file=sys.stderr)
        return stop.exit_code
    if report.damage:
        name = job.source if isinstance(job.source, str) and "://" not in job.source else job.name
        print(printable(f"{name} is damaged: {'; '.join(report.damage)}"), file=sys.stderr)
    for line in report.lost:
        print(printable(line), file=sys.stderr)
    return DAMAGED if report.problems else 0


def _job(args: argparse.Namespace) -> Job:
    results = [*args.results]
    results += [(kind, path) for kind in ("json", "jsonl") if (path := getattr(args, kind)) is not None]
    if args.no_video and (args.output or not (results or args.show)):
        raise UserError("--no-video goes with --show, --json OUT.json or another result, and without --output")
    if args.report == "json" and any(path == STANDARD_OUTPUT for _, path in results):
        raise UserError("a result goes to standard output, where --report json would go; write one of them to a file")
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
