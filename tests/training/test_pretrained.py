"""A backbone whose ImageNet weights a hub has: they are fetched for a training that begins, and for nothing else."""

from pathlib import Path
from typing import Any

import pytest
import torch
from own_data import SHAPES, write_own_data
from torch import nn

from queryinst_vis.checkpoint import load_model
from queryinst_vis.cli.main import main

CONFIG = """
from mmengine.config import read_base
with read_base():
    from queryinst_vis.configs.queryinst_r50_own_data import *

from queryinst_vis.models import LearnedQueries, Preprocess, QueryInst, TimmBackbone

model = dict(
    type=QueryInst,
    backbone=dict(type=TimmBackbone, name="test_resnet", pretrained=True),
    queries=dict(type=LearnedQueries, num_queries=8, embed_dim=16),
    num_classes="{num_classes}", num_stages=1, embed_dim=16, num_heads=2, ffn_dim=16, dynamic_dim=4, num_mask_convs=1,
    preprocess=dict(type=Preprocess, short=64, long=96),
)
train_dataset.update(transforms=[])
load_from = None
iterations = batch_size = base_batch_size = 2
schedule.update(warmup_iters=0, milestones=[])
num_workers = 0
"""


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the networks whose weights were asked of the hub, which stands in for timm's."""
    timm = pytest.importorskip("timm")
    create, names = timm.create_model, []

    def create_model(name: str, *, pretrained: bool = False, **options: Any) -> nn.Module:
        names.extend([name] if pretrained else [])
        return create(name, pretrained=False, **options)

    monkeypatch.setattr(timm, "create_model", create_model)
    return names


def test_weights_of_a_hub_were_fetched_for_testing_too(fetched: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "timm_own.py").write_text(CONFIG)
    config = ["timm_own.py", f"data_root={write_own_data(tmp_path / 'data')}", f"classes={list(SHAPES)}"]
    training = [*config, "val_dataset=None", "--work-dir", "run"]
    assert main(["train", *training]) == 0
    assert fetched == ["test_resnet"]

    weights = "run/last.safetensors"
    assert main(["train", *training, "--resume"]) == 0
    assert main(["test", "timm_own.py", weights, *config[1:]]) == 0
    torch.save({"state_dict": load_model(weights, device="cpu").state_dict(), "meta": {"CLASSES": tuple(SHAPES)}}, "old.pth")
    picture = str(tmp_path / "data" / "val" / "0.png")
    assert main(["segment", picture, "--model", "old.pth", "--config", "timm_own.py", "--output", "out.png"]) == 0
    assert fetched == ["test_resnet"]
