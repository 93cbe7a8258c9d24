"""Sparse R-CNN in detectron2 (github.com/PeizeSun/SparseR-CNN): boxes and classes of QueryInst, without masks; ResNet and FPN.

Backbones that came from Caffe2 (detectron2's own, BGR and stride in the first convolution) load too but compute something else;
Sparse R-CNN's are torchvision's.
"""

from collections.abc import Collection, Mapping

from torch import Tensor

from queryinst_vis.conversion.rules import Rule, Rules, under

_STAGE = {
    "self_attn.*": "attention.*",
    "norm1.*": "attention_norm.*",
    "inst_interact.dynamic_layer.*": "interaction.generator.*",
    "inst_interact.norm1.*": "interaction.norm_in.*",
    "inst_interact.norm2.*": "interaction.norm_out.*",
    "inst_interact.out_layer.*": "interaction.project.*",
    "inst_interact.norm3.*": "interaction.project_norm.*",
    "norm2.*": "interaction_norm.*",
    "linear1.*": "ffn.0.*",
    "linear2.*": "ffn.2.*",
    "norm3.*": "ffn_norm.*",
    "cls_module.#.*": "cls_layers.#.*",
    "reg_module.#.*": "reg_layers.#.*",
    "class_logits.*": "fc_cls.*",
    "bboxes_delta.*": "fc_reg.*",
}
_RESIDUAL = {
    "conv#.weight": "conv#.weight",
    "conv#.norm.*": "bn#.*",
    "shortcut.weight": "downsample.0.weight",
    "shortcut.norm.*": "downsample.1.*",
}
_RULES = Rules(
    [
        Rule("init_proposal_boxes.weight", "queries.boxes"),
        Rule("init_proposal_features.weight", "queries.embeds"),
        *under("head.head_series.#.", "stages.#.", _STAGE),
        Rule("backbone.bottom_up.stem.conv1.weight", "backbone.conv1.weight"),
        Rule("backbone.bottom_up.stem.conv1.norm.*", "backbone.bn1.*"),
        *(r for i in range(4) for r in under(f"backbone.bottom_up.res{i + 2}.#.", f"backbone.layer{i + 1}.#.", _RESIDUAL)),
        *(Rule(f"backbone.fpn_lateral{i + 2}.*", f"fpn.lateral.{i}.*") for i in range(4)),
        *(Rule(f"backbone.fpn_output{i + 2}.*", f"fpn.output.{i}.*") for i in range(4)),
    ]
)


def speaks(names: Collection[str]) -> bool:
    return any(name.startswith(("head.head_series.", "backbone.bottom_up.")) for name in names)


def translate(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return _RULES.to_ours(tensors)
