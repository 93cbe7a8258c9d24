"""Jobs by several processes on this machine, each with a model of its own. One that is killed fails only the video in its hands.

Every worker has a pipe of its own and shares no lock with others, so that one can die at any moment. A worker whose pipe breaks
(the parent was killed) ends by itself.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from queryinst_vis.errors import UserError
from queryinst_vis.jobs.job import Watcher
from queryinst_vis.jobs.marked import MarkedJob, Outcome, do_marked, failed
from queryinst_vis.models.base import ImageModel

LoadModel = Callable[[], ImageModel]
_START = "spawn"  # safe with CUDA, and the same everywhere
_POLL_SECONDS = 0.2
_GRACE_SECONDS = 5.0
_READY, _UNUSABLE, _OUTCOME, _STOP = "ready", "unusable", "outcome", "stop"


def run_in_workers(
    jobs: Sequence[MarkedJob],
    load_model: LoadModel,
    *,
    num_workers: int,
    retries: int = 0,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Outcome]:
    """Outcomes as they come; when stopped, none of those that were not begun.

    load_model: can be pickled; called once in each worker. retries: how often a job is begun again whose worker died.
    UserError: no worker can load the model.
    """
    with _Pool(jobs, load_model, num_workers=min(num_workers, len(jobs)), retries=retries) as pool:
        while pool.is_busy:
            if should_stop():
                pool.stop()
            yield from pool.outcomes()


class _Worker:
    """A process and our end of the pipe to it. job: what is in its hands."""

    def __init__(self, load_model: LoadModel, num_threads: int) -> None:
        context: Any = multiprocessing.get_context(_START)
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(load_model, theirs, num_threads), daemon=True)
        with _signals_ignored():
            self.process.start()
        theirs.close()
        self.is_ready = False
        self.job: MarkedJob | None = None

    def send(self, message: Any) -> None:
        """Dead ones do not hear it."""
        with suppress(OSError):
            self.connection.send(message)

    def how_it_ended(self) -> str:
        """For people."""
        self.process.join(_GRACE_SECONDS)
        code = self.process.exitcode
        if code is not None and code < 0:
            hint = " (out of memory?)" if code == -signal.SIGKILL else ""
            return f"its worker was killed by {signal.Signals(-code).name}{hint}"
        return f"its worker ended with exit code {code}"

    def end(self) -> None:
        """At once."""
        self.connection.close()
        self.process.terminate()
        self.process.join(_GRACE_SECONDS)
        self.process.kill()
        self.process.join()


class _Pool:
    """Workers and what is left to do."""

    def __init__(self, jobs: Sequence[MarkedJob], load_model: LoadModel, *, num_workers: int, retries: int) -> None:
        self._left = deque(jobs)
        self._load_model, self._retries = load_model, retries
        self._num_tries: dict[str, int] = {}
        self._num_threads = max(_num_cores() // max(num_workers, 1), 1)
        self._is_stopping = False
        self._workers = [self._new_worker() for _ in range(num_workers)]

    def _new_worker(self) -> _Worker:
        return _Worker(self._load_model, self._num_threads)

    @property
    def is_busy(self) -> bool:
        """Whether anything is left to do or in work."""
        return bool(self._left) or any(worker.job for worker in self._workers)

    def stop(self) -> None:
        """Begin nothing more; what is in work ends at its next frame."""
        self._left.clear()
        if not self._is_stopping:
            self._is_stopping = True
            for worker in self._workers:
                worker.send(_STOP)

    def outcomes(self) -> Iterator[Outcome]:
        """Those of the next moment."""
        by_connection: dict[Any, _Worker] = {worker.connection: worker for worker in self._workers}
        for connection in wait(list(by_connection), timeout=_POLL_SECONDS):
            worker = by_connection[connection]
            try:
                kind, content = worker.connection.recv()
            except (EOFError, OSError):
                yield from self._bury(worker)
                continue
            if kind == _UNUSABLE:
                raise UserError(content)
            worker.is_ready = True
            worker.job = None
            if kind == _OUTCOME:
                yield content
            self._give_job(worker)

    def _give_job(self, worker: _Worker) -> None:
        if self._left:
            worker.job = self._left.popleft()
            worker.send(worker.job)

    def _bury(self, worker: _Worker) -> Iterator[Outcome]:
        """A worker died: another takes its place, if this one was able to work."""
        ending = worker.how_it_ended()
        worker.end()
        self._workers.remove(worker)
        if worker.job is not None:
            tries = self._num_tries[worker.job.name] = self._num_tries.get(worker.job.name, 0) + 1
            if tries <= self._retries and not self._is_stopping:
                self._left.append(worker.job)
            else:
                yield failed(worker.job, ending)
        if worker.is_ready and self._left:
            self._workers.append(self._new_worker())
        if self._left and not self._workers:
            raise UserError(f"no worker could load the model: {ending}; fewer --workers need less memory")

    def __enter__(self) -> "_Pool":
        return self

    def __exit__(self, *exc_info: object) -> None:
        for worker in self._workers:
            worker.end()


@contextmanager
def _signals_ignored() -> Iterator[None]:
    """Processes begun inside do not hear what a terminal sends to all of its processes: the parent tells when to stop."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _num_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Obedient(Watcher):
    """Stops when the parent says so, or is gone."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def should_stop(self) -> bool:
        return self._connection.poll()


def _work(load_model: LoadModel, connection: Connection, num_threads: int) -> None:
    """The life of a worker."""
    import torch

    torch.set_num_threads(num_threads)
    try:
        try:
            model = load_model()
        except Exception as error:
            text = str(error) if isinstance(error, UserError) else f"the model cannot be loaded: {type(error).__name__}: {error}"
            connection.send((_UNUSABLE, text))
            return
        connection.send((_READY, None))
        watcher = _Obedient(connection)
        while (message := connection.recv()) != _STOP:
            connection.send((_OUTCOME, do_marked(message, lambda: model, watcher)))
    except (EOFError, OSError):
        return  # the parent is gone
