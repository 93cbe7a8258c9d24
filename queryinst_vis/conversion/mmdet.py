"""QueryInst of mmdetection 2.x and 3.x, whose names are equal; its Sparse R-CNN is the same without mask heads."""

from collections.abc import Collection, Mapping

from torch import Tensor

from queryinst_vis.conversion import swin
from queryinst_vis.conversion.resnet import resnet
from queryinst_vis.conversion.rules import ConversionError, Rule, Rules, under

_INTERACTION = {
    "instance_interactive_conv.dynamic_layer.*": "interaction.generator.*",
    "instance_interactive_conv.norm_in.*": "interaction.norm_in.*",
    "instance_interactive_conv.norm_out.*": "interaction.norm_out.*",
}
_STAGE = {
    "attention.attn.*": "attention.*",
    "attention_norm.*": "attention_norm.*",
    **_INTERACTION,
    "instance_interactive_conv.fc_layer.*": "interaction.project.*",
    "instance_interactive_conv.fc_norm.*": "interaction.project_norm.*",
    "instance_interactive_conv_norm.*": "interaction_norm.*",
    "ffn.layers.0.0.*": "ffn.0.*",
    "ffn.layers.1.*": "ffn.2.*",
    "ffn_norm.*": "ffn_norm.*",
    "cls_fcs.#.*": "cls_layers.#.*",
    "reg_fcs.#.*": "reg_layers.#.*",
    "fc_cls.*": "fc_cls.*",
    "fc_reg.*": "fc_reg.*",
}
_MASK_HEAD = {
    **_INTERACTION,
    "convs.#.conv.*": "convs.#.0.*",
    "convs.#.bn.*": "convs.#.1.*",
    "upsample.*": "upsample.*",
    "conv_logits.*": "logits.*",
}
HEADS = [  # everything but the backbone
    Rule("neck.lateral_convs.#.conv.*", "fpn.lateral.#.*"),
    Rule("neck.fpn_convs.#.conv.*", "fpn.output.#.*"),
    Rule("rpn_head.init_proposal_bboxes.weight", "queries.boxes"),
    Rule("rpn_head.init_proposal_features.weight", "queries.embeds"),
    *under("roi_head.bbox_head.#.", "stages.#.", _STAGE),
    *under("roi_head.mask_head.#.", "mask_heads.#.", _MASK_HEAD),
]
_RULES = Rules([*HEADS, *resnet("backbone."), *swin.mmdetection()])
_PARTS = (
    "rpn_head.init_proposal_",
    "roi_head.bbox_head.",
    "neck.lateral_convs.0.conv.",
    "backbone.stages.0.blocks.0.attn.w_msa.",
)


def speaks(names: Collection[str]) -> bool:
    return any(name.startswith(_PARTS) for name in names)


def translate(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return _RULES.to_ours(swin.without_derived(tensors))


def translate_back(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    check_mask_heads(tensors)
    return swin.with_indices(_RULES.to_theirs(tensors))


def check_mask_heads(tensors: Mapping[str, Tensor]) -> None:
    """ConversionError for our models whose mask heads are none of the reference, though all names may have a place."""
    if not any(name.startswith("mask_heads.") for name in tensors):
        return
    stages = [name.removesuffix(".fc_cls.bias") for name in tensors if name.endswith(".fc_cls.bias")]
    for stage in stages:
        head = stage.replace("stages.", "mask_heads.")
        if f"{head}.interaction.generator.weight" not in tensors:
            raise ConversionError("it has a mask head with dynamic convolution at every stage, and this model has not")
        if len(tensors[f"{head}.logits.bias"]) != len(tensors[f"{stage}.fc_cls.bias"]):
            raise ConversionError("its mask heads give one mask for each class, and this model's one for all")
