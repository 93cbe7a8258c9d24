"""The command `submit` on small videos: what it writes, how it goes on, how several share the work."""

import json
import multiprocessing
import os
import shutil
import signal
import sys
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from blobs import BlobModel
from disc_videos import write_videos
from pycocotools import mask as coco_mask

import queryinst_vis.submission.making as making
from queryinst_vis.cli import submit
from queryinst_vis.cli.main import main
from queryinst_vis.data.ytvis_json import check_ytvis
from queryinst_vis.structures import Instances
from queryinst_vis.submission.checking import check_submission

pytest.importorskip("fcntl")  # no processes are forked without it
FORK = multiprocessing.get_context("fork")  # all is imported already: a second process within milliseconds


class PatientModel(BlobModel):
    """Waits before each frame; before the first until `company` processes are there."""

    def __init__(self, seconds: float, company: Any) -> None:
        super().__init__()
        self.seconds, self.company = seconds, company

    def predict(self, images: Sequence[np.ndarray], *, min_score: float = 0.0) -> list[Instances]:
        if not self.images_seen:
            self.company.wait(60)
        time.sleep(self.seconds)
        return super().predict(images, min_score=min_score)


def arguments(folder: Path, *more: str) -> list[str]:
    """Of the command, for the videos in a folder."""
    files = ["--videos", str(folder / "valid.json"), "--images", str(folder / "images")]
    return ["submit", str(folder / "weights.safetensors"), *files, "--output", str(folder / "out.zip"), *more]


def work(folder: Path, name: str, seconds: float, company: Any, variables: dict[str, str]) -> None:
    """The command in a process of its own; FOLDER/NAME.json says what it printed and how many frames it saw."""
    os.environ |= variables
    model = PatientModel(seconds, company).eval()
    with pytest.MonkeyPatch.context() as patch, open(folder / f"{name}.txt", "w") as sys.stdout:
        sys.stderr = sys.stdout
        patch.setattr("queryinst_vis.checkpoint.load_model", lambda *args, **options: model)
        code = main(arguments(folder))
        print(f"frames seen: {model.images_seen}", flush=True)
    os._exit(code)


def start(folder: Path, seconds: float, *names: str, variables: Sequence[dict[str, str]] = ({}, {})) -> list[Any]:
    """Processes that do the command at once; variables: environments of each."""
    company = FORK.Barrier(len(names))
    each = zip(names, variables, strict=False)
    processes = [FORK.Process(target=work, args=(folder, name, seconds, company, own)) for name, own in each]
    for process in processes:
        process.start()
    return processes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four videos of five frames."""
    write_videos(tmp_path)
    (tmp_path / "weights.safetensors").write_bytes(b"only its checksum matters")
    return tmp_path


@pytest.fixture(autouse=True)
def model(monkeypatch: pytest.MonkeyPatch) -> BlobModel:
    """Instead of weights."""
    model = BlobModel().eval()
    monkeypatch.setattr("queryinst_vis.checkpoint.load_model", lambda *args, **options: model)
    return model


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The zip of a run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    write_videos(folder)
    (folder / "weights.safetensors").write_bytes(b"only its checksum matters")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("queryinst_vis.checkpoint.load_model", lambda *args, **options: BlobModel().eval())
        assert main(arguments(folder)) == 0
    return (folder / "out.zip").read_bytes()


def results(folder: Path) -> list[dict[str, Any]]:
    with zipfile.ZipFile(folder / "out.zip") as archive:
        assert archive.namelist() == ["results.json"]
        return json.loads(archive.read("results.json"))


def done_videos(folder: Path) -> list[Path]:
    return list((folder / "out.zip.parts").glob("[0-9]*.json"))


def wait_for_parts(folder: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while len(done_videos(folder)) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_is_written(folder: Path, model: BlobModel, capsys: pytest.CaptureFixture[str]):
    assert main(arguments(folder)) == 0
    assert model.images_seen == 20
    found = results(folder)
    assert [(e["video_id"], e["category_id"]) for e in found] == [(v, c) for v in (0, 6, 9) for c in (9, 4)]
    for entry in found:
        assert entry["score"] == pytest.approx(0.9, abs=1e-6)
        areas = [int(coco_mask.area(mask | {"counts": mask["counts"].encode()})) for mask in entry["segmentations"]]
        assert np.allclose(areas, 317, atol=25)
        assert all(mask["size"] == [96, 128] for mask in entry["segmentations"])
    assert sorted(path.name for path in folder.iterdir()) == ["images", "out.zip", "valid.json", "weights.safetensors"]
    content = check_ytvis(json.loads((folder / "valid.json").read_text()), name="valid.json")
    assert dict(check_submission(folder / "out.zip", content).counts) == {"no_entry": 1}
    printed = capsys.readouterr().out
    assert "video 3 (clip1): none" in printed
    assert "out.zip: 0 errors, 1 warnings; 6 entries with 30 masks for 4 videos" in printed


def test_the_same_again_is_the_same(folder: Path, model: BlobModel, whole: bytes, capsys: pytest.CaptureFixture[str]):
    assert main(arguments(folder)) == 0
    assert (folder / "out.zip").read_bytes() == whole
    for more in ([], ["--overwrite"]):
        assert main(arguments(folder, *more)) == 0
        assert "complete already" in capsys.readouterr().out
    assert model.images_seen == 20


def test_objects_that_come_and_go(folder: Path):
    """What is not seen in a frame is null."""
    shutil.copy(folder / "images/clip1/00002.jpg", folder / "images/clip0/00002.jpg")  # black
    assert main(arguments(folder)) == 0
    missing = [[mask is None for mask in e["segmentations"]] for e in results(folder) if e["video_id"] == 0]
    assert missing == [[False, False, True, False, False]] * 2


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_was_ended_goes_on(folder: Path, model: BlobModel, whole: bytes, sent: signal.Signals):
    (process,) = start(folder, 0.1, "first")
    wait_for_parts(folder, 2)
    os.kill(process.pid, sent)
    process.join(60)
    num_done = len(done_videos(folder))
    assert 2 <= num_done < 4
    if sent == signal.SIGINT:
        assert process.exitcode == 130
        told = f"stopped; {num_done} of 4 videos are done and kept, the same command goes on from there\n"
        assert (folder / "first.txt").read_text().startswith(told)
    assert not (folder / "out.zip").exists()
    assert main(arguments(folder)) == 0
    assert model.images_seen == 5 * (4 - num_done)
    assert (folder / "out.zip").read_bytes() == whole
    assert not (folder / "out.zip.parts").exists()


@pytest.mark.parametrize("world_size", [None, 2])
def test_processes_share_the_videos(folder: Path, whole: bytes, world_size: int | None):
    """Started one by one, and as torchrun starts them."""
    names = ("0", "1")
    processes = start(folder, 0.02, *names, variables=[{"RANK": rank, "WORLD_SIZE": "2"} if world_size else {} for rank in names])
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    printed = [(folder / f"{name}.txt").read_text() for name in names]
    seen = [int(text.split("frames seen: ")[1]) for text in printed]
    assert sum(seen) == 20
    assert min(seen) >= 5
    assert sum("wrote " in text for text in printed) >= 1
    assert (folder / "out.zip").read_bytes() == whole
    assert not (folder / "out.zip.parts").exists()


def test_one_of_two_is_killed(folder: Path, whole: bytes):
    """The other takes over its video, in the same run."""
    killed, other = start(folder, 0.1, "killed", "other")
    wait_for_parts(folder, 1)
    killed.kill()
    other.join(60)
    assert other.exitcode == 0
    assert "wrote" in (folder / "other.txt").read_text()
    assert (folder / "out.zip").read_bytes() == whole


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    (line,) = capsys.readouterr().err.splitlines()
    return line.removeprefix("error: ")


def test_other_weights_do_not_mix(folder: Path, capsys: pytest.CaptureFixture[str]):
    (folder / "images/clip3/00004.jpg").write_bytes(b"broken")
    assert main(arguments(folder)) == 2
    line = one_line(capsys)
    assert "video 9 (clip3)" in line
    assert "3 of 4 videos are done and kept, the same command goes on" in line
    (folder / "weights.safetensors").write_bytes(b"others")
    assert main(arguments(folder)) == 2
    assert "holds videos of another run (other weights)" in one_line(capsys)
    assert main(arguments(folder, "--max-per-category", "5")) == 2
    assert "(other weights and settings)" in one_line(capsys)


def test_a_folder_without_a_video_may_change_hands(folder: Path, capsys: pytest.CaptureFixture[str]):
    (folder / "images/clip0/00004.jpg").write_bytes(b"broken")
    assert main(arguments(folder)) == 2
    assert "0 of 4 videos are done" in one_line(capsys)
    shutil.copy(folder / "images/clip0/00003.jpg", folder / "images/clip0/00004.jpg")
    assert main(arguments(folder, "--max-per-category", "5")) == 0


def test_missing_pictures_are_known_before_the_work(folder: Path, model: BlobModel, capsys: pytest.CaptureFixture[str]):
    (folder / "images/clip2/00003.jpg").unlink()
    (folder / "images/clip3/00000.jpg").unlink()
    assert main(arguments(folder)) == 2
    line = one_line(capsys)
    assert line.startswith("2 pictures of 2 videos are missing; the first is ")
    assert line.endswith("clip2/00003.jpg of video 6 (clip2)")
    assert model.images_seen == 0


def test_an_output_that_exists(folder: Path, whole: bytes, capsys: pytest.CaptureFixture[str]):
    (folder / "out.zip").write_bytes(b"something else")
    assert main(arguments(folder)) == 2
    assert "--overwrite replaces it" in one_line(capsys)
    assert not (folder / "out.zip.parts").exists()
    assert main(arguments(folder, "--overwrite")) == 0
    assert (folder / "out.zip").read_bytes() == whole


def test_classes_without_a_category(folder: Path, capsys: pytest.CaptureFixture[str]):
    content = json.loads((folder / "valid.json").read_text())
    content["categories"] = content["categories"][1:]
    (folder / "valid.json").write_text(json.dumps(content))
    assert main(arguments(folder)) == 2
    assert "has no category for 1 of the model's 2 classes (green disc); --common-classes" in one_line(capsys)
    assert main(arguments(folder, "--common-classes")) == 0
    assert {entry["category_id"] for entry in results(folder)} == {9}


def test_tracks_under_several_classes(folder: Path):
    assert main(arguments(folder, "--classes-per-track", "2")) == 0
    assert len(results(folder)) == 12
    (folder / "out.zip").unlink()
    assert main(arguments(folder, "--classes-per-track", "2", "--max-per-category", "1")) == 0
    best = {(entry["video_id"], entry["category_id"]): entry["score"] for entry in results(folder)}
    assert len(best) == len(results(folder))
    assert all(best[video_id, category_id] > 0.8 for video_id in (0, 6, 9) for category_id in (9, 4))


@pytest.mark.parametrize(
    ("name", "local_rank", "device"),
    [("auto", None, "auto"), ("auto", "1", "cuda:1"), ("cuda", "5", "cuda:1"), ("cpu", "1", "cpu"), ("cuda:0", "1", "cuda:0")],
)
def test_each_process_of_a_machine_has_its_gpu(name: str, local_rank: str | None, device: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    if local_rank is not None:
        monkeypatch.setenv("LOCAL_RANK", local_rank)
    assert submit._device(name) == device


def test_nothing_found_at_all(folder: Path, capsys: pytest.CaptureFixture[str]):
    for path in (folder / "images").glob("clip[023]/*.jpg"):
        shutil.copy(folder / "images/clip1/00000.jpg", path)
    assert main(arguments(folder)) == 2
    assert "the list is empty" in one_line(capsys)
    assert not (folder / "out.zip").exists()


def test_tracks_that_are_no_different_are_written_once(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """As of a model whose queries are all alike."""
    once = making.to_results
    monkeypatch.setattr(making, "to_results", lambda *args, **options: once(*args, **options) * 2)
    assert main(arguments(folder)) == 0
    assert len(results(folder)) == 6


def test_entries_a_server_would_refuse(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    entry = {"video_id": 0, "category_id": 9, "score": float("nan"), "segmentations": [None] * 5}
    monkeypatch.setattr(making, "to_results", lambda *args, **options: [entry])
    assert main(arguments(folder)) == 2
    assert "a server would refuse the result: entry 0, video 0 (clip0): score is nan" in one_line(capsys)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["a", "b", "c"], "expected [CONFIG] WEIGHTS"),
        (["weights.safetensors", "seed=3"], "seed=3 changes a config, and none is given"),
        (["queryinst_r50_12e_coco", "w.pth", "--tracker", "iou"], "are for weights without a config"),
        (
            ["queryinst_vis_r50_12e_ytvis2019", "default"],
            "the classes of default are person, bicycle, car, ",
        ),
        (["queryinst_r50_12e_coco", "w.pth", "sed=3"], "no key 'sed'"),
        (["no_such_config", "w.pth"], "no config 'no_such_config'"),
        (["queryinst_r50_12e_coco", "w.pth"], "w.pth"),
    ],
)
def test_names_that_do_not_fit(folder: Path, names: list[str], text: str, capsys: pytest.CaptureFixture[str]):
    _, _, *options = arguments(folder)
    assert main(["submit", *names, *options]) == 2
    assert text in one_line(capsys)


def test_help(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["submit", "--help"])
    assert "[CONFIG] WEIGHTS [key=value ...] --videos VALID.json" in capsys.readouterr().out
