"""jsonl: a line per frame as it happens, to files and pipes."""

import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from found_objects import CLASSES, frame, instances, write

from queryinst_vis.errors import UserError
from queryinst_vis.results import ClosedPipeError, read_result

lines = partial(write, "jsonl")


@dataclass
class Born:
    kind = "born"
    track_id: int
    label: int
    frame_index: int
    time: float


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_lines(tmp_path: Path):
    with lines(tmp_path / "a.jsonl") as log:
        log.add(frame(0), instances([2]))
        log.add_events([Born(2, 0, 0, 0.0)])
        log.add(frame(1), instances([]))
    first, found, event, nothing, end = read(tmp_path / "a.jsonl")
    assert first["type"] == "video"
    assert (first["file_name"], first["width"], first["height"], first["fps"]) == ("in.mp4", 32, 24, 25.0)
    assert first["categories"][1] == {"id": 2, "name": CLASSES[1]}
    (item,) = found.pop("objects")
    assert found == {"type": "frame", "index": 0, "time": 0.0}
    assert item["segmentation"].pop("counts")
    assert item == {"id": 2, "category": "cat", "score": 0.8, "box": [0, 4, 4, 6], "segmentation": {"size": [24, 32]}}
    assert event == {"type": "event", "event": "born", "id": 2, "category": "cat", "index": 0, "time": 0.0}
    assert nothing == {"type": "frame", "index": 1, "time": 0.04, "objects": []}
    assert end == {"type": "end", "frames": 2, "complete": True}


def test_a_frame_is_there_as_soon_as_it_was_added(tmp_path: Path):
    with lines(tmp_path / "a.jsonl") as log:
        for index in range(3):
            log.add(frame(index), instances([1]))
            assert [line["type"] for line in read(tmp_path / "a.jsonl")] == ["video"] + ["frame"] * (index + 1)


def test_objects_are_in_the_order_of_their_ids(tmp_path: Path):
    with lines(tmp_path / "a.jsonl") as log:
        log.add(frame(0), instances([5, 2, 9]))
    assert [(item["id"], item["box"][0]) for item in read(tmp_path / "a.jsonl")[1]["objects"]] == [(2, 6), (5, 0), (9, 12)]


def test_no_frame(tmp_path: Path):
    with lines(tmp_path / "a.jsonl"):
        pass
    assert [line["type"] for line in read(tmp_path / "a.jsonl")] == ["video", "end"]
    assert list(read_result(tmp_path / "a.jsonl").frames) == []


def test_after_an_exception_the_end_says_so(tmp_path: Path):
    with pytest.raises(KeyError), lines(tmp_path / "a.jsonl") as log:  # noqa: PT012
        log.add(frame(0), instances([1]))
        raise KeyError
    assert read(tmp_path / "a.jsonl")[-1] == {"type": "end", "frames": 1, "complete": False}


def test_an_exception_before_the_first_frame_leaves_nothing(tmp_path: Path):
    with pytest.raises(KeyError), lines(tmp_path / "a.jsonl"):
        raise KeyError
    assert not list(tmp_path.iterdir())


def test_never_overwrites_unasked(tmp_path: Path):
    (tmp_path / "a.jsonl").write_text("precious")
    with pytest.raises(UserError, match="exists"):
        lines(tmp_path / "a.jsonl")
    assert (tmp_path / "a.jsonl").read_text() == "precious"
    with lines(tmp_path / "a.jsonl", overwrite=True):
        pass
    assert read(tmp_path / "a.jsonl")[0]["type"] == "video"


@pytest.mark.parametrize("cut", range(1, 200, 23))
def test_a_file_cut_short_is_read_as_far_as_it_goes(tmp_path: Path, cut: int):
    path = tmp_path / "a.jsonl"
    with lines(path) as log:
        for index in range(4):
            log.add(frame(index), instances([1]))
    path.write_bytes(path.read_bytes()[:-cut])
    result = read_result(path)
    whole = sum(line.startswith('{"type":"frame"') for line in path.read_text().splitlines(keepends=True) if line.endswith("\n"))
    assert [record.index for record in result.frames] == list(range(whole))
    assert bool(result.problems) == (cut > 1)


def test_standard_output(capfd: pytest.CaptureFixture):
    with lines("-") as log:
        log.add(frame(0), instances([1]))
    assert [json.loads(line)["type"] for line in capfd.readouterr().out.splitlines()] == ["video", "frame", "end"]


def test_a_pipe_whose_reader_leaves(tmp_path: Path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    first = []

    def read_one_line() -> None:
        with pipe.open() as file:
            first.append(json.loads(file.readline())["type"])

    reader = threading.Thread(target=read_one_line)
    reader.start()
    with pytest.raises(ClosedPipeError, match="nobody reads it any more") as told, lines(pipe) as log:  # noqa: PT012
        reader.join(10)
        for index in range(3):
            log.add(frame(index), instances([1]))
    assert first == ["video"]
    assert told.value.exit_code == 141
    assert pipe.exists()


ENDLESS = """
from itertools import count
from found_objects import frame, instances, write
from queryinst_vis.errors import UserError
try:
    with write("jsonl", "-") as log:
        for index in count():
            log.add(frame(index), instances([1]))
except UserError as error:
    raise SystemExit(str(error))
"""


def test_head_gets_its_line_and_the_writer_ends_by_one_line(repo_root: Path, tmp_path: Path):
    (tmp_path / "endless.py").write_text(ENDLESS)
    done = subprocess.run(
        f"{sys.executable} {tmp_path / 'endless.py'} | head -1",
        shell=True,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=os.environ | {"PYTHONPATH": str(repo_root / "tests")},
    )
    assert json.loads(done.stdout)["type"] == "video"
    assert done.stderr == "cannot write standard output: nobody reads it any more\n"


def test_goes_on_from_a_mark(tmp_path: Path):
    whole, path = tmp_path / "whole.jsonl", tmp_path / "a.jsonl"
    with lines(whole) as log:
        for index in range(6):
            log.add(frame(index), instances([1, index + 2]))
    log = lines(path)
    for index in range(5):
        if index == 3:
            mark = json.loads(json.dumps(log.mark()))
        log.add(frame(index), instances([1, 99]) if index > 2 else instances([1, index + 2]))
    log.suspend()
    with lines(path, resume=mark) as log:
        assert log.num_frames == 3
        for index in range(3, 6):
            log.add(frame(index), instances([1, index + 2]))
    assert path.read_text() == whole.read_text()


def test_a_mark_beyond_the_file_is_refused(tmp_path: Path):
    (tmp_path / "a.jsonl").write_text("short")
    with pytest.raises(UserError, match="does not hold the place to go on from"):
        lines(tmp_path / "a.jsonl", resume={"frames": 9, "bytes": 999})
    assert (tmp_path / "a.jsonl").read_text() == "short"


BAD_LINES = {
    "expected a line of type video first": '{"type":"frame","index":0,"time":0,"objects":[]}',
    "unknown type": '{"type":"noise"}',
    "the id must be a whole number": '{"type":"frame","index":1,"time":0,"objects":[{"id":0}]}',
    "unknown category": '{"type":"frame","index":1,"time":0,"objects":[{"id":1,"category":"cow"}]}',
    "expected a list": '{"type":"frame","index":1,"time":0,"objects":3}',
    "frame 0 comes after frame 0": '{"type":"frame","index":0,"time":0,"objects":[]}',
    "expected an object": "[]",
    "its box must be": '{"type":"frame","index":1,"time":0,"objects":[{"id":1,"category":"cat","score":1,"box":[1,2,3]}]}',
    "must be a number": '{"type":"frame","index":1,"time":0,"objects":[{"id":1,"category":"cat","score":NaN}]}',
}


@pytest.mark.parametrize("message", BAD_LINES)
def test_damaged_lines_are_named(tmp_path: Path, message: str):
    path = tmp_path / "a.jsonl"
    with lines(path) as log:
        log.add(frame(0), instances([1]))
    content = path.read_text().splitlines()[:2] if "first" not in message else []
    path.write_text("\n".join([*content, BAD_LINES[message], ""]))
    with pytest.raises(UserError, match=message) as told:
        list(read_result(path).frames)
    assert "line" in str(told.value)
    assert "\n" not in str(told.value)
