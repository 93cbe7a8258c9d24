"""The command `analyze`."""

import json
from pathlib import Path

import pytest
from command_line import refusal

from queryinst_vis.cli.main import main


def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", "queryinst_r50_36e_coco", "--size", "224", "224"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split("  ")[0] == "part"
    rows = {line.split()[0]: line.split()[1:] for line in lines[1:-3]}
    assert rows["backbone"][:4] == ["23,508,032", "23,282,688", "4.087", "G"]
    assert rows["all"][0] == "172,688,808"
    assert rows["mask_heads.0"][2] == "0.000"
    assert len({len(line) for line in lines[:-3]}) == 1
    assert lines[-3] == "input: 1 of 224 x 224 pixels (height x width; 224 x 224 before padding)"
    assert lines[-1].startswith("a training step: 1 images of 8 objects, ")


def test_settings_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "cost.json"
    options = ["model.num_stages=2", "--batch", "2", "--objects", "3", "--json", str(file)]
    assert main(["analyze", "queryinst_nano_coco_mini", *options]) == 0
    assert "416 x 416 pixels" in capsys.readouterr().out
    cost = json.loads(file.read_text())
    assert (cost["batch_size"], cost["num_objects"], cost["input_hw"]) == (2, 3, [416, 416])
    for name in ("num_parameters", "num_trainable", "multiply_adds", "saved_bytes"):
        assert cost[name] == sum(part[name] for part in cost["parts"])
    assert [part["name"] for part in cost["parts"] if part["name"].startswith("stages")] == ["stages.0", "stages.1"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "no config 'nothing'"),
        (["queryinst_nano_coco_mini", "--size", "0", "10"], "from 1, got '0'"),
        (["queryinst_nano_coco_mini", "model.layers=3"], "no key 'layers'"),
        (["queryinst_nano_coco_mini", "model.queries=None", "model.type=Preprocess"], "error: "),
        (["queryinst_nano_coco_mini", "--json", "no/such/folder.json"], "there is no folder"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert message in refusal(["analyze", *arguments], capsys)
