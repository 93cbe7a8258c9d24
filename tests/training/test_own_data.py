"""Fine-tuning on one's own classes as docs/finetuning.md says, on generated pictures: a few iterations of narrow models."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from own_data import SHAPES, write_own_data
from safetensors.torch import load_file

from queryinst_vis import model_zoo
from queryinst_vis.checkpoint import load_model, save_weights
from queryinst_vis.cli.main import main
from queryinst_vis.config import build, load_config
from queryinst_vis.data.classes import COCO
from queryinst_vis.models import ModelInfo
from queryinst_vis.runner import build_model, build_recipe

CLASSES = f"classes={list(SHAPES)}"
SHORT = ["iterations=2", "batch_size=2", "base_batch_size=2", "schedule.warmup_iters=0", "num_workers=0", "log_every=1"]
SMALL = ["model.preprocess.short=96", "model.preprocess.long=128", "train_dataset.transforms.1.size_hw=(96,128)"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder but for the data."""
    monkeypatch.chdir(tmp_path)
    return write_own_data(tmp_path / "my_data")


def test_from_the_default_model(folder: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["train", "queryinst_nano_own_data", "data_root=my_data", CLASSES, *SHORT, *SMALL]) == 0
    output = capsys.readouterr().out
    assert "934 of the model's 942 tensors matched" in output  # all but the class layers and the class map
    assert "what the detector takes the classes for, in 6 images: bolt:" in output
    assert "1 of 6 images show none of the classes, learned as background" in output
    assert "coco/segm_AP_class/washer" in output
    weights = Path("work_dirs/queryinst_nano_own_data/best.safetensors")

    model = load_model(weights, device="cpu")  # without a config
    assert model.info.classes == tuple(SHAPES)
    picture = cv2.imread(str(folder / "val" / "0.png"))
    (instances,) = model.predict([picture])
    assert instances.class_scores.shape[1] == 3

    assert (
        main(["segment", str(folder / "val" / "0.png"), "--model", str(weights), "--score-threshold", "0", "--output", "out.png"])
        == 0
    )
    assert cv2.imread("out.png").shape == picture.shape


def test_the_map_is_fitted_once(folder: Path, capsys: pytest.CaptureFixture) -> None:
    """Not again when a training resumes or starts from weights that have learned it."""
    config = ["train", "queryinst_nano_own_data", "data_root=my_data", CLASSES, *SHORT, *SMALL, "val_dataset=None"]
    assert main([*config, "--work-dir", "first"]) == 0
    assert "what the detector takes" in capsys.readouterr().out
    assert main([*config, "--work-dir", "first", "--resume"]) == 0
    assert "what the detector takes" not in capsys.readouterr().out
    trained = load_file("first/last.safetensors")
    rates = ["optimizer.lr=1e-12", "optimizer.weight_decay=0.0"]
    assert main([*config, "--work-dir", "second", "load_from=first/last.safetensors", *rates]) == 0
    assert "what the detector takes" not in capsys.readouterr().out
    again = load_file("second/last.safetensors")
    torch.testing.assert_close(again["queries.class_map.weight"], trained["queries.class_map.weight"])


def test_classes_that_have_the_names_of_the_detectors(folder: Path, tmp_path: Path) -> None:
    """They start as they were: at the first iteration the model finds what the default model does."""
    write_own_data(tmp_path / "known", names=("dog", "clock"))
    settings = load_config("queryinst_nano_own_data", ["data_root=known", "classes=['dog','clock']"])
    model, default = build_model(build_recipe(settings)).eval(), load_model(device="cpu")
    picture = cv2.imread(str(tmp_path / "known" / "val" / "0.png"))
    scores = [m.predict([picture])[0].class_scores for m in (model, default)]
    best = scores[1][:, [COCO.index("dog"), COCO.index("clock")]].amax(0)
    torch.testing.assert_close(scores[0].amax(0), best, rtol=0.05, atol=1e-3)


NARROW = ["model.embed_dim=32", "model.num_heads=4", "model.ffn_dim=64", "model.dynamic_dim=8", "model.num_stages=2"]
NARROW_QUERIES = ["model.queries.num_queries=8", "model.queries.embed_dim=32"]


def test_from_the_published_coco_weights(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    """Random weights of the published model's form, and narrow, stand for it."""
    narrow = [*NARROW, *NARROW_QUERIES]
    published = build(load_config("queryinst_r50_36e_coco", narrow).model)
    published.info = ModelInfo(classes=COCO)
    save_weights(published, "published.safetensors")
    monkeypatch.setitem(model_zoo.PUBLISHED, "queryinst_r50_36e_coco", "https://nowhere/published.safetensors")
    monkeypatch.setattr(model_zoo, "download", lambda url: Path("published.safetensors"))
    transforms = "train_dataset.transforms.0.shorts=[64]"
    preprocess = ["model.preprocess.short=64", "model.preprocess.long=96"]
    options = ["data_root=my_data", CLASSES, *SHORT, *narrow, transforms, *preprocess]
    assert main(["train", "queryinst_r50_own_data", *options]) == 0
    output = capsys.readouterr().out
    assert "class layers start fresh, 3 instead of 80 classes" in output
    assert "learning rate 0.0001 x 2/2" in output
    trained = load_model("work_dirs/queryinst_r50_own_data/last.safetensors", device="cpu")
    assert trained.info.classes == tuple(SHAPES)
    assert np.isfinite(trained.predict([np.zeros((64, 96, 3), np.uint8)])[0].scores.numpy()).all()


def test_the_placeholder_classes_are_told_what_the_file_has(folder: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["train", "queryinst_nano_own_data"]) == 2
    wanted = "none of the classes 'class_a', 'class_b', 'class_c'; its categories are 'bolt', 'nut', 'washer'"
    assert wanted in capsys.readouterr().err
