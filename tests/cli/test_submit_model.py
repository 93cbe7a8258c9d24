"""The command `submit` with real weights, on the first frames of an annotated video."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import refusal

from queryinst_vis.cli.main import main


def results(folder: Path, images: Path, *names: str) -> list[dict[str, Any]]:
    """What the command writes."""
    output = folder / "out.zip"
    files = ["--videos", str(folder / "valid.json"), "--images", str(images), "--output", str(output)]
    assert main(["submit", *names, *files, "--super-categories", "--device", "cpu", "--overwrite"]) == 0
    with zipfile.ZipFile(output) as archive:
        return json.loads(archive.read("results.json"))


def test_a_config_says_what_described_weights_know_themselves(tmp_path: Path, shared: Callable[[str], Path]):
    content = json.loads(shared("data/davis_vis.json").read_text())
    video = content["videos"][0]
    video |= {"file_names": video["file_names"][:3], "length": 3}
    (tmp_path / "valid.json").write_text(json.dumps({"videos": [video], "categories": content["categories"]}))
    images = shared("data/davis_vis")
    alone = results(tmp_path, images, "default", "--score-threshold", "0.2")
    assert len(alone) > 2
    assert {entry["category_id"] for entry in alone} <= {1, 2, 3}
    assert results(tmp_path, images, "queryinst_nano_coco_mini", "default", "info.score_threshold=0.2") == alone
    other = results(tmp_path, images, "queryinst_nano_coco_mini", "default", "info.score_threshold=0.2", "info.tracker=iou")
    assert other != alone


@pytest.mark.parametrize("value", ["0", "101", "many"])
def test_how_many_are_written(value: str, capsys: pytest.CaptureFixture[str]):
    arguments = ["submit", "default", "--videos", "v.json", "--images", "i", "--max-per-category", value]
    assert "a number from 1 to 100" in refusal(arguments, capsys)
