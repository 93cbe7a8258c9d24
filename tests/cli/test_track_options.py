"""Options of `track`: parts of videos, kinds of results, events, standard output, going on, signals."""

import json
import os
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest
from blobs import two_discs, write_video
from command_line import load_instead, names, refusal
from ending_jobs import Ending, in_process

from queryinst_vis.cli import track
from queryinst_vis.cli.main import main
from queryinst_vis.video import open_video

pytestmark = pytest.mark.usefixtures("model")


@pytest.fixture
def clip(here: Path) -> Path:
    return write_video(here / "clip.mp4", [two_discs(index) for index in range(50)], sound="aac")


def test_stretch_of_a_video(clip: Path, here: Path):
    assert main(["track", "clip.mp4", "--start", "0:00.4", "--end", "1.2", "--stride", "2", "--json", "out.json"]) == 0
    document = json.loads((here / "out.json").read_text())
    times = [frame["time"] for frame in document["tracks"][0]["frames"]]
    assert times == pytest.approx([0.4 + 0.08 * index for index in range(10)])
    with open_video(here / "clip_tracked.mp4") as video:
        assert [float(frame.pts * frame.time_base) for frame in video] == pytest.approx([time - 0.4 for time in times])


def test_every_kind_of_result_and_events(clip: Path, here: Path):
    kinds = ("ytvis", "coco", "mots", "mot", "csv")
    arguments = [f"--results={kind}=out.{kind}" for kind in kinds]
    arguments += ["--results=png=masks", "--jsonl", "out.jsonl", "--events"]
    assert main(["track", "clip.mp4", "--no-video", *arguments]) == 0
    assert names(here) == sorted(["clip.mp4", "masks", "out.jsonl", *(f"out.{kind}" for kind in kinds)])
    lines = [json.loads(line) for line in (here / "out.jsonl").read_text().splitlines()]
    assert [line["type"] for line in lines].count("frame") == 50
    events = [(line["event"], line["category"]) for line in lines if line["type"] == "event"]
    kinds = ("born", "ended", "lost")  # the discs leave the picture
    assert sorted(events) == [(kind, name) for kind in kinds for name in ("green disc", "red disc")]


def test_lines_on_standard_output_and_nothing_else(clip: Path, capfd: pytest.CaptureFixture[str]):
    assert main(["track", "clip.mp4", "--no-video", "--jsonl", "-"]) == 0
    printed = capfd.readouterr()
    assert [json.loads(line)["type"] for line in printed.out.splitlines()] == ["video", *["frame"] * 50, "end"]
    assert "50 frames" in printed.err


def test_quiet(clip: Path, capfd: pytest.CaptureFixture[str]):
    assert main(["track", "clip.mp4", "--quiet"]) == 0
    assert capfd.readouterr() == ("", "")


def test_region(clip: Path, here: Path):
    assert main(["track", "clip.mp4", "--roi", "0,50,128,46", "--json", "out.json"]) == 0
    (found,) = json.loads((here / "out.json").read_text())["tracks"]
    assert found["category_id"] == 2
    assert found["frames"][0]["box"] == [98, 56, 21, 21]


def test_folder_of_pictures_and_several_inputs(clip: Path, here: Path):
    (here / "pictures").mkdir()
    for index in range(5):
        cv2.imwrite(str(here / "pictures" / f"{index}.png"), two_discs(index)[:, :, ::-1])
    assert main(["track", "pictures", "--fps", "10", "--json", "out.json"]) == 0
    document = json.loads((here / "out.json").read_text())
    assert (document["video"]["fps"], document["video"]["num_frames"]) == (10, 5)
    assert main(["track", "pictures", "clip.mp4", "--output", "both.mp4"]) == 0
    with open_video(here / "both.mp4") as video:
        assert len(list(video)) == 55


def test_name_of_the_output(clip: Path, here: Path):
    assert main(["track", "clip.mp4", "--codec", "prores", "--max-frames", "2"]) == 0
    assert names(here) == ["clip.mp4", "clip_tracked.mov"]
    assert track._stem("rtsp://me:secret@camera.local:554/live/1?token=abc") == "camera.local_554_live_1_token"
    assert [track._stem(name) for name in ("-", "0", "camera:0", "frames/*.png", "a/b.c.mp4")] == [
        "stdin",
        "0",
        "camera0",
        "frames_.png",
        "b.c",
    ]


def test_names_with_line_breaks_and_terminal_codes_stay_on_a_line(clip: Path, here: Path, capsys: pytest.CaptureFixture[str]):
    clip.rename(here / "a\nb\x1b[31m.mp4")
    assert main(["track", "a\nb\x1b[31m.mp4", "--max-frames", "2"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == r"wrote a\nb\x1b[31m_tracked.mp4"
    assert names(here) == ["a\nb\x1b[31m.mp4", "a\nb\x1b[31m_tracked.mp4"]
    assert main(["track-videos", ".", "--output", "out", "--no-video"]) == 0
    assert sum(r"a\nb\x1b[31m" in line for line in capsys.readouterr().out.splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--start", "soon"], "not a time"),
        (["--start", "2", "--end", "1"], "not after the start"),
        (["--stride", "0"], "from 1"),
        (["--fps", "0"], "above 0"),
        (["--fps", "1e-99999999"], "above 0"),
        (["--end", "1e999999999"], "not a time"),
        (["--roi", "1,2,3"], "LEFT,TOP,WIDTH,HEIGHT"),
        (["--roi", "500,0,10,10"], "outside of the 128 x 96"),
        (["--codec", "divx"], "invalid choice"),
        (["--codec", "prores", "--output", "a.mp4"], "prores"),
        (["--results", "json"], "KIND=PATH"),
        (["--results", "jsn=a.json"], "KIND=PATH"),
        (["--json", "a.json", "--results", "csv=a.json"], "two outputs"),
        (["--jsonl", "-", "--results", "csv=-"], "standard output"),
        (["--json", "clip_tracked.mp4"], "two outputs"),
        (["--segment-seconds", "0"], "above 0"),
        (["--max-pixels", "100"], "limit of 100 pixels"),
    ],
)
def test_mistakes_are_one_line(clip: Path, here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str):
    assert expected in refusal(["track", "clip.mp4", *arguments], capsys)
    assert names(here) == ["clip.mp4"]


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
@pytest.mark.parametrize("at", [0, 20, 49])
def test_signal_at_any_frame_and_going_on(
    clip: Path, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, code: int, at: int
):
    load_instead(monkeypatch, Ending(at, getattr(signal, name)).eval())
    arguments = ["track", "clip.mp4", "--json", "out.json", "--resume"]
    assert main(arguments) == code
    assert f"stopped after {at + 1} frames; the same command goes on from there" in capsys.readouterr().err
    assert main(arguments) == 0
    assert f"after {at + 1} of an earlier run" in capsys.readouterr().out
    assert names(here) == ["clip.mp4", "clip_tracked.mp4", "out.json"]
    assert json.loads((here / "out.json").read_text())["video"]["num_frames"] == 50


def killed(folder: str) -> None:
    """The command with a model that kills the process in its middle."""
    os.chdir(folder)
    with pytest.MonkeyPatch.context() as patch:
        load_instead(patch, Ending(30, signal.SIGKILL).eval())
        main(["track", "clip.mp4", "--json", "out.json", "--resume", "--segment-seconds", "0.5"])


def test_kill_and_going_on(clip: Path, here: Path, capsys: pytest.CaptureFixture[str]):
    main(["track", "clip.mp4", "--json", "whole.json", "--output", "whole.mp4"])
    assert in_process(killed, str(here)) == -signal.SIGKILL
    assert main(["track", "clip.mp4", "--json", "out.json", "--resume", "--segment-seconds", "0.5"]) == 0
    assert "after 28 of an earlier run" in capsys.readouterr().out
    assert (here / "out.json").read_bytes() == (here / "whole.json").read_bytes()
    with open_video(here / "whole.mp4") as whole, open_video(here / "clip_tracked.mp4") as resumed:
        for before, after in zip(whole, resumed, strict=True):
            assert before.pts * before.time_base == after.pts * after.time_base
            assert np.abs(before.image.astype(int) - after.image).mean() < 5
