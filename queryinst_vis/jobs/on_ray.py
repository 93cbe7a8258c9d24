"""Jobs on Ray (extra `ray`): actors hold the model, on this machine or on a cluster whose machines share the files.

The unit of work and its markers are those of `pool`: what one has done, the other finds done.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from queryinst_vis.errors import UserError
from queryinst_vis.jobs.job import Watcher
from queryinst_vis.jobs.marked import MarkedJob, Outcome, do_marked, failed
from queryinst_vis.models.base import ImageModel

LoadModel = Callable[[], ImageModel]
_POLL_SECONDS = 0.5


def run_on_ray(
    jobs: Sequence[MarkedJob],
    load_model: LoadModel,
    *,
    num_actors: int,
    address: str | None = None,
    num_cpus: float = 1,
    num_gpus: float | None = None,
    retries: int = 0,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Outcome]:
    """Outcomes as they come; when stopped, none of those that were not begun.

    load_model: can be pickled; called once in each actor. address: of a cluster, None for this machine; a Ray that this process
    is connected to already is used and left as it is. num_cpus, num_gpus: of each actor; by default a GPU, where there are some.
    retries: how often a job is begun again whose actor died. UserError: there is no Ray, or the model cannot be loaded.
    """
    ray = _ray()
    is_ours = not ray.is_initialized()
    if is_ours:
        _connect(ray, address)
    try:
        if num_gpus is None:
            num_gpus = min(ray.cluster_resources().get("GPU", 0), 1)
        most_deaths = len(jobs) * (retries + 1)
        kind = ray.remote(
            num_cpus=num_cpus, num_gpus=num_gpus, max_restarts=most_deaths, max_task_retries=retries, max_concurrency=2
        )
        actors = _Actors(ray, [kind(_Actor).remote(load_model) for _ in range(min(num_actors, len(jobs)))])
        yield from actors.run(deque(jobs), should_stop)
    finally:
        if is_ours:
            ray.shutdown()


class _Actors:
    """Hands jobs to actors that are free."""

    def __init__(self, ray: Any, actors: Sequence[Any]) -> None:
        self._ray, self._actors = ray, actors
        self._waiting: dict[Any, tuple[Any, MarkedJob | None]] = {}  # result to come -> who makes it, of which job

    def run(self, left: deque[MarkedJob], should_stop: Callable[[], bool]) -> Iterator[Outcome]:
        """Until nothing is left and nothing in work. Those that cannot be placed on the cluster are not waited for."""
        self._waiting = {actor.problem.remote(): (actor, None) for actor in self._actors}
        is_stopping = False
        try:
            while left or any(job for _, job in self._waiting.values()):
                if should_stop() and not is_stopping:
                    is_stopping = True
                    left.clear()
                    for actor in self._actors:
                        actor.stop.remote()
                yield from self._next(left)
        finally:
            for actor in self._actors:
                self._ray.kill(actor)

    def _next(self, left: deque[MarkedJob]) -> Iterator[Outcome]:
        ready, _ = self._ray.wait(list(self._waiting), timeout=_POLL_SECONDS)
        for result in ready:
            actor, job = self._waiting.pop(result)
            if job is None:
                self._check(result)
            else:
                yield self._outcome(result, job)
            if left:
                following = left.popleft()
                self._waiting[actor.do.remote(following)] = (actor, following)

    def _check(self, result: Any) -> None:
        try:
            problem = self._ray.get(result)
        except self._ray.exceptions.RayError as error:
            problem = f"an actor cannot begin: {_short(error)}"
        if problem:
            raise UserError(problem)

    def _outcome(self, result: Any, job: MarkedJob) -> Outcome:
        try:
            return self._ray.get(result)
        except self._ray.exceptions.RayError as error:
            return failed(job, f"its actor died: {_short(error)}")


def _short(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise UserError("Ray is not installed: pip install queryinst-vis[ray]") from None
    return ray


def _connect(ray: Any, address: str | None) -> None:
    try:
        ray.init(address=address, log_to_driver=False, include_dashboard=None if address else False, logging_level="error")
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise UserError(f"no Ray at {address or 'this machine'}: {str(error).splitlines()[0]}") from None


class _Stoppable(Watcher):
    """Stops when the actor was told to."""

    def __init__(self) -> None:
        self.is_stopped = False

    def should_stop(self) -> bool:
        return self.is_stopped


class _Actor:
    """Lives in a process of Ray's and holds the model."""

    def __init__(self, load_model: LoadModel) -> None:
        self._problem = ""
        try:
            self._model = load_model()
        except Exception as error:
            self._problem = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        self._watcher = _Stoppable()

    def problem(self) -> str:
        """Why the model cannot be loaded; empty when it is."""
        return self._problem

    def stop(self) -> None:
        """What is in work ends at its next frame."""
        self._watcher.is_stopped = True

    def do(self, marked: MarkedJob) -> Outcome:
        """The unit of work."""
        if self._problem:  # begun again after its death
            return failed(marked, self._problem)
        return do_marked(marked, lambda: self._model, self._watcher)
