"""`benchmark`: its tables and its JSON."""

import json
from pathlib import Path

import pytest
from command_line import refusal

from queryinst_vis.cli.main import main

SMALL = ("default", "--size", "64", "96", "--device", "cpu", "--repeat", "2")


def test_an_image_in_parts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "times.json"
    assert main(["benchmark", *SMALL, "--batch", "2", "--keep", "5", "--json", str(out)]) == 0
    numbers = json.loads(out.read_text())
    assert numbers["detections"] <= 10
    assert (numbers["height"], numbers["width"], numbers["batch"]) == (64, 96, 2)
    assert list(numbers["parts"])[:3] == ["preprocess", "backbone", "fpn"]
    assert {"stages.0", "mask_heads.2", "results", "RLE"} <= set(numbers["parts"])
    sum_of_parts = sum(part["median"] for part in numbers["parts"].values())
    assert 0.2 < numbers["total_seconds"] / sum_of_parts < 5
    assert numbers["peak_memory_bytes"] > 1e7
    printed = capsys.readouterr().out
    assert all(name in printed for name in numbers["parts"])


def test_a_config_with_random_weights(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--size", "32", "64", "--keep", "3", "--repeat", "1", "--device", "cpu", "--plain"]
    assert main(["benchmark", "queryinst_nano_coco_mini", *options]) == 0
    assert "backbone" in capsys.readouterr().out


def test_a_video_from_file_to_file(repo_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "times.json"
    options = ["--video", str(repo_root / "demo" / "clip.mp4"), "--max-frames", "4", "--json", str(out)]
    assert main(["benchmark", "default", "--size", "160", "240", "--device", "cpu", *options]) == 0
    numbers = json.loads(out.read_text())
    assert list(numbers["parts"]) == ["decoding", "network", "tracking", "RLE and JSON", "drawing", "encoding"]
    assert numbers["num_frames"] == 4
    assert numbers["fps"] == pytest.approx(4 / numbers["whole"])
    assert "from file to file: 4 frames" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nosuch"], "nosuch"),
        (["default", "--video", "nosuch.mp4"], "nosuch.mp4"),
        (["default", "--repeat", "0"], "0"),
        (["default", "--weights", "x"], "--weights"),
        (["default", "--plain", "--compile"], "--compile"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said in refusal(["benchmark", *arguments, "--device", "cpu"], capsys)
