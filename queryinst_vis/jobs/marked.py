"""Jobs that are done once: a marker, written last, says what was done, so that a rerun does only what is missing or has changed.

`do_marked` is the unit of work of many videos, whoever runs it: this process, workers beside it, or a cluster.
"""

import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from queryinst_vis.errors import UserError
from queryinst_vis.jobs.identity import identity_of
from queryinst_vis.jobs.job import Job, JobReport, Watcher, run_job
from queryinst_vis.jobs.outputs import STANDARD_OUTPUT
from queryinst_vis.models.base import ImageModel
from queryinst_vis.outputs import write_whole

DONE, DAMAGED, FAILED, STOPPED = "done", "damaged", "failed", "stopped"


@dataclass(frozen=True, slots=True)
class MarkedJob:
    """name: for people. folder: where all its files are, of this job alone; made when it begins."""

    name: str
    job: Job
    folder: Path

    @property
    def marker(self) -> Path:
        """The file that says that the job is done."""
        return self.folder / "done.json"


@dataclass(frozen=True, slots=True)
class Outcome:
    """state: done, damaged (done as far as it went), failed or stopped. report: unless it failed; error: why it did, in one line.

    was_done: by an earlier run.
    """

    name: str
    state: str
    report: JobReport | None = None
    error: str = ""
    was_done: bool = False

    @property
    def remarks(self) -> list[str]:
        """What is wrong."""
        return [self.error] if self.error else self.report.problems if self.report else []


def do_marked(marked: MarkedJob, load_model: Callable[[], ImageModel], watcher: Watcher | None = None) -> Outcome:
    """Do the job and mark it. Whatever goes wrong with this video is an outcome, no exception."""
    try:
        identity = identity_of(marked.job)
        marked.folder.mkdir(parents=True, exist_ok=True)
        marked.marker.unlink(missing_ok=True)
        report = run_job(marked.job, load_model, watcher)
        if report.is_stopped:
            if not marked.job.resume:
                shutil.rmtree(marked.folder, ignore_errors=True)
            return Outcome(marked.name, STOPPED, report)
        write_whole({marked.marker: json.dumps({"identity": identity, "report": asdict(report)}, indent=1)})
        return Outcome(marked.name, _state(report), report)
    except UserError as error:
        return _cleared(failed(marked, str(error)), marked)
    except Exception as error:  # of the decoder, the model, the disk: the other videos go on
        return _cleared(failed(marked, f"{type(error).__name__}: {error}"), marked)


def outcome_before(marked: MarkedJob) -> Outcome | None:
    """What an earlier run made of the job; None when it has to be done: the video, a setting or the files have changed."""
    try:
        content = json.loads(marked.marker.read_text(encoding="utf-8"))
        report = JobReport(**content["report"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    outputs = [marked.job.video, *(path for _, path in marked.job.results if path != STANDARD_OUTPUT)]
    if content["identity"] != identity_of(marked.job) or not all(os.path.exists(path) for path in outputs if path):
        return None
    return Outcome(marked.name, _state(report), report, was_done=True)


def _cleared(outcome: Outcome, marked: MarkedJob) -> Outcome:
    with suppress(OSError):
        marked.folder.rmdir()  # nothing was made
    return outcome


def failed(marked: MarkedJob, error: str) -> Outcome:
    """Of a job that could not be done."""
    return Outcome(marked.name, FAILED, error=" ".join(error.split()))


def _state(report: JobReport) -> str:
    return DAMAGED if report.problems else DONE


def facts_of(outcome: Outcome) -> dict[str, Any]:
    """For JSON and tables."""
    report = outcome.report
    facts: dict[str, Any] = {"name": outcome.name, "state": outcome.state, "was_done": outcome.was_done}
    if report:
        facts |= {"frames": report.num_frames, "tracks": sum(report.tracks.values()), "seconds": round(report.seconds, 2)}
    return facts | {"remarks": outcome.remarks}
