"""The table of docs/video.md: complete, as ffprobe's reading has it, and made by a script that sees differences."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
EXPECTED = json.loads((ROOT / "tests" / "golden" / "formats_ffprobe.json").read_text())


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("zoo_table", ROOT / "tools" / "zoo_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows_of_the_document(script: ModuleType) -> dict[str, list[str]]:
    """Cells by the name of the file."""
    text = (ROOT / "docs" / "video.md").read_text(encoding="utf-8")
    lines = text.partition(f"{script.MARKS[0]}\n")[2].partition(script.MARKS[1])[0].splitlines()
    assert tuple(lines[:2]) == script.HEADER
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    return {row[0].strip("`"): row for row in rows}


def test_every_file_is_there_and_none_differs(script: ModuleType):
    rows = rows_of_the_document(script)
    assert list(rows) == list(EXPECTED)
    for name, expected in EXPECTED.items():
        _, frames, size, turned, last, verdict, remark = rows[name]
        assert "differs" not in verdict
        if expected is None:
            assert remark
        else:
            assert (frames, size) == (str(expected["frames"]), f"{expected['width']} x {expected['height']}")
            assert turned == script.turned(expected["rotation"])
            assert last.endswith(" s")


@pytest.mark.parametrize(
    "name", ["video_90.mov", "Error_I_P.264", "sample_fragmented_sideloaded_track.mp4", "-video-with-dash-.mp4"]
)
def test_rows_are_what_the_script_makes(script: ModuleType, shared: Callable[[str], Path], name: str):
    cells, is_same = script.row_of(shared(f"media/formats/{name}"), EXPECTED[name])
    assert is_same
    assert [cell.strip() for cell in cells] == rows_of_the_document(script)[name]


@pytest.mark.parametrize(
    ("change", "what"),
    [({"frames": 4}, "frames"), ({"width": 320, "height": 568}, "size"), ({"times": 1}, "times"), ({"last": "1"}, "times")],
)
def test_a_difference_is_seen(script: ModuleType, shared: Callable[[str], Path], change: dict, what: str):
    name = "video_0.mov"
    cells, is_same = script.row_of(shared(f"media/formats/{name}"), EXPECTED[name] | change)
    assert not is_same
    assert cells[5] == f"**differs**: {what}"


def test_an_upside_down_picture_is_seen(script: ModuleType, shared: Callable[[str], Path]):
    expected = EXPECTED["video_0.mov"]
    cells, is_same = script.row_of(shared("media/formats/video_0.mov"), expected | {"first": expected["first"][::-1]})
    assert not is_same
    assert cells[5] == "**differs**: orientation"
