"""Jobs that are stopped, and processes that end themselves at a chosen picture."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from blobs import BlobModel

from queryinst_vis.errors import UserError
from queryinst_vis.jobs.job import Job, JobReport, Watcher, run_job
from queryinst_vis.structures import Instances


class Ending(BlobModel):
    """Sends its own process a signal before its n-th picture."""

    def __init__(self, at: int, number: int) -> None:
        super().__init__()
        self._at, self._number = at, number

    def predict(self, images: Sequence[np.ndarray], *, min_score: float = 0.0) -> list[Instances]:
        if self.images_seen == self._at:
            os.kill(os.getpid(), self._number)
        return super().predict(images, min_score=min_score)


class StopAfter(Watcher):
    """Wants to stop after some frames."""

    def __init__(self, num_frames: int) -> None:
        self._left = num_frames

    def should_stop(self) -> bool:
        self._left -= 1
        return self._left <= 0


def run_here(job: Job, watcher: Watcher | None = None) -> JobReport:
    """To its end, in this process."""
    return run_job(job, lambda: BlobModel().eval(), watcher)


def run_killed(job: Job, at: int) -> None:
    """In a process that is killed at its n-th picture."""
    assert in_process(_run_killed, job, at) == -signal.SIGKILL


def _run_killed(job: Job, at: int) -> None:
    run_job(job, lambda: Ending(at, signal.SIGKILL).eval())


def in_process(function: Callable[..., None], *arguments: Any) -> int:
    """Exit code of a process that calls a function of a module; it is forked from one that has everything imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["ending_jobs"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.path.dirname(__file__))
        process = context.Process(target=function, args=arguments)
        process.start()
    process.join(60)
    assert process.exitcode is not None
    return process.exitcode


KILL_WIDTH, FAIL_WIDTH, SLOW_WIDTH = 48, 56, 72  # of pictures that bring out the worst in `DangerousModel`


class DangerousModel(BlobModel):
    """Kills its process, fails or takes its time at pictures of certain widths."""

    def predict(self, images: Sequence[np.ndarray], *, min_score: float = 0.0) -> list[Instances]:
        width = images[0].shape[1]
        if width == KILL_WIDTH:
            os.kill(os.getpid(), signal.SIGKILL)
        if width == FAIL_WIDTH:
            raise RuntimeError("something in the model")
        if width == SLOW_WIDTH:
            time.sleep(0.1)
        return super().predict(images, min_score=min_score)


def load_dangerous() -> DangerousModel:
    """For workers."""
    torch.set_num_threads(1)
    return DangerousModel().eval()


def load_nothing() -> BlobModel:
    """For workers."""
    raise UserError("there are no such weights")


def die_loading() -> BlobModel:
    """For workers."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError
