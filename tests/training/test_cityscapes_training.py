"""Cityscapes from its own files through the shipped config to a submission, by the command line."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from cityscapes_sets import write_raw
from PIL import Image

from queryinst_vis import model_zoo
from queryinst_vis.checkpoint import save_weights
from queryinst_vis.cli.main import main
from queryinst_vis.config import build, load_config
from queryinst_vis.data.classes import CITYSCAPES, COCO
from queryinst_vis.runner import build_model, build_recipe

HW = (64, 128)
CONFIG = "queryinst_r50_24k_cityscapes"
ANNOTATIONS = "annotations/instancesonly_filtered_gtFine_{}.json"
TINY = [
    *("load_from=None", "num_workers=0", "batch_size=2", "ema=None", "model.backbone.depth=18", "model.queries.num_queries=8"),
    *("model.queries.embed_dim=16", "model.embed_dim=16", "model.num_stages=1", "model.num_heads=2", "model.ffn_dim=16"),
    *("model.dynamic_dim=4", "model.num_mask_convs=1", "model.max_detections=8"),
    *("model.preprocess.short=64", "model.preprocess.long=128"),
    *("train_dataset.transforms.0.longs=(128, 128)", "train_dataset.transforms.0.shorts=(48, 64)"),
]


@pytest.fixture
def data_root(tmp_path: Path) -> Path:
    """Two images for each of train, val and test, each with a car, a person and a group; the first two converted."""
    ids = np.full(HW, 7, dtype=np.int32)
    ids[10:40, 10:60], ids[20:60, 80:100], ids[50:60, 20:50] = 26000, 24000, 24
    (tmp_path / "annotations").mkdir()
    for split in ("train", "val", "test"):
        write_raw(tmp_path, [ids, np.roll(ids, 5, 1)], split)
        output = tmp_path / ANNOTATIONS.format(split)
        assert main(["convert-cityscapes", str(tmp_path), str(output), "--split", split]) == 0
    return tmp_path


def test_convert_train_test_and_submit(data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    work = tmp_path / "work"
    settings = [f"data_root={data_root}", *TINY]
    short = ["iterations=2", "schedule.milestones=[1]", "schedule.warmup_iters=0", "log_every=1"]
    assert main(["train", CONFIG, *settings, *short, "--work-dir", str(work)]) == 0
    assert "cityscapes/AP" in json.loads((work / "best.json").read_text())["metric"]

    weights = str(work / "best.safetensors")
    assert main(["test", CONFIG, weights, *settings, "--output", str(tmp_path / "val")]) == 0
    printed = capsys.readouterr().out
    assert "cityscapes/AP50_class/bicycle" in printed
    assert len(list((tmp_path / "val").glob("ulm_*_pred.txt"))) == 2

    test_split = [
        f"val_dataset.annotations={data_root / ANNOTATIONS.format('test')}",
        f"val_dataset.images={data_root}/leftImg8bit/test",
    ]
    options = ["--format-only", "--output", str(tmp_path / "submission")]
    capsys.readouterr()
    assert main(["test", CONFIG, weights, *settings, *test_split, *options]) == 0
    assert f"wrote {tmp_path / 'submission'}: no problem found; 16 results for 2 images" in capsys.readouterr().out
    images = str(data_root / ANNOTATIONS.format("test"))
    assert main(["check-submission", str(tmp_path / "submission"), "--images", images]) == 0
    assert "no problem found; 16 results" in capsys.readouterr().out
    for text in (tmp_path / "submission").glob("*.txt"):
        for line in text.read_text().splitlines():
            mask, label, score = line.split(" ")
            assert Image.open(tmp_path / "submission" / mask).size == HW[::-1]
            assert 24 <= int(label) <= 33
            assert 0 < float(score) < 1


def test_classes_that_coco_has_start_as_its_weights_know_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Random and narrow weights stand for the published ones."""
    start = TINY[1:]
    published = build(load_config("queryinst_r50_36e_coco", [line for line in start if line.startswith("model")]).model)
    save_weights(published, tmp_path / "published.safetensors")
    monkeypatch.setattr(model_zoo, "download", lambda url: tmp_path / "published.safetensors")
    model = build_model(build_recipe(load_config(CONFIG, start)))
    fresh = build_model(build_recipe(load_config(CONFIG, TINY)))
    output = capsys.readouterr().out
    assert "but for classes of the same name, which start as the weights know them: person, car" in output
    assert "classes that start fresh: rider\n" in output
    ours, theirs, new = (m.state_dict() for m in (model, published, fresh))
    layers = [f"{layer}.{kind}" for layer in ("stages.0.fc_cls", "mask_heads.0.logits") for kind in ("weight", "bias")]
    for label, name in enumerate(CITYSCAPES):
        for layer in layers:
            row = new[layer][label] if name == "rider" else theirs[layer][COCO.index(name)]
            assert torch.equal(ours[layer][label], row)


def test_the_test_split_cannot_be_measured(data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "any.safetensors").touch()
    test_split = f"val_metric.annotations={data_root / ANNOTATIONS.format('test')}"
    assert main(["test", CONFIG, str(tmp_path / "any.safetensors"), f"data_root={data_root}", *TINY, test_split]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "annotates no object of Cityscapes' classes" in line
