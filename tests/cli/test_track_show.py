"""`track --show`, `--report json` and `--quiet`, with a model that needs no weights and a window that nobody sees."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from blobs import BlobModel, two_discs, write_video
from command_line import load_instead
from live_servers import StreamServer

from queryinst_vis.cli.main import main
from queryinst_vis.errors import UserError

NUM_FRAMES = 12


@pytest.fixture(autouse=True)
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In the current folder, otherwise empty."""
    monkeypatch.chdir(tmp_path)
    load_instead(monkeypatch, BlobModel().eval())
    return write_video(tmp_path / "clip.mp4", [two_discs(index) for index in range(NUM_FRAMES)])


class View:
    """A window on which a person presses q, or that breaks, after some pictures."""

    def __init__(self, title: str, *, stop_after: int = 10**9, lost_after: int = 10**9) -> None:
        self.title, self.stop_after, self.lost_after = title, stop_after, lost_after
        self.shown: list[np.ndarray] = []
        self.is_closed = False

    @property
    def wants_stop(self) -> bool:
        return len(self.shown) >= self.stop_after

    @property
    def is_lost(self) -> bool:
        return len(self.shown) >= self.lost_after

    def show(self, picture: np.ndarray, *, should_stop: Callable[[], bool]) -> None:
        assert not self.is_closed
        self.shown.append(picture)
        self.last = time.monotonic()

    def __enter__(self) -> "View":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.is_closed = True


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[View]]:
    """Puts a `View` in place of the window and gives a list that will hold it."""

    def prepare(**options: int) -> list[View]:
        views: list[View] = []

        def make(title: str) -> View:
            views.append(View(title, **options))
            return views[-1]

        monkeypatch.setattr("queryinst_vis.cli.track.LiveView", make)
        return views

    return prepare


def test_every_frame_is_shown_with_its_objects_and_nothing_need_be_written(window, tmp_path: Path):
    views = window()
    assert main(["track", "clip.mp4", "--show", "--no-video"]) == 0
    (view,) = views
    assert view.title == "clip.mp4"
    assert len(view.shown) == NUM_FRAMES
    assert view.is_closed
    assert view.shown[0].shape == two_discs(0).shape
    assert np.abs(view.shown[0].astype(int) - two_discs(0)).max() > 50  # drawn on
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_q_stops_like_ctrl_c(window, capsys: pytest.CaptureFixture[str]):
    (views, code) = (window(stop_after=5), main(["track", "clip.mp4", "--show", "--json", "out.json"]))
    assert code == 130
    assert len(views[0].shown) == 5
    assert json.loads(Path("out.json").read_text())["video"]["num_frames"] == 5
    assert "stopped after 5 frames" in capsys.readouterr().err


def test_q_stops_while_a_camera_says_nothing(window, monkeypatch: pytest.MonkeyPatch):
    """The picture after the last never comes: the key has to end the waiting."""
    views = window()
    monkeypatch.setattr(View, "wants_stop", property(lambda view: bool(view.shown) and time.monotonic() - view.last > 1))
    with StreamServer("mjpeg", stall_after=5) as server:
        begun = time.monotonic()
        assert main(["track", server.url, "--show", "--no-video"]) == 130
    assert views[0].shown
    assert time.monotonic() - begun < 8  # the read time-out is 10


def test_a_window_that_breaks_stops_nothing(window, capsys: pytest.CaptureFixture[str]):
    (views, code) = (window(lost_after=3), main(["track", "clip.mp4", "--show", "--json", "out.json"]))
    assert code == 0
    assert len(views[0].shown) == 3
    assert json.loads(Path("out.json").read_text())["video"]["num_frames"] == NUM_FRAMES
    assert capsys.readouterr().err == "the window is gone; the work goes on without it\n"


def test_no_display_is_one_line_and_nothing_is_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    def fail(title: str) -> None:
        raise UserError("no window can be shown here: there is no display; go on without --show")

    monkeypatch.setattr("queryinst_vis.cli.track.LiveView", fail)
    assert main(["track", "clip.mp4", "--show"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "no display" in line
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def report_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, dict, str]:
    """Exit code, the document, and what stands on stderr."""
    code = main(["track", *arguments, "--report", "json"])
    printed = capsys.readouterr()
    return code, json.loads(printed.out), printed.err


def test_report_for_programs(capsys: pytest.CaptureFixture[str]):
    code, report, errors = report_of(["clip.mp4", "--json", "out.json"], capsys)
    assert (code, errors) == (0, "")
    assert report.pop("seconds") > 0
    assert report.pop("frames_per_second") > 0
    assert report == {
        "status": "complete",
        "exit_code": 0,
        "inputs": ["clip.mp4"],
        "frames": NUM_FRAMES,
        "frames_of_earlier_runs": 0,
        "tracks": {"red disc": 1, "green disc": 1},
        "damage": [],
        "lost": [],
        "statistics": {},
        "outputs": ["clip_tracked.mp4", "out.json"],
    }
    assert all(Path(name).is_file() for name in report["outputs"])


def test_report_of_a_damaged_video(clip: Path, capsys: pytest.CaptureFixture[str]):
    data = clip.read_bytes()
    middle = data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 2
    clip.write_bytes(data[:middle] + b"\xff" * 60 + data[middle + 60 :])
    code, report, errors = report_of(["clip.mp4", "--no-video", "--json", "out.json"], capsys)
    assert (code, report["status"], report["exit_code"]) == (3, "damaged", 3)
    assert report["damage"]
    assert report["damage"][0] in errors


def test_report_of_a_stop(window, capsys: pytest.CaptureFixture[str]):
    window(stop_after=5)
    code, report, _ = report_of(["clip.mp4", "--show", "--no-video"], capsys)
    assert (code, report["status"], report["exit_code"], report["frames"]) == (130, "stopped", 130, 5)


def test_report_of_a_failure(capsys: pytest.CaptureFixture[str]):
    code, report, errors = report_of(["gone.mp4"], capsys)
    assert code == 2
    assert re.fullmatch(r"error: .*does not exist.*\n", errors)
    assert report == {"status": "failed", "exit_code": 2, "inputs": ["gone.mp4"], "error": errors[len("error: ") :].strip()}


@pytest.mark.parametrize("report", [["--report", "json"], ["--report=json"]])
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["clip.mp4", "--stride", "0"], "a whole number from 1, got '0'"),
        (["clip.mp4", "--nonsense"], "unrecognized arguments: --nonsense"),
        ([], "required: IN"),
    ],
)
def test_report_of_a_mistake_in_the_options(
    arguments: list[str], said: str, report: list[str], capsys: pytest.CaptureFixture[str]
):
    assert main(["track", *arguments, *report]) == 2
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert said in document["error"]
    assert printed.err == f"error: {document.pop('error')}\n"
    assert document == {"status": "failed", "exit_code": 2, "inputs": []}


def test_report_of_a_failure_of_the_machine(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def fail(*args: object) -> None:
        raise MemoryError

    monkeypatch.setattr("queryinst_vis.cli.track.run_job", fail)
    code, report, errors = report_of(["clip.mp4"], capsys)
    assert (code, report["inputs"], report["error"]) == (2, ["clip.mp4"], errors[len("error: ") :].strip())


def test_passwords_stay_out_of_the_report(capsys: pytest.CaptureFixture[str]):
    _, report, _ = report_of(["rtsp://anna:secret@127.0.0.1:9/live", "--output", "clip.mp4"], capsys)
    assert report["inputs"] == ["rtsp://***@127.0.0.1:9/live"]


def test_standard_output_is_for_one(capsys: pytest.CaptureFixture[str]):
    _, report, errors = report_of(["clip.mp4", "--no-video", "--jsonl", "-"], capsys)
    assert "write one of them to a file" in report["error"]
    assert len(errors.splitlines()) == 1


def test_quiet_says_nothing_of_what_goes_well(capsys: pytest.CaptureFixture[str]):
    assert main(["track", "clip.mp4", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
