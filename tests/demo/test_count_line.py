"""The example that counts what crosses a line."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from blobs import CLASSES, disc_image, two_discs, write_video
from ending_jobs import run_here

from queryinst_vis.jobs.job import Job


@pytest.fixture(scope="module")
def count_line(repo_root: Path) -> ModuleType:
    """demo/count_line.py."""
    spec = importlib.util.spec_from_file_location("count_line", repo_root / "demo" / "count_line.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["count_line"] = module
    spec.loader.exec_module(module)
    return module


def test_two_discs_cross_a_line_in_opposite_directions(count_line: ModuleType, tmp_path: Path):
    clip = write_video(tmp_path / "clip.mp4", [two_discs(index) for index in range(28)])
    counts = count_line.LineAndZone(CLASSES, line=[(64, 0), (64, 96)], zone=[(0, 50), (40, 50), (40, 96), (0, 96)])
    run_here(Job(source=str(clip)), counts)
    assert counts.crossings == {("red disc", "left"): 1, ("green disc", "right"): 1}
    assert counts.entered == {"green disc": 1}
    assert counts.inside == set(), "all has ended"
    assert counts._last == {}


def test_one_that_is_hidden_at_the_line_is_counted_and_one_beside_its_ends_is_not(count_line: ModuleType, tmp_path: Path):
    images = [two_discs(index) if not 12 < index < 17 else disc_image() for index in range(28)]
    clip = write_video(tmp_path / "clip.mp4", images)
    counts = count_line.LineAndZone(CLASSES, line=[(64, 0), (64, 50)])
    run_here(Job(source=str(clip)), counts)
    assert counts.crossings == {("red disc", "left"): 1}


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ((0, 5), (10, 5), "left"),
        ((10, 5), (0, 5), "right"),
        ((0, 5), (4, 5), ""),
        ((0, 15), (10, 15), ""),
        ((0, 5), (0, 5), ""),
        ((5, 5), (5, 5), ""),
        ((0, 5), (5, 5), "left"),
        ((5, 5), (10, 5), ""),
    ],
)
def test_crossing(count_line: ModuleType, before: tuple[int, int], now: tuple[int, int], expected: str):
    """One that stops on the line and goes on is counted once."""
    assert count_line.crossing(before, now, [(5, 0), (5, 10)]) == expected


def test_short_enough_to_be_read(repo_root: Path):
    assert len((repo_root / "demo" / "count_line.py").read_text().splitlines()) < 100
