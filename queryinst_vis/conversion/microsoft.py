"""Swin Transformers from Microsoft's own files, for classification or as a bare backbone; the classifier is left over.

Its detectors are mmdetection's, with `backbone.` before the same names.
"""

from collections.abc import Collection, Mapping

from torch import Tensor

from queryinst_vis.conversion import swin
from queryinst_vis.conversion.rules import Rules

_RULES = Rules(swin.microsoft(""))


def speaks(names: Collection[str]) -> bool:
    return "patch_embed.proj.weight" in names and "layers.0.blocks.0.attn.qkv.weight" in names


def translate(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return _RULES.to_ours(swin.without_derived(tensors))
