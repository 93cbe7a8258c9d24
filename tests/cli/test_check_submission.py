"""The command `check-submission`."""

import json
from pathlib import Path

import pytest
from command_line import error_line, exit_code
from tiny_submission import VIDEOS, entry, second_entry, write_zip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "valid.json").write_text(json.dumps(VIDEOS))
    return tmp_path


def check(folder: Path, *more: str) -> int:
    return exit_code(["check-submission", str(folder / "out.zip"), "--videos", str(folder / "valid.json"), *more])


def test_what_is_fine(folder: Path, capsys: pytest.CaptureFixture[str]):
    write_zip(folder / "out.zip", {"results.json": json.dumps([entry(), second_entry()])})
    assert check(folder, "--json", str(folder / "report.json")) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line == f"{folder}/out.zip: no problem found; 2 entries with 3 masks for 2 videos, 0.0 MB"
    assert json.loads((folder / "report.json").read_text())["ok"]


@pytest.mark.parametrize("name", ["out.zip", "valid.json"])
def test_no_input_is_replaced(folder: Path, name: str, capsys: pytest.CaptureFixture[str]):
    write_zip(folder / "out.zip", {"results.json": json.dumps([entry()])})
    assert check(folder, "--json", str(folder / name)) == 2
    assert f"{name} is an input; name another output" in capsys.readouterr().err


def test_warnings_are_no_errors(folder: Path, capsys: pytest.CaptureFixture[str]):
    write_zip(folder / "out.zip", {"results.json": json.dumps([entry()])})
    assert check(folder) == 0
    assert "0 errors, 1 warnings" in capsys.readouterr().out


def test_errors_are_merged(folder: Path, capsys: pytest.CaptureFixture[str]):
    bad = [entry(score=str(number)) for number in range(9)]
    write_zip(folder / "out.zip", {"x/results.json": json.dumps([*bad, second_entry(category_id=5)])})
    assert check(folder, "--examples", "2", "--json", str(folder / "report.json")) == 1
    assert capsys.readouterr().out.splitlines() == [
        "error: no results.json at the root of the zip: 1",
        "    it lies in the folder x; zip the file alone: zip -j submission.zip x/results.json",
        "error: unknown categories: 1",
        "    entry 9, video 0 (bee): category_id 5 is not in the videos' file",
        "error: scores that are no finite numbers: 9",
        "    entry 0, video 7 (ant): score is '0', must be a number",
        "    entry 1, video 7 (ant): score is '1', must be a number",
        "    and 7 more",
        f"{folder}/out.zip: 11 errors, 0 warnings; 10 entries with 19 masks for 2 videos, 0.0 MB",
    ]
    report = json.loads((folder / "report.json").read_text())
    assert (report["ok"], report["num_errors"], report["num_entries"]) == (False, 11, 10)
    assert report["problems"][2] == {
        "kind": "score",
        "severity": "error",
        "meaning": "scores that are no finite numbers",
        "count": 9,
        "examples": [
            {"text": f"score is '{n}', must be a number", "entry": n, "video_id": 7, "video": "video 7 (ant)"} for n in (0, 1)
        ],
    }


@pytest.mark.parametrize("more", [[], ["--videos", "nowhere.json"], ["--examples", "-1"]])
def test_nothing_to_check_is_one_line(folder: Path, more: list[str], capsys: pytest.CaptureFixture[str]):
    assert check(folder, *more) == 2
    assert error_line(capsys)
