"""Many videos in worker processes: bad ones among good ones, killed workers, reruns, stopping."""

import multiprocessing
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from blobs import GREEN, RED, disc_image, write_video
from ending_jobs import FAIL_WIDTH, KILL_WIDTH, SLOW_WIDTH, die_loading, load_dangerous, load_nothing

from queryinst_vis.errors import UserError
from queryinst_vis.jobs import pool
from queryinst_vis.jobs.job import Job
from queryinst_vis.jobs.marked import MarkedJob, Outcome, do_marked, outcome_before
from queryinst_vis.jobs.pool import run_in_workers


def small_video(path: Path, *, width: int = 64, num_frames: int = 6) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    discs = [disc_image((10 + index, 16, 6, RED), (30, 40, 6, GREEN), hw=(56, width)) for index in range(num_frames)]
    return write_video(path, discs)


def marked(source: Path, output: Path, **changes: object) -> MarkedJob:
    folder = output / source.name
    results = (("json", str(folder / "tracks.json")),)
    job = Job(source=str(source), video=folder / "tracked.mp4", results=results, overwrite=True)
    return MarkedJob(source.name, replace(job, **changes), folder)


@pytest.fixture(autouse=True)
def quick_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers are forked from a process that has everything imported: to import it takes them longer than their work."""
    multiprocessing.get_context("forkserver").set_forkserver_preload(["ending_jobs"])
    monkeypatch.setattr(pool, "_START", "forkserver")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


@pytest.fixture
def jobs(tmp_path: Path) -> list[MarkedJob]:
    """Three good videos; one that kills, one that the model fails at, one that is none, one that is missing."""
    sources = [small_video(tmp_path / f"{name}.mp4") for name in ("a", "b", "c")]
    sources.insert(1, small_video(tmp_path / "killer.mp4", width=KILL_WIDTH))
    sources.insert(3, small_video(tmp_path / "failing.mp4", width=FAIL_WIDTH))
    (tmp_path / "text.mp4").write_text("no video")
    sources[2:2] = [tmp_path / "text.mp4", tmp_path / "missing.mp4"]
    return [marked(source, tmp_path / "out") for source in sources]


def run(jobs: Sequence[MarkedJob], **options: object) -> dict[str, Outcome]:
    return {outcome.name: outcome for outcome in run_in_workers(jobs, load_dangerous, **{"num_workers": 2} | options)}


def check_outcomes(outcomes: dict[str, Outcome], output: Path) -> None:
    """Of `jobs`."""
    assert len(outcomes) == 7
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        assert (outcomes[name].state, outcomes[name].report.num_frames) == ("done", 6)
        assert sorted(path.name for path in (output / name).iterdir()) == ["done.json", "tracked.mp4", "tracks.json"]
    for name, words in {"text": "text.mp4", "missing": "does not exist", "failing": "something in the model"}.items():
        assert outcomes[f"{name}.mp4"].state == "failed"
        assert words in outcomes[f"{name}.mp4"].error
        assert not (output / f"{name}.mp4" / "done.json").exists()
    assert outcomes["killer.mp4"].state == "failed"


def test_bad_videos_and_killed_workers_stop_nobody_else(jobs: list[MarkedJob], tmp_path: Path):
    outcomes = run(jobs)
    check_outcomes(outcomes, tmp_path / "out")
    assert "killed by SIGKILL (out of memory?)" in outcomes["killer.mp4"].error
    before = [outcome_before(job) for job in jobs]
    assert [outcome.name for outcome in before if outcome] == ["a.mp4", "b.mp4", "c.mp4"]
    assert all(outcome.was_done for outcome in before if outcome)


def test_a_killed_worker_is_tried_again(tmp_path: Path):
    source = small_video(tmp_path / "killer.mp4", width=KILL_WIDTH)
    begun = tmp_path / "begun"
    outcomes = list(run_in_workers([marked(source, tmp_path / "out")], CountedLoads(begun), num_workers=1, retries=2))
    assert [outcome.state for outcome in outcomes] == ["failed"]
    assert len(begun.read_text()) == 3


class CountedLoads:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self) -> object:
        with self._path.open("a") as file:
            file.write("x")
        return load_dangerous()


def test_done_again_when_anything_has_changed(tmp_path: Path):
    job = marked(small_video(tmp_path / "a.mp4"), tmp_path / "out")
    assert outcome_before(job) is None
    assert do_marked(job, load_dangerous).state == "done"
    assert outcome_before(job).report.num_frames == 6
    for change in (
        {"stride": 2},
        {"classes": ("red disc",)},
        {"model": {"model": "other"}},
        {"codec": "vp9"},
        {"tracker": "iou"},
    ):
        assert outcome_before(replace(job, job=replace(job.job, **change))) is None
    (job.folder / "tracks.json").rename(job.folder / "elsewhere")
    assert outcome_before(job) is None
    (job.folder / "elsewhere").rename(job.folder / "tracks.json")
    assert outcome_before(job) is not None
    job.marker.write_text('{"identity"')
    assert outcome_before(job) is None
    assert do_marked(job, load_dangerous).state == "done"
    small_video(tmp_path / "a.mp4", num_frames=9)
    assert outcome_before(job) is None
    assert do_marked(job, load_dangerous).report.num_frames == 9


def test_no_marker_while_the_work_goes_on(tmp_path: Path):
    """A kill in the middle of doing it again must not leave the old marker with new files."""
    job = marked(small_video(tmp_path / "a.mp4"), tmp_path / "out")
    do_marked(job, load_dangerous)
    small_video(tmp_path / "a.mp4", width=FAIL_WIDTH)
    assert do_marked(job, load_dangerous).state == "failed"
    assert not job.marker.exists()


def test_damage_is_an_outcome_of_its_own(tmp_path: Path):
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 120, (56, 64, 3), dtype=np.uint8) for _ in range(30)]
    path = write_video(tmp_path / "a.mp4", noise, container_options={"movflags": "+faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    job = marked(path, tmp_path / "out")
    outcome = do_marked(job, load_dangerous)
    assert outcome.state == "damaged"
    assert "gave no picture" in outcome.remarks[0]
    assert outcome_before(job).state == "damaged"


@pytest.mark.parametrize("resume", [False, True])
def test_stopping_keeps_what_is_complete_and_a_rerun_does_the_rest(tmp_path: Path, resume: bool):
    sources = [small_video(tmp_path / "quick.mp4")]
    sources += [small_video(tmp_path / f"slow{i}.mp4", width=SLOW_WIDTH, num_frames=40) for i in range(3)]
    jobs = [marked(source, tmp_path / "out", resume=resume) for source in sources]
    stop = threading.Event()
    outcomes = {}
    for outcome in run_in_workers(jobs, load_dangerous, num_workers=1, should_stop=stop.is_set):
        outcomes[outcome.name] = outcome
        threading.Timer(1.0, stop.set).start()
    assert {name: outcome.state for name, outcome in outcomes.items()} == {"quick.mp4": "done", "slow0.mp4": "stopped"}
    assert (tmp_path / "out" / "slow0.mp4").exists() == resume
    again = run(jobs[:2])["slow0.mp4"].report
    assert again.num_frames == 40
    assert (again.num_resumed > 0) == resume


def test_a_model_that_cannot_be_loaded_is_one_error(jobs: list[MarkedJob]):
    with pytest.raises(UserError, match="no such weights"):
        list(run_in_workers(jobs, load_nothing, num_workers=2))
    with pytest.raises(UserError, match=r"no worker could load the model.*SIGKILL"):
        list(run_in_workers(jobs, die_loading, num_workers=2))


def parent(job: MarkedJob) -> None:
    list(run_in_workers([job], load_dangerous, num_workers=1))


@pytest.mark.slow
def test_workers_end_with_their_parent(tmp_path: Path):
    """A parent that is killed cannot tell them."""
    job = marked(small_video(tmp_path / "slow.mp4", width=SLOW_WIDTH, num_frames=600), tmp_path / "out")
    process = multiprocessing.get_context("forkserver").Process(target=parent, args=(job,))
    process.start()
    part = job.folder / "tracked.mp4.part"
    assert wait_for(part.exists)
    process.kill()
    process.join()
    sizes = []

    def is_still() -> bool:
        sizes.append(part.stat().st_size if part.exists() else -1)
        time.sleep(0.5)
        return sizes[-4:] == [sizes[-1]] * 4

    assert wait_for(is_still)


def wait_for(condition: Callable[[], bool], *, seconds: float = 30) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False
