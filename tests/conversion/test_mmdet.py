"""Every name of the reference's state dict has its place in our model, and no other; and back, with every shape."""

import json
from pathlib import Path

import pytest
import torch

from queryinst_vis.checkpoint import load_weights
from queryinst_vis.conversion import from_our_names, to_our_names
from queryinst_vis.models.backbones import ResNet
from queryinst_vis.models.queries import LearnedQueries
from queryinst_vis.models.queryinst import QueryInst

GOLDEN = Path(__file__).parents[1] / "golden"


def _reference_state(path: Path) -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        return {name: torch.empty(shape) for name, shape in json.loads(path.read_text())["state_dict"].items()}


def _shapes(state: dict[str, torch.Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in state.items()}


def _check(model: QueryInst, state: dict[str, torch.Tensor], *, count: int) -> None:
    report = load_weights(model, state)
    assert report.dialect == "mmdetection"
    assert report.is_complete
    assert not report.left_over
    assert len(report.matched) == len(model.state_dict()) == len(state) == count
    expected = {name.removeprefix("module."): shape for name, shape in _shapes(state).items()}
    assert _shapes(from_our_names(model.state_dict(), "mmdet")) == expected
    assert _shapes(from_our_names(to_our_names(state)[1], "mmdet")) == expected
    original = _shapes(from_our_names(model.state_dict(), "hustvl"))
    added = {name: original.pop(name) for name in list(original) if name.endswith(".conv.bias") and ".convs." in name}
    mask_heads = [name for name in added if name.startswith("roi_head.mask_head.")]
    assert len(added) == len(mask_heads) == 4 * len(model.stages)
    assert original == expected


@pytest.mark.parametrize("prefix", ["", "module."])
def test_small_model(prefix):
    state = _reference_state(GOLDEN / "queryinst_small.json")
    with torch.device("meta"):
        model = QueryInst(
            ResNet(18),
            LearnedQueries(12, 64),
            num_classes=5,
            num_stages=3,
            embed_dim=64,
            num_heads=4,
            ffn_dim=128,
            dynamic_dim=16,
        )
    _check(model, {prefix + name: tensor for name, tensor in state.items()}, count=360)


def test_full_model(shared):
    state = _reference_state(shared("golden/queryinst_r50_100q.json"))
    with torch.device("meta"):
        model = QueryInst(ResNet(50), LearnedQueries(100, 256), num_classes=80)
    _check(model, state, count=780)
