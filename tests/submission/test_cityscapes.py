"""Folders that Cityscapes' server would not take, and those it would."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from queryinst_vis.data.cityscapes_submission import ScoredMask, write_results
from queryinst_vis.data.json_tables import DatasetError
from queryinst_vis.errors import UserError
from queryinst_vis.masks import Window
from queryinst_vis.submission.cityscapes import check_cityscapes_results
from queryinst_vis.submission.report import Report

HW = (20, 40)
IMAGES = [{"id": i, "file_name": f"ulm/ulm_{i:06d}_000019_leftImg8bit.png", "height": HW[0], "width": HW[1]} for i in (0, 1)]
TEXT, MASKS = "ulm_000000_000019_pred.txt", "ulm_000000_000019_pred"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two results for the first picture, one for the second, as we write them."""
    found = [ScoredMask(26, 0.9, Window(2, 3, np.ones((4, 5), bool))), ScoredMask(24, 0.25, Window(0, 0, np.ones((9, 9), bool)))]
    for image, results in zip(IMAGES, (found, found[:1]), strict=True):
        write_results(tmp_path / "out", image["file_name"], results, HW)
    return tmp_path / "out"


def check(folder: Path) -> Report:
    return check_cityscapes_results(folder, IMAGES)


def test_what_is_fine(folder: Path) -> None:
    report = check(folder)
    assert list(report.lines()) == []
    assert report.summary() == "no problem found; 3 results for 2 images, 0.0 MB"


def test_other_forms_that_the_script_takes(folder: Path) -> None:
    """A text in a folder and of another name; masks in grey, with a palette or in colour; numbers of any form."""
    deep = folder / "deep"
    deep.mkdir()
    (folder / MASKS).rename(deep / MASKS)
    (folder / TEXT).unlink()
    lines = [f"{MASKS}/000.png 33 1e-3\r", f"{MASKS}/001.png 26 .5"]
    for mode in ("L", "P", "RGB", "1"):
        Image.new("L", HW[::-1], 255).convert(mode).save(folder / f"{mode}.png")
        lines.append(f"../{mode}.png 24 1")
    (deep / "ulm_000000_000019.txt").write_text("\n".join(lines))
    assert list(check(folder).lines()) == []


LINES = [
    ("x", "line", "line 1: is 'x', must be three words"),
    (f"{MASKS}/000.png  26 0.9", "line", "must be three words with one space between them"),
    (f"{MASKS}/000.png\t26\t0.9", "line", "must be three words"),
    (f"{MASKS}/000.png 26 0.9 ", "line", "must be three words"),
    (f"{MASKS}/000.png 26 0.9\n", "line", "line 2: is '', must be three words"),
    ("/000.png 26 0.9", "path", "'/000.png' must lie in the folder, seen from the text file"),
    ("../000.png 26 0.9", "path", "must lie in the folder"),
    (f"{MASKS}/009.png 26 0.9", "no_mask", f"there is no {MASKS}/009.png"),
    (f"{MASKS} 26 0.9", "no_mask", f"there is no {MASKS}"),
    (f"{MASKS}/000.png 26 0.9\n./{MASKS}/000.png 24 0.3", "duplicate", "line 2: ./"),
    (f"{MASKS}/000.png 34 0.9", "label", "label '34', must be one of 24 person, 25 rider, 26 car"),
    (f"{MASKS}/000.png car 0.9", "label", "label 'car', must be one of"),
    (f"{MASKS}/000.png 26.5 0.9", "label", "label '26.5'"),
    (f"{MASKS}/000.png {'9' * 5000} 0.9", "label", "label '9999"),
    (f"{MASKS}/000.png 7 0.9", "other_label", "label 7 is none of the benchmark's 8 classes"),
    (f"{MASKS}/000.png 26 nan", "score", "score is 'nan', must be a finite number"),
    (f"{MASKS}/000.png 26 1e999", "score", "must be a finite number"),
    (f"{MASKS}/000.png 26 high", "score", "score is 'high'"),
    (f"{MASKS}/000.png 26 -0.5", "low_score", "score is -0.5"),
    ("", "no_entry", f"{TEXT}: is empty"),
]


@pytest.mark.parametrize(("text", "kind", "said"), LINES)
def test_lines(folder: Path, text: str, kind: str, said: str) -> None:
    (folder / TEXT).write_text(text + "\n" * bool(text))
    report = check(folder)
    others = {"other_files"}  # masks that are no longer named
    assert set(report.counts) - others == {kind}
    assert report.counts[kind] == 1
    assert said in str(report.examples[kind][0])
    assert str(report.examples[kind][0]).startswith(TEXT)


def grey(path: Path, value: int, hw: tuple[int, int] = HW) -> None:
    cv2.imwrite(str(path), np.full(hw, value, np.uint8))


@pytest.mark.parametrize(
    ("break_it", "kind", "said"),
    [
        (lambda f: (f / TEXT).unlink(), "no_text", "ulm_000000_000019_leftImg8bit.png: expected ulm_000000_000019*.txt"),
        (lambda f: (f / "ulm_000000_000019_b.txt").touch(), "several_texts", f"has ulm_000000_000019_b.txt, {TEXT}"),
        (lambda f: (f / TEXT).write_bytes(b"\xff\xfe"), "not_a_text", "decode"),
        (lambda f: (f / MASKS / "000.png").write_bytes(b"no"), "not_a_mask", "000.png: not a picture that can be read"),
        (lambda f: (f / MASKS / "000.png").write_bytes((f / MASKS / "000.png").read_bytes()[:60]), "not_a_mask", "000.png"),
        (lambda f: grey(f / MASKS / "000.png", 255, (20, 41)), "mask_size", "000.png has 41 x 20 pixels, its image 40 x 20"),
        (lambda f: grey(f / MASKS / "000.png", 0), "empty_mask", "000.png"),
        (lambda f: (f / "notes.txt").touch(), "other_files", "notes.txt: is for no image"),
        (lambda f: (f / MASKS / "009.png").touch(), "other_files", "009.png: is for no image"),
    ],
)
def test_files(folder: Path, break_it: Callable[[Path], None], kind: str, said: str) -> None:
    break_it(folder)
    report = check(folder)
    assert report.counts[kind]
    assert set(report.counts) <= {kind, "other_files"}
    assert said in "\n".join(report.lines())
    assert bool(report.num_errors) == (kind in report.kinds.errors)


def test_what_cannot_be_checked_is_one_line(folder: Path) -> None:
    with pytest.raises(UserError, match=r"out\.zip: expected the folder with the results"):
        check(folder.with_suffix(".zip"))
    with pytest.raises(DatasetError, match="is not called CITY_SEQUENCE_FRAME"):
        check_cityscapes_results(folder, [{"file_name": "a.png", "height": 2, "width": 2}])
