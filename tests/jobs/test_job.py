"""A job from source to files, and going on where it was stopped or killed: as if nothing had been."""

import json
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from blobs import GREEN, RED, BlobModel, disc_image, two_discs, write_video
from ending_jobs import StopAfter, in_process, run_here, run_killed

from queryinst_vis.errors import UserError
from queryinst_vis.jobs.job import Job, Watcher, run_job
from queryinst_vis.models.base import Preprocess
from queryinst_vis.structures import Instances
from queryinst_vis.trackers.events import Event
from queryinst_vis.video import open_video

NUM_FRAMES = 60
KINDS = ("json", "jsonl", "mots", "csv", "png")


def scene(index: int) -> np.ndarray:
    """Two discs, a third that comes and goes: tracks begin and end all the time."""
    discs = [(20 + index, 20, 10, RED), (108 - index, 76, 10, GREEN)]
    return disc_image(*discs, (64, 48, 9, RED)) if index // 7 % 2 else disc_image(*discs)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a rate that varies, with sound."""
    pts = [index + index // 10 for index in range(NUM_FRAMES)]
    folder = tmp_path_factory.mktemp("clip")
    return write_video(folder / "clip.mp4", [scene(index) for index in range(NUM_FRAMES)], pts=pts, sound="aac")


def job_for(clip: Path, folder: Path, **changes: Any) -> Job:
    """All kinds of files in a folder."""
    folder.mkdir(exist_ok=True)
    results = tuple((kind, str(folder / f"out.{kind}")) for kind in KINDS)
    values = {"source": str(clip), "video": folder / "out.mp4", "results": results, "events": True, "segment_seconds": 0.4}
    return Job(**values | changes)


def written(folder: Path) -> dict[str, Any]:
    """All that was written: results byte for byte; times of pictures and packets of sound of the video."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    content: dict[str, Any] = {str(path.relative_to(folder)): path.read_bytes() for path in paths if path.suffix != ".mp4"}
    content["names"] = sorted(path.name for path in folder.iterdir())
    content["events"] = [json.loads(line) for line in content["out.jsonl"].splitlines() if b'"event"' in line]
    with open_video(folder / "out.mp4") as video:
        content["times"] = [frame.pts * frame.time_base for frame in video]
    with av.open(str(folder / "out.mp4")) as container:
        packets = [packet for packet in container.demux(audio=0) if packet.size]
        content["sound"] = [(packet.pts * packet.time_base, packet.size) for packet in packets]
    return content


@pytest.fixture(scope="module")
def uninterrupted(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("whole")
    report = run_here(job_for(clip, folder))
    assert (report.num_frames, report.num_resumed, report.problems, report.is_stopped) == (NUM_FRAMES, 0, [], False)
    content = written(folder)
    assert len(content["times"]) == NUM_FRAMES
    assert len(content["sound"]) > 80
    assert len(content["events"]) > 10
    return content


def test_done_in_one_go_with_checkpoints_is_the_same(clip: Path, uninterrupted: dict[str, Any], tmp_path: Path):
    run_here(job_for(clip, tmp_path / "out", resume=True))
    assert written(tmp_path / "out") == uninterrupted


@pytest.mark.parametrize("kills", [[3], [30], [25, 0, 20], [59], [17, 5, 14, 2]], ids=str)
def test_killed_and_gone_on_with_is_the_same(clip: Path, uninterrupted: dict[str, Any], tmp_path: Path, kills: list[int]):
    job = job_for(clip, tmp_path / "out", resume=True)
    for at in kills:
        run_killed(job, at)
    report = run_here(job)
    assert report.num_frames == NUM_FRAMES
    assert (report.num_resumed > 0) == (kills != [3])
    assert written(tmp_path / "out") == uninterrupted


@pytest.mark.slow
@pytest.mark.parametrize("at", range(NUM_FRAMES))
def test_killed_at_any_frame(clip: Path, uninterrupted: dict[str, Any], tmp_path: Path, at: int):
    job = job_for(clip, tmp_path / "out", resume=True)
    run_killed(job, at)
    run_here(job)
    assert written(tmp_path / "out") == uninterrupted


@pytest.mark.parametrize("stops", [[1], [29, 1, 1, 12]], ids=str)
def test_stopped_and_gone_on_with_is_the_same(clip: Path, uninterrupted: dict[str, Any], tmp_path: Path, stops: list[int]):
    job = job_for(clip, tmp_path / "out", resume=True)
    for num_frames in stops:
        assert run_here(job, StopAfter(num_frames)).is_stopped
    report = run_here(job)
    assert report.num_resumed > 0
    assert written(tmp_path / "out") == uninterrupted


def test_stopped_without_going_on_keeps_complete_files(clip: Path, tmp_path: Path):
    report = run_here(job_for(clip, tmp_path / "out"), StopAfter(10))
    assert report.is_stopped
    content = written(tmp_path / "out")
    assert len(content["times"]) == json.loads(content["out.json"])["video"]["num_frames"] == 10
    assert json.loads(content["out.jsonl"].splitlines()[-1]) == {"type": "end", "frames": 10, "complete": True}


@pytest.mark.parametrize("change", ["finishing", "state", "part", "spool"])
def test_damage_to_what_was_kept_means_less_is_kept_not_another_result(
    clip: Path, uninterrupted: dict[str, Any], tmp_path: Path, change: str
):
    job = job_for(clip, tmp_path / "out", resume=True)
    run_killed(job, 40)
    folder = job.checkpoint_folder
    if change == "finishing":  # killed between one file's end and another's
        (folder / "finishing").touch()
        (tmp_path / "out" / "out.json.spool").unlink()
        (tmp_path / "out" / "out.json").write_text("complete")
    elif change == "state":
        max(folder.glob("*.state")).write_bytes(b"PK\3\4 half of it")
    elif change == "part":
        max((folder / "parts").glob("*.mp4")).unlink()
    else:
        (tmp_path / "out" / "out.json.spool").write_bytes(b"")
    run_here(job)
    assert written(tmp_path / "out") == uninterrupted


def test_killed_twice_between_a_state_and_its_part(clip: Path, uninterrupted: dict[str, Any], tmp_path: Path):
    """The way back to the state before was lost by the second one, and all was done again."""
    job = job_for(clip, tmp_path / "out", resume=True, segment_seconds=100)
    run_here(job, StopAfter(20))
    for _ in range(2):
        assert run_here(job, StopAfter(20 + 10)).num_resumed == 20
        max((job.checkpoint_folder / "parts").glob("*.mp4")).unlink()
    assert run_here(job).num_resumed == 20
    assert written(tmp_path / "out") == uninterrupted


def test_a_file_that_cannot_be_opened_now_loses_nothing(clip: Path, uninterrupted: dict[str, Any], tmp_path: Path):
    job = job_for(clip, tmp_path / "out", resume=True)
    run_here(job, StopAfter(30))
    lines = tmp_path / "out" / "out.jsonl"
    lines.rename(tmp_path / "elsewhere")
    lines.mkdir()
    with pytest.raises(UserError, match=r"out\.jsonl"):
        run_here(job)
    lines.rmdir()
    (tmp_path / "elsewhere").rename(lines)
    assert run_here(job).num_resumed == 30
    assert written(tmp_path / "out") == uninterrupted


def test_only_results(clip: Path, tmp_path: Path):
    job = Job(source=str(clip), results=(("json", str(tmp_path / "out.json")),), resume=True, segment_seconds=0.4)
    assert run_here(job, StopAfter(30)).is_stopped
    report = run_here(job)
    assert (report.num_frames, report.num_resumed) == (NUM_FRAMES, 30)
    assert json.loads((tmp_path / "out.json").read_text())["video"]["num_frames"] == NUM_FRAMES
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]


def test_going_on_with_a_stretch_of_the_video(clip: Path, tmp_path: Path):
    changes = {"start": Fraction(1, 2), "end": Fraction(2), "stride": 2}
    run_here(job_for(clip, tmp_path / "whole", **changes))
    expected = written(tmp_path / "whole")
    assert expected["sound"][-1][0] == pytest.approx(1.5, abs=0.1)
    assert expected["times"][0] < 0.05
    job = job_for(clip, tmp_path / "out", resume=True, **changes)
    run_here(job, StopAfter(11))
    run_here(job)
    assert written(tmp_path / "out") == expected


@pytest.mark.parametrize(
    ("change", "named"),
    [({"stride": 2}, "stride"), ({"model": {"model": "other"}}, "model"), ({"classes": ("red disc",)}, "classes")],
)
def test_another_job_does_not_go_on(clip: Path, tmp_path: Path, change: dict[str, Any], named: str):
    job = job_for(clip, tmp_path / "out", resume=True)
    run_here(job, StopAfter(20))
    with pytest.raises(UserError, match=f"another job.*other {named}"):
        run_here(replace(job, **change))
    assert run_here(replace(job, **change, overwrite=True)).num_resumed == 0


def test_a_changed_video_is_begun_anew_only_when_asked(clip: Path, tmp_path: Path):
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(clip.read_bytes())
    job = job_for(copy, tmp_path / "out", resume=True)
    run_here(job, StopAfter(20))
    write_video(copy, [two_discs(index) for index in range(5)])
    with pytest.raises(UserError, match="other source"):
        run_here(job)
    assert run_here(replace(job, overwrite=True)).num_frames == 5


def is_refused(job: Job) -> None:
    with pytest.raises(UserError, match="another process is at work"):
        run_here(job)


def test_two_at_once_on_one_job(clip: Path, tmp_path: Path):
    job = job_for(clip, tmp_path / "out", resume=True)

    class Rival(Watcher):
        def begin(self, *args: Any, **options: Any) -> None:
            assert in_process(is_refused, job) == 0  # locks are those of a process

    assert run_here(job, Rival()).num_frames == NUM_FRAMES


def test_what_cannot_be_gone_on_with(clip: Path, tmp_path: Path):
    with pytest.raises(UserError, match="an output that is a file"):
        run_here(Job(source=str(clip), results=(("jsonl", "-"),), resume=True))


def test_nothing_is_overwritten_by_going_on(clip: Path, tmp_path: Path):
    for name in ("out.mp4", "out.json"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_text("precious")
        with pytest.raises(UserError, match="--overwrite"):
            run_here(job_for(clip, folder, resume=True))
        assert (folder / name).read_text() == "precious"


class Recorder(Watcher):
    wants_pictures = True

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.pictures: list[np.ndarray] = []

    def event(self, event: Event) -> None:
        self.events.append(event)

    def picture(self, image: np.ndarray) -> None:
        self.pictures.append(image)


def test_events_and_pictures_by_callback(clip: Path):
    recorder = Recorder()
    report = run_here(Job(source=str(clip)), recorder)
    assert report.outputs == []
    assert len(recorder.pictures) == NUM_FRAMES
    born = [event.track_id for event in recorder.events if event.kind == "born"]
    assert sorted(born) == sorted(event.track_id for event in recorder.events if event.kind == "ended")
    assert len(born) == sum(report.tracks.values())


class SmallModel(BlobModel):
    """Worth giving several frames at once; remembers how many there were."""

    def __init__(self) -> None:
        super().__init__()
        self.preprocess, self.is_small = Preprocess(96, 128), True
        self.batches: list[int] = []

    def predict(self, images: Sequence[np.ndarray], *, min_score: float = 0.0) -> list[Instances]:
        self.batches.append(len(images))
        return super().predict(images, min_score=min_score)


def test_frames_go_together_where_nobody_waits_for_them(clip: Path):
    def batches(watcher: Watcher | None = None, **settings: Any) -> list[int]:
        model = SmallModel().eval()
        run_job(Job(max_frames=10, **settings), lambda: model, watcher)
        return model.batches

    assert batches(source=str(clip)) == [4, 4, 2]
    assert batches(source=[str(clip), clip]) == [4, 4, 2]
    assert batches(source=str(clip), batch_size=1) == [1] * 10
    assert batches(source=str(clip), batch_size=5) == [5, 5]
    assert batches(source=str(clip), watcher=Recorder()) == [1] * 10  # a view
    assert batches(source=(two_discs(index) for index in range(10))) == [1] * 10  # may come from a camera


def test_region(clip: Path, tmp_path: Path):
    """Found inside only, told in pixels of the whole picture."""
    run_here(job_for(clip, tmp_path / "whole"))
    report = run_here(job_for(clip, tmp_path / "out", region=(0, 60, 500, 500)))
    assert report.tracks == {"green disc": 1}
    whole, part = (json.loads((tmp_path / name / "out.json").read_text())["tracks"] for name in ("whole", "out"))
    (green,) = [track for track in whole if track["category_id"] == 2]
    assert [frame["box"] for frame in part[0]["frames"]] == [frame["box"] for frame in green["frames"]]
    assert [frame["segmentation"] for frame in part[0]["frames"]] == [frame["segmentation"] for frame in green["frames"]]
    with pytest.raises(UserError, match=r"region.*outside of the 128 x 96"):
        run_here(job_for(clip, tmp_path / "other", region=(200, 0, 10, 10)))


def test_model_is_loaded_only_for_a_source_that_is_good(tmp_path: Path):
    def load() -> BlobModel:
        raise AssertionError

    with pytest.raises(UserError, match="does not exist"):
        run_job(Job(source=str(tmp_path / "missing.mp4"), video=tmp_path / "out.mp4"), load)
    assert list(tmp_path.iterdir()) == []
