"""`track-videos`: many videos, each with its results in a folder of its own; what is done is not done again."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from queryinst_vis.cli.job_options import add_job_arguments, job_settings
from queryinst_vis.cli.model_options import load
from queryinst_vis.cli.printable import printable
from queryinst_vis.cli.progress import progress_bar
from queryinst_vis.cli.stopping import Stop, stop_on_signal
from queryinst_vis.cli.values import positive
from queryinst_vis.errors import UserError
from queryinst_vis.jobs.job import Job
from queryinst_vis.jobs.marked import DAMAGED, DONE, FAILED, MarkedJob, Outcome, facts_of, outcome_before
from queryinst_vis.jobs.pool import run_in_workers
from queryinst_vis.jobs.video_list import list_videos
from queryinst_vis.models.base import ImageModel
from queryinst_vis.outputs import check_folder, write_whole
from queryinst_vis.pipeline import labels_of
from queryinst_vis.results import KINDS
from queryinst_vis.trackers import build_tracker

IN_PART = 3
_INDEX = "videos.json"
_NAMES = {
    "json": "tracks.json",
    "jsonl": "tracks.jsonl",
    "csv": "tracks.csv",
    "png": "masks",
    "mots": "mots.txt",
    "mot": "mot.csv",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="LIST|DIR|GLOB",
        help="a text file with a video a line, a folder, a pattern in quotes, or videos",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="where each video gets a folder of its own")
    parser.add_argument("--workers", type=positive, default=1, metavar="N", help="videos at once (default: 1)")
    parser.add_argument("--no-video", action="store_true", help="write no annotated videos, only results")
    parser.add_argument("--results", nargs="+", choices=KINDS, default=["json"], metavar="KIND", help=f"of {', '.join(KINDS)}")
    parser.add_argument("--retries", type=_count, default=0, metavar="N", help="tries more for a video whose worker died")
    parser.add_argument("--overwrite", action="store_true", help="do again what is done")
    parser.add_argument("--ray", nargs="?", const="", metavar="ADDRESS", help="use Ray (extra ray); here without ADDRESS")
    parser.add_argument("--quiet", action="store_true", help="tell only of videos that failed or are damaged")
    add_job_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Exit codes: 0; 3 when videos failed or are damaged; 128 + signal when stopped."""
    jobs = _jobs(args)
    outcomes = {} if args.overwrite else {job.name: before for job in jobs if (before := outcome_before(job))}
    left = [job for job in jobs if job.name not in outcomes]
    with stop_on_signal() as stop, progress_bar("videos", len(left), unit="videos/s", is_quiet=args.quiet) as advance:
        for outcome in _outcomes(left, args, stop):
            outcomes[outcome.name] = outcome
            advance()
    in_order = [outcomes[job.name] for job in jobs if job.name in outcomes]
    _write_index(args.output, in_order)
    _tell(in_order, num_videos=len(jobs), is_quiet=args.quiet)
    if stop.signal is not None:
        print("stopped; the same command does the rest", file=sys.stderr)
        return stop.exit_code
    return IN_PART if any(outcome.state in (DAMAGED, FAILED) for outcome in in_order) else 0


def _jobs(args: argparse.Namespace) -> list[MarkedJob]:
    """What there is to do. UserError: no video is meant, or the folder holds other things."""
    check_folder(args.output)
    if args.output.exists() and any(args.output.iterdir()) and not (args.output / _INDEX).is_file():
        raise UserError(f"{args.output} holds other things; name a new folder")
    videos = list_videos(args.inputs, without=args.output)
    args.output.mkdir(parents=True, exist_ok=True)
    if not (args.output / _INDEX).exists():
        _write_index(args.output, [])
    settings = job_settings(args)
    jobs = []
    for video in videos:
        folder = args.output / video.name
        results = tuple((kind, str(folder / _NAMES.get(kind, f"{kind}.json"))) for kind in dict.fromkeys(args.results))
        path = None if args.no_video else folder / ("tracked.mov" if args.codec == "prores" else "tracked.mp4")
        job = Job(source=video.source, video=path, results=results, overwrite=True, **settings)
        jobs.append(MarkedJob(video.name, job, folder))
    return jobs


def _outcomes(jobs: Sequence[MarkedJob], args: argparse.Namespace, stop: Stop) -> Iterator[Outcome]:
    if not jobs:
        return iter(())

    def should_stop() -> bool:
        return stop.signal is not None

    if args.ray is not None:
        from queryinst_vis.jobs.on_ray import run_on_ray

        return run_on_ray(
            jobs, loader(args), num_actors=args.workers, address=args.ray or None, retries=args.retries, should_stop=should_stop
        )
    return run_in_workers(jobs, loader(args), num_workers=args.workers, retries=args.retries, should_stop=should_stop)


@dataclass(frozen=True)
class Loader:
    """Loads the model that the options ask for, in any process."""

    args: argparse.Namespace

    def __call__(self) -> ImageModel:
        """UserError, once and not for every video: the model, a class or the tracker does not exist."""
        model = load(self.args)
        info = model.info
        labels_of(self.args.classes, info.classes)
        build_tracker(self.args.tracker or info.tracker, score_threshold=info.score_threshold, similarity=info.similarity)
        return model


def loader(args: argparse.Namespace) -> Callable[[], ImageModel]:
    """For workers."""
    return Loader(args)


def _write_index(output: Path, outcomes: Sequence[Outcome]) -> None:
    """What became of the videos, for programs; it also says whose the folder is."""
    rows = ",\n".join(json.dumps(facts_of(outcome)) for outcome in outcomes)
    write_whole({output / _INDEX: f'{{"videos": [\n{rows}\n]}}\n'})


def _tell(outcomes: Sequence[Outcome], *, num_videos: int, is_quiet: bool) -> None:
    """A row for each video, those with remarks on stderr too."""
    if not is_quiet:
        print(*_table([facts_of(outcome) for outcome in outcomes]), sep="\n")
        counts = Counter(outcome.state for outcome in outcomes)
        before = sum(outcome.was_done for outcome in outcomes)
        parts = [f"{number} {state}" for state, number in counts.items()] + ([f"{before} of them before"] if before else [])
        print(f"{num_videos} videos: {', '.join(parts) or 'none done'}")
    for outcome in outcomes:
        if outcome.state in (DAMAGED, FAILED):
            what = "failed" if outcome.state == FAILED else "is damaged"
            print(printable(f"{outcome.name} {what}: {'; '.join(outcome.remarks)}"), file=sys.stderr)


def _table(rows: Sequence[dict]) -> list[str]:
    names = [printable(row["name"]) for row in rows]
    width = max([len(name) for name in names] + [5])
    lines = [f"{'video':{width}}  {'state':8} {'frames':>8} {'tracks':>7} {'seconds':>8}"]
    for name, row in zip(names, rows, strict=True):
        numbers = (f"{row.get(key, '')!s:>{size}}" for key, size in (("frames", 8), ("tracks", 7), ("seconds", 8)))
        state = "before" if row["was_done"] and row["state"] == DONE else row["state"]
        lines.append(f"{name:{width}}  {state:8} {' '.join(numbers)}")
    return lines


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a number of at least 0, got '{text}'")
    return int(text)
