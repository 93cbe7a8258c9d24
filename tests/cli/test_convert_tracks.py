"""`convert-tracks`: the command around the converters."""

import json
from pathlib import Path

import pytest
from command_line import error_line, exit_code
from found_objects import CLASSES, frame, instances, write


def run(*arguments: object) -> int:
    return exit_code(["convert-tracks", *map(str, arguments)])


@pytest.fixture
def tracks(tmp_path: Path) -> Path:
    """tracks.json, of three frames."""
    with write("json", tmp_path / "tracks.json") as log:
        for index in range(3):
            log.add(frame(index), instances([1, 2]))
    return tmp_path / "tracks.json"


def test_kinds_by_suffix(tracks: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    assert run(tracks, tmp_path / "a.csv") == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == f"{tmp_path / 'a.csv'}: 3 frames"
    assert told[1].startswith("not held by it: masks, ")
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 7


def test_kind_that_is_said(tracks: Path, tmp_path: Path):
    assert run(tracks, tmp_path / "coco.json", "--to", "coco") == 0
    assert len(json.loads((tmp_path / "coco.json").read_text())["annotations"]) == 6
    assert run(tmp_path / "coco.json", tmp_path / "back.json") == 0
    assert (tmp_path / "back.json").read_bytes() == tracks.read_bytes()


def test_to_standard_output(tracks: Path, capfd: pytest.CaptureFixture):
    assert run(tracks, "-", "--to", "jsonl") == 0
    out, err = capfd.readouterr()
    assert [json.loads(line)["type"] for line in out.splitlines()] == ["video", "frame", "frame", "frame", "end"]
    assert "3 frames" in err


def test_a_table_back_to_tracks(tracks: Path, tmp_path: Path):
    assert run(tracks, tmp_path / "a.csv") == 0
    assert run(tmp_path / "a.csv", tmp_path / "b.json", "--size", "32x24", "--fps", "25") == 0
    assert [track["id"] for track in json.loads((tmp_path / "b.json").read_text())["tracks"]] == [1, 2]


@pytest.mark.parametrize("kind", ["json", "coco"])
def test_the_spool_of_a_killed_run_becomes_what_it_was_for(kind: str, tracks: Path, tmp_path: Path):
    """To the very name that the run would have given it, and with the classes of the model's distributions."""
    paths = [tmp_path / "whole.json", tmp_path / "cut.json"]
    for path in paths:
        log = write(kind, path)
        for index, scores in enumerate([[0.5, 0.4], [0.5, 0.4], [0.0, 0.9]]):
            log.add(frame(index), instances([1], class_scores=[scores]))
        log.close() if path == paths[0] else log.suspend()
    assert not paths[1].exists()
    assert run(f"{paths[1]}.spool", paths[1], "--to", kind) == 0
    assert paths[1].read_text() == paths[0].read_text().replace("whole", "cut")
    assert Path(f"{paths[1]}.spool").exists()


def test_a_file_cut_short_is_told(tracks: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    assert run(tracks, tmp_path / "a.jsonl") == 0
    whole = (tmp_path / "a.jsonl").read_text()
    (tmp_path / "a.jsonl").write_text(whole[: whole.rindex('{"type":"end"') - 5])
    capsys.readouterr()
    assert run(tmp_path / "a.jsonl", tmp_path / "b.json") == 3
    assert capsys.readouterr().err == f"{tmp_path / 'a.jsonl'} has no end: the run that wrote it was cut short\n"
    assert json.loads((tmp_path / "b.json").read_text())["video"]["num_frames"] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tracks.json", "a.xml"], "what to write is not clear from its name; --to KIND says it"),
        (["tracks.json", "tracks.json"], "is the input and would be written to"),
        (["tracks.json", "tracks.json", "--overwrite"], "is the input and would be written to"),
        (["a.json.part", "a.json", "--overwrite"], "is the input and would be written to"),
        (["missing.json", "a.json"], "there is no file missing.json"),
        (["other.json", "a.json"], "is no result"),
        (["a.mot", "a.json"], "--size WIDTHxHEIGHT does"),
        (["tracks.json", "-", "--to", "coco"], "coco is written as a file"),
        (["tracks.json", "-", "--to", "png"], "png is written as a folder"),
        (["tracks.json", "a.json", "--size", "3"], "expected WIDTHxHEIGHT"),
        (["tracks.json", "a.json", "--size", "20000x20000"], "exceed the limit of 100000000"),
        (["tracks.json", "a.json", "--fps", "0"], "expected a number above 0"),
        (["tracks.json", "a.json", "--classes", "a,a"], "expected different names"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], message: str, tracks: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    monkeypatch.chdir(tracks.parent)
    Path("other.json").write_text('{"a": 1}')
    Path("a.mot").write_text("1,1,0,0,4,4,1,-1,-1,-1\n")
    Path("a.json.part").write_bytes(tracks.read_bytes())
    before = tracks.read_bytes()
    assert run(*arguments) == 2
    assert message in error_line(capsys)
    assert tracks.read_bytes() == before == Path("a.json.part").read_bytes()


def test_names_of_classes_are_given(tmp_path: Path):
    with write("mot", tmp_path / "a.txt") as log:
        log.add(frame(0), instances([1]))
    assert run(tmp_path / "a.txt", tmp_path / "a.json", "--size", "32x24", "--classes", CLASSES[0]) == 0
    assert json.loads((tmp_path / "a.json").read_text())["categories"] == [{"id": 1, "name": "cat"}]
