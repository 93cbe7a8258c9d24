"""NanoDet-m's names in a model with dense queries."""

import pytest
import torch

from queryinst_vis.checkpoint import load_weights
from queryinst_vis.models.backbones import ShuffleNetV2
from queryinst_vis.models.dense_queries import DenseQueries


@pytest.fixture
def model() -> torch.nn.Module:
    model = torch.nn.Module()
    model.backbone, model.queries = ShuffleNetV2(), DenseQueries(10, 32)
    return model


def _check(model: torch.nn.Module, source: object) -> None:
    report = load_weights(model, source)
    assert report.dialect == "NanoDet"
    assert not report.left_over
    assert {name.rpartition(".")[0] for name in report.missing} == {f"queries.content.{i}" for i in (0, 2, 3)}


def test_names(model):
    """The detector's names are those of the model without the part that makes queries."""
    names = [name for name in model.state_dict() if not name.startswith("queries.content.")]
    state = {name.removeprefix("queries."): torch.full_like(model.state_dict()[name], 2) for name in names}
    _check(model, state)
    assert all((model.state_dict()[name] == 2).all() for name in names)


def test_published_file(model, shared_data):
    _check(model, shared_data / "backbones" / "nanodet_m_coco.safetensors")
