"""Sparse R-CNN's names in detectron2: everything of a QueryInst but its mask heads."""

import pytest
import torch
from conversion_models import small_model
from torch import Tensor

from queryinst_vis.checkpoint import load_weights
from queryinst_vis.conversion import from_our_names, to_our_names
from queryinst_vis.models import ResNet

# Names as that project's head.py gives them (github.com/PeizeSun/SparseR-CNN); shapes of a stage with D = 32, hidden 8, FFN 64,
# 5 classes.
STAGE = {
    "self_attn.in_proj_weight": (96, 32), "self_attn.in_proj_bias": (96,),
    "self_attn.out_proj.weight": (32, 32), "self_attn.out_proj.bias": (32,),
    "inst_interact.dynamic_layer.weight": (512, 32), "inst_interact.dynamic_layer.bias": (512,),
    "inst_interact.norm1.weight": (8,), "inst_interact.norm1.bias": (8,),
    "inst_interact.norm2.weight": (32,), "inst_interact.norm2.bias": (32,),
    "inst_interact.out_layer.weight": (32, 1568), "inst_interact.out_layer.bias": (32,),
    "inst_interact.norm3.weight": (32,), "inst_interact.norm3.bias": (32,),
    "linear1.weight": (64, 32), "linear1.bias": (64,), "linear2.weight": (32, 64), "linear2.bias": (32,),
    **{f"norm{i}.{part}": (32,) for i in (1, 2, 3) for part in ("weight", "bias")},
    "cls_module.0.weight": (32, 32), "cls_module.1.weight": (32,), "cls_module.1.bias": (32,),
    **{f"reg_module.{i}.weight": (32, 32) for i in (0, 3, 6)},
    **{f"reg_module.{i}.{part}": (32,) for i in (1, 4, 7) for part in ("weight", "bias")},
    "class_logits.weight": (5, 32), "class_logits.bias": (5,), "bboxes_delta.weight": (4, 32), "bboxes_delta.bias": (4,),
}  # fmt: skip
NORM = ("weight", "bias", "running_mean", "running_var")  # frozen batch norm has no counter


def _conv(name: str, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": shape} | {f"{name}.norm.{part}": shape[:1] for part in NORM}


def _resnet50() -> dict[str, tuple[int, ...]]:
    names = _conv("stem.conv1", (64, 3, 7, 7))
    channels = 64
    for stage, (blocks, width) in enumerate(((3, 64), (4, 128), (6, 256), (3, 512)), start=2):
        for block in range(blocks):
            prefix = f"res{stage}.{block}"
            if block == 0:
                names |= _conv(f"{prefix}.shortcut", (4 * width, channels, 1, 1))
            names |= _conv(f"{prefix}.conv1", (width, channels, 1, 1))
            names |= _conv(f"{prefix}.conv2", (width, width, 3, 3)) | _conv(f"{prefix}.conv3", (4 * width, width, 1, 1))
            channels = 4 * width
    return {f"backbone.bottom_up.{name}": shape for name, shape in names.items()}


def _sparse_rcnn() -> dict[str, Tensor]:
    shapes = {"init_proposal_features.weight": (7, 32), "init_proposal_boxes.weight": (7, 4), **_resnet50()}
    for i in range(4):
        shapes |= {f"backbone.fpn_lateral{i + 2}.weight": (32, 256 * 2**i, 1, 1), f"backbone.fpn_lateral{i + 2}.bias": (32,)}
        shapes |= {f"backbone.fpn_output{i + 2}.weight": (32, 32, 3, 3), f"backbone.fpn_output{i + 2}.bias": (32,)}
    shapes |= {f"head.head_series.{s}.{name}": shape for s in range(2) for name, shape in STAGE.items()}
    generator = torch.Generator().manual_seed(0)
    return {name: torch.rand(shape, generator=generator) for name, shape in shapes.items()}


@pytest.fixture(scope="module")
def theirs() -> dict[str, Tensor]:
    return _sparse_rcnn()


def test_everything_but_masks_is_loaded(theirs, tmp_path):
    torch.save({"model": theirs, "iteration": 3, "__author__": "somebody"}, tmp_path / "model_final.pth")
    model = small_model(ResNet(50))
    report = load_weights(model, tmp_path / "model_final.pth")
    assert report.dialect == "detectron2 Sparse R-CNN"
    assert not report.left_over
    assert len(report.matched) == len(theirs)
    assert report.missing == tuple(
        name for name in model.state_dict() if name.startswith("mask_heads.") and not name.endswith("num_batches_tracked")
    )


@pytest.mark.parametrize(
    ("theirs_name", "ours_name"),
    [
        ("head.head_series.1.norm1.weight", "stages.1.attention_norm.weight"),
        ("head.head_series.1.norm2.bias", "stages.1.interaction_norm.bias"),
        ("head.head_series.0.norm3.weight", "stages.0.ffn_norm.weight"),
        ("head.head_series.0.inst_interact.norm2.weight", "stages.0.interaction.norm_out.weight"),
        ("head.head_series.0.inst_interact.norm3.weight", "stages.0.interaction.project_norm.weight"),
        ("head.head_series.0.reg_module.4.weight", "stages.0.reg_layers.4.weight"),
        ("head.head_series.0.linear2.weight", "stages.0.ffn.2.weight"),
        ("backbone.bottom_up.stem.conv1.norm.bias", "backbone.bn1.bias"),
        ("backbone.bottom_up.res4.5.conv3.norm.running_var", "backbone.layer3.5.bn3.running_var"),
        ("backbone.bottom_up.res5.0.shortcut.norm.weight", "backbone.layer4.0.downsample.1.weight"),
        ("backbone.fpn_output5.weight", "fpn.output.3.weight"),
        ("init_proposal_boxes.weight", "queries.boxes"),
    ],
)  # fmt: skip
def test_names(theirs, theirs_name, ours_name):
    assert torch.equal(to_our_names(theirs)[1][ours_name], theirs[theirs_name])


def test_goes_on_to_mmdetection(theirs):
    """Which has Sparse R-CNN too, with the names of QueryInst."""
    names = from_our_names(to_our_names(theirs)[1], "mmdet")
    assert len(names) == len(theirs)
    assert torch.equal(names["roi_head.bbox_head.1.ffn.layers.0.0.weight"], theirs["head.head_series.1.linear1.weight"])
