"""QueryInst of mmdetection 2.x and 3.x, whose names are equal; values need no change."""

import re
from collections.abc import Collection, Iterable

from torch import Tensor

_OUTER = (
    (r"^neck\.lateral_convs\.(\d+)\.conv\.", r"fpn.lateral.\1."),
    (r"^neck\.fpn_convs\.(\d+)\.conv\.", r"fpn.output.\1."),
    (r"^rpn_head\.init_proposal_bboxes\.weight$", "queries.boxes"),
    (r"^rpn_head\.init_proposal_features\.weight$", "queries.embeds"),
    (r"^roi_head\.bbox_head\.", "stages."),
    (r"^roi_head\.mask_head\.", "mask_heads."),
)
_OF_STAGES_AND_MASK_HEADS = (
    (r"\.attention\.attn\.", ".attention."),
    (r"\.instance_interactive_conv_norm\.", ".interaction_norm."),
    (r"\.instance_interactive_conv\.", ".interaction."),
    (r"\.dynamic_layer\.", ".generator."),
    (r"\.fc_layer\.", ".project."),
    (r"\.fc_norm\.", ".project_norm."),
    (r"\.ffn\.layers\.0\.0\.", ".ffn.0."),
    (r"\.ffn\.layers\.1\.", ".ffn.2."),
    (r"\.cls_fcs\.", ".cls_layers."),
    (r"\.reg_fcs\.", ".reg_layers."),
    (r"\.convs\.(\d+)\.conv\.", r".convs.\1.0."),
    (r"\.convs\.(\d+)\.bn\.", r".convs.\1.1."),
    (r"\.conv_logits\.", ".logits."),
)


def speaks(names: Collection[str]) -> bool:
    return any(name.startswith(("rpn_head.init_proposal_", "roi_head.bbox_head.")) for name in names)


def translate(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {_translate_name(name): tensor for name, tensor in tensors.items()}


def _translate_name(name: str) -> str:
    name = _substitute(name, _OUTER)
    return _substitute(name, _OF_STAGES_AND_MASK_HEADS) if name.startswith(("stages.", "mask_heads.")) else name


def _substitute(name: str, rules: Iterable[tuple[str, str]]) -> str:
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name
