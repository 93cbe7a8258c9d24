"""docs/result_formats.md says what the formats hold, and its Python does what it says."""

import re
from pathlib import Path
from typing import Any

import pytest
from found_objects import CLASSES, INFO, frame, instances

from queryinst_vis.results import FORMATS, KINDS
from queryinst_vis.results.base import Part


@pytest.fixture
def page(repo_root: Path) -> str:
    return (repo_root / "docs" / "result_formats.md").read_text(encoding="utf-8")


def rows_of(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def test_table_of_what_formats_hold(page: str):
    header, _, *rows = rows_of(page[page.index("| | `json`") : page.index("- Where a track has one category")].strip())
    kinds = [cell.strip("`") for cell in header[1:]]
    assert kinds == list(dict.fromkeys(kinds))
    assert set(kinds) == set(KINDS)
    said = {kind: [row[place] == "yes" for row in rows[: len(Part)]] for place, kind in enumerate(kinds, start=1)}
    assert said == {kind: [part in FORMATS[kind].holds for part in Part] for kind in kinds}
    assert [row[0] for row in rows[len(Part) :]] == ["events"]


def test_list_of_formats(page: str):
    listed = re.findall(r"^\| `(\w+)` \|", page[: page.index("What they hold")], re.MULTILINE)
    assert sorted(listed) == sorted(KINDS)


def test_python_of_the_page(page: str, tmp_path: Path):
    names: dict[str, Any] = {}
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(block, "result_formats.md", "exec"), names)
    frames = [(frame(0), instances([1])), (frame(1), instances([1, 4])), (frame(2), instances([4])), (frame(3), instances([4]))]
    assert names["save_table"](frames, tmp_path / "a.csv", name="in.mp4", info=INFO, classes=CLASSES) == []
    with names["open_result"]("json", tmp_path / "a.json", video_name="in.mp4", info=INFO, classes=CLASSES) as log:
        for each in frames:
            log.add(*each)
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 6
    assert names["longest_lived"](tmp_path / "a.json") == 4
