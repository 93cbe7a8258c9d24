"""Progress: a bar on terminals, lines elsewhere, nothing when it is not wanted."""

import os
import pty
import subprocess
import sys

import pytest

from queryinst_vis.cli import progress
from queryinst_vis.cli.progress import duration, progress_bar


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds, to be moved."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_line_a_minute_where_there_is_no_terminal(clock: list[float], capsys: pytest.CaptureFixture[str]):
    with progress_bar("in.mp4", 100, note=lambda: "2 objects, 7 tracks") as advance:
        for _ in range(60):
            clock[0] += 3
            advance()
    assert capsys.readouterr().err.splitlines() == [
        "in.mp4: 20 of 100, 0.3 fps, 4:00 left, 2 objects, 7 tracks",
        "in.mp4: 40 of 100, 0.3 fps, 3:00 left, 2 objects, 7 tracks",
        "in.mp4: 60 of 100, 0.3 fps, 2:00 left, 2 objects, 7 tracks",
    ]


def test_no_time_left_where_the_end_is_unknown(clock: list[float], capsys: pytest.CaptureFixture[str]):
    with progress_bar("camera", None) as advance:
        clock[0] += 60
        advance()
    assert capsys.readouterr().err == "camera: 1, 0.0 fps\n"


def test_quick_work_and_quiet_say_nothing(clock: list[float], capsys: pytest.CaptureFixture[str]):
    with progress_bar("in.mp4", 100) as advance:
        advance()
    with progress_bar("in.mp4", 100, is_quiet=True) as advance:
        clock[0] += 1000
        advance()
    assert capsys.readouterr().err == ""


def test_a_terminal_shows_a_bar_with_speed_time_and_counts():
    code = (
        "import time\nfrom queryinst_vis.cli.progress import progress_bar\n"
        "with progress_bar('[odd].mp4', 9, note=lambda: '2 objects, 7 tracks') as advance:\n"
        "    for _ in range(6):\n        advance()\n        time.sleep(0.15)\n"
    )
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "140"}
    with subprocess.Popen([sys.executable, "-c", code], stderr=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                block = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            shown += block
    os.close(ours)
    assert process.returncode == 0
    for part in ("[odd].mp4", "/9", "fps", "0:00:0", "2 objects, 7 tracks"):
        assert part.encode() in shown


def test_durations():
    assert [duration(seconds) for seconds in (-1, 59.6, 3723)] == ["0:00", "1:00", "1:02:03"]
