"""The command `track-videos`: folders, tables, exit codes."""

import json
import multiprocessing
import os
import signal
import threading
from pathlib import Path

import pytest
from blobs import two_discs, write_video
from command_line import refusal
from ending_jobs import SLOW_WIDTH, load_dangerous

from queryinst_vis.cli import track_videos
from queryinst_vis.cli.main import main
from queryinst_vis.jobs import pool


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with two good videos of one name and one that is none; workers with a model that needs no weights."""
    monkeypatch.chdir(tmp_path)
    multiprocessing.get_context("forkserver").set_forkserver_preload(["ending_jobs"])
    monkeypatch.setattr(pool, "_START", "forkserver")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    monkeypatch.setattr(track_videos, "loader", lambda args: load_dangerous)
    for folder in ("in/a", "in/b"):
        (tmp_path / folder).mkdir(parents=True)
        write_video(tmp_path / folder / "clip.mp4", [two_discs(index) for index in range(6)])
    (tmp_path / "in" / "text.mp4").write_text("no video")
    return tmp_path


def test_folder_with_a_bad_video_and_a_rerun(here: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["track-videos", "in", "--output", "in/out", "--workers", "2", "--results", "json", "jsonl", "csv"]) == 3
    printed = capsys.readouterr()
    assert printed.err.splitlines() == [f"text.mp4 failed: {line}" for line in [printed.err.partition("failed: ")[2].strip()]]
    assert "not a video" in printed.err
    assert "3 videos: 2 done, 1 failed" in printed.out
    for name in ("a/clip.mp4", "b/clip.mp4"):
        files = sorted(path.name for path in (here / "in/out" / name).iterdir())
        assert files == ["done.json", "tracked.mp4", "tracks.csv", "tracks.json", "tracks.jsonl"]
        assert json.loads((here / "in/out" / name / "tracks.json").read_text())["video"]["num_frames"] == 6
    index = json.loads((here / "in/out/videos.json").read_text())["videos"]
    assert [(row["name"], row["state"], row.get("tracks")) for row in index] == [
        ("a/clip.mp4", "done", 2),
        ("b/clip.mp4", "done", 2),
        ("text.mp4", "failed", None),
    ]
    before = {path: path.stat().st_mtime_ns for path in (here / "in/out").glob("*/clip.mp4/*")}
    (here / "in/text.mp4").unlink()
    assert main(["track-videos", "in", "--output", "in/out", "--results", "json", "jsonl", "csv"]) == 0
    assert "2 videos: 2 done, 2 of them before" in capsys.readouterr().out
    assert before == {path: path.stat().st_mtime_ns for path in (here / "in/out").glob("*/clip.mp4/*")}


def test_changed_settings_and_quiet(here: Path, capsys: pytest.CaptureFixture[str]):
    arguments = ["track-videos", "in/*/*.mp4", "--output", "out", "--no-video", "--quiet"]
    assert main(arguments) == 0
    assert main([*arguments, "--stride", "2"]) == 0
    assert capsys.readouterr() == ("", "")
    assert json.loads((here / "out/a/clip.mp4/tracks.json").read_text())["video"]["num_frames"] == 3


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["in"], "--output"),
        (["nowhere", "--output", "out"], "does not exist"),
        (["in", "--output", "in"], "holds other things"),
        (["in", "--output", "in/text.mp4"], "expected a folder"),
        (["in", "--output", "out", "--results", "nonsense"], "invalid choice"),
        (["in", "--output", "out", "--workers", "0"], "from 1"),
    ],
)
def test_mistakes_are_one_line(here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str):
    assert expected in refusal(["track-videos", *arguments], capsys)


def test_signal_stops_all_and_keeps_what_is_complete(here: Path, capsys: pytest.CaptureFixture[str]):
    images = [two_discs(index)[:, :SLOW_WIDTH] for index in range(40)]
    for name in ("in/a/slow1.mp4", "in/b/slow2.mp4"):
        write_video(here / name, images)
    (here / "in/text.mp4").unlink()

    def stop() -> None:
        while not (here / "out/a/slow1.mp4/tracks.json.spool").exists():
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=stop)
    thread.start()
    assert main(["track-videos", "in", "--output", "out"]) == 143
    thread.join()
    assert "the same command does the rest" in capsys.readouterr().err
    assert (here / "out/a/clip.mp4/done.json").exists()
    assert not (here / "out/a/slow1.mp4").exists()
    assert main(["track-videos", "in", "--output", "out"]) == 0
    assert "4 videos: 4 done, 1 of them before" in capsys.readouterr().out
