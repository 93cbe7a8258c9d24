"""Ours to another code base and back is the identity, for every parameter; what has no place there is refused."""

import pytest
import torch
from conversion_models import BACKBONES, SIZES, assert_same, randomise, small_model

from queryinst_vis.conversion import WRITTEN, ConversionError, from_our_names, to_our_names
from queryinst_vis.models import DenseQueries, LearnedQueries, QueryInst, ResNet, ShuffleNetV2, TrackHead

NAMES = {"mmdet": "mmdetection", "hustvl": "hustvl QueryInst"}


@pytest.fixture(scope="module", params=list(BACKBONES))
def state(request) -> dict[str, torch.Tensor]:
    model = small_model(BACKBONES[request.param]())
    randomise(model)
    return model.state_dict()


@pytest.mark.parametrize("dialect", list(WRITTEN))
def test_and_back_is_the_identity(state, dialect):
    before = {name: tensor.clone() for name, tensor in state.items()}
    theirs = from_our_names(state, dialect)
    assert not any(name.startswith(("fpn.", "queries.", "stages.", "mask_heads.")) for name in theirs)
    assert len({id(tensor) for tensor in theirs.values()}) == len(theirs)
    found, ours = to_our_names(theirs)
    assert found == NAMES[dialect]
    assert_same(ours, before)
    assert_same(state, before)  # the caller's are left alone


@pytest.mark.parametrize("dialect", list(WRITTEN))
def test_backbone_alone(state, dialect):
    """Where names do not tell whose they are (ResNet's and Microsoft's are shared), they are ours already."""
    backbone = {name: tensor for name, tensor in state.items() if name.startswith("backbone.")}
    _, ours = to_our_names(from_our_names(backbone, dialect))
    assert_same({name: t for name, t in ours.items() if not name.endswith("relative_position_index")}, backbone)


@pytest.mark.parametrize("backbone", list(BACKBONES))
@pytest.mark.parametrize("dialect", list(WRITTEN))
def test_full_size(backbone, dialect):
    with torch.device("meta"):
        model = QueryInst(BACKBONES[backbone](), LearnedQueries(300, 256), num_classes=80)
    _, ours = to_our_names(from_our_names(model.state_dict(), dialect))
    assert {name: tensor.shape for name, tensor in ours.items()} == {n: t.shape for n, t in model.state_dict().items()}


def _refusal(model: torch.nn.Module, dialect: str = "mmdet") -> str:
    with pytest.raises(ConversionError) as caught:
        from_our_names(model.state_dict(), dialect)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("dialect", list(WRITTEN))
def test_what_has_no_place_is_named(dialect):
    queries = DenseQueries(8, 32, num_classes=5)
    dense = QueryInst(ShuffleNetV2(), queries, **SIZES)
    message = _refusal(dense, dialect)
    assert dialect in message
    assert f"{len(dense.backbone.state_dict()) + len(queries.state_dict())} tensors" in message
    assert "backbone.conv1.*.weight" in message
    model = small_model(ResNet(18))
    model.track_head = TrackHead(32, 16)
    message = _refusal(model, dialect)
    assert "4 tensors have no place" in message
    assert "track_head.fcs.*.weight" in message


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"class_agnostic_masks": True}, "one for all"),
        ({"dynamic_masks": False}, "dynamic convolution"),
        ({"last_stage_masks": True}, "dynamic convolution"),
        ({"mask_flow": True}, "mask_heads.*.flow.weight"),
        ({"separate_mask_attention": True}, "stages.*.mask_attention.in_proj_weight"),
    ],
)
def test_models_that_the_reference_does_not_know(option, words):
    with torch.device("meta"):
        model = QueryInst(ResNet(18), LearnedQueries(7, 32), **SIZES, **option)
    assert words in _refusal(model)


def test_unknown_dialect():
    with pytest.raises(ConversionError, match="mmdet and hustvl, not for 'detectron2'"):
        from_our_names({}, "detectron2")


def test_tensors_of_odd_shapes_are_refused_in_a_line():
    state = {f"backbone.layers.0.downsample.{name}": torch.zeros(3) for name in ("norm.weight", "reduction.weight")}
    with pytest.raises(ConversionError, match="not those of a QueryInst"):
        from_our_names(state, "mmdet")
    theirs = {name.replace("layers", "stages"): tensor for name, tensor in state.items()} | {
        "backbone.stages.0.blocks.0.attn.w_msa.qkv.weight": torch.zeros(()),
    }
    assert to_our_names(theirs)[1].keys() == {*state, "backbone.layers.0.blocks.0.attn.qkv.weight"}
