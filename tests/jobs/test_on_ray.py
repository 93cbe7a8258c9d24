"""The same jobs on Ray, on this machine."""

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from blobs import GREEN, RED, disc_image, write_video
from ending_jobs import FAIL_WIDTH, KILL_WIDTH, SLOW_WIDTH, load_dangerous, load_nothing

from queryinst_vis.errors import UserError
from queryinst_vis.jobs.job import Job
from queryinst_vis.jobs.marked import MarkedJob, outcome_before

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.slow  # Ray takes many seconds to begin

from queryinst_vis.jobs.on_ray import run_on_ray  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def local_ray() -> Iterator[None]:
    """Two processors of it are enough; workers find the tests' modules."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    paths = {"PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"}
    memory = {"object_store_memory": 100_000_000}
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env={"env_vars": paths}, **memory)
    yield
    ray.shutdown()


def job_of(folder: Path, name: str, *, width: int = 64, num_frames: int = 6) -> MarkedJob:
    discs = [disc_image((10 + index, 16, 6, RED), (30, 40, 6, GREEN), hw=(56, width)) for index in range(num_frames)]
    source = write_video(folder / f"{name}.mp4", discs)
    output = folder / "out" / name
    results = (("json", str(output / "tracks.json")),)
    job = Job(source=str(source), video=output / "tracked.mp4", results=results, overwrite=True)
    return MarkedJob(name, job, output)


def test_bad_videos_and_dying_actors_stop_nobody_else(tmp_path: Path):
    names = {"a": 64, "killer": KILL_WIDTH, "b": 64, "failing": FAIL_WIDTH, "c": 64}
    jobs = [job_of(tmp_path, name, width=width) for name, width in names.items()]
    missing = replace(jobs[0], name="missing", folder=tmp_path / "out/missing", job=Job(source="nowhere.mp4"))
    outcomes = {outcome.name: outcome for outcome in run_on_ray([*jobs, missing], load_dangerous, num_actors=2, retries=1)}
    assert {name: outcome.state for name, outcome in outcomes.items()} == {
        **dict.fromkeys("abc", "done"),
        **dict.fromkeys(("killer", "failing", "missing"), "failed"),
    }
    assert "its actor died" in outcomes["killer"].error
    assert "something in the model" in outcomes["failing"].error
    assert outcomes["a"].report.tracks == {"red disc": 1, "green disc": 1}
    assert [outcome_before(job) is not None for job in jobs] == [True, False, True, False, True]


def test_stopping(tmp_path: Path):
    jobs = [job_of(tmp_path, "quick"), job_of(tmp_path, "slow", width=SLOW_WIDTH, num_frames=100), job_of(tmp_path, "never")]
    stop = threading.Event()
    states = {}
    for outcome in run_on_ray(jobs, load_dangerous, num_actors=1, should_stop=stop.is_set):
        states[outcome.name] = outcome.state
        stop.set()
    assert states == {"quick": "done", "slow": "stopped"}


def test_a_model_that_cannot_be_loaded_is_one_error(tmp_path: Path):
    with pytest.raises(UserError, match="no such weights"):
        list(run_on_ray([job_of(tmp_path, "a")], load_nothing, num_actors=1))
