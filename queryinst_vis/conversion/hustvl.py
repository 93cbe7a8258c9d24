"""The original QueryInst code (github.com/hustvl/QueryInst): mmdetection's names, but Microsoft's in Swin backbones, and a bias
in the mask heads' convolutions.

Batch norm follows each of them, so in eval mode subtracting the bias from the running mean is the same; in train mode a bias
there has no effect at all. On the way back it is zero.
"""

import re
from collections.abc import Collection, Mapping

from torch import Tensor

from queryinst_vis.conversion import mmdet, swin
from queryinst_vis.conversion.resnet import resnet
from queryinst_vis.conversion.rules import Rules

_CONV = re.compile(r"(roi_head\.mask_head\.\d+\.convs\.\d+)\.conv\.(weight|bias)")
_RULES = Rules([*mmdet.HEADS, *resnet("backbone."), *swin.microsoft("backbone.")])


def speaks(names: Collection[str]) -> bool:
    return any(name.endswith(".bias") and _CONV.fullmatch(name) for name in names)


def translate(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    folded = swin.without_derived(tensors)
    for name, bias in tensors.items():
        match = _CONV.fullmatch(name)
        if match and match[2] == "bias":
            mean = folded.get(f"{match[1]}.bn.running_mean")
            if mean is not None and mean.shape == bias.shape:
                folded[f"{match[1]}.bn.running_mean"] = mean - folded.pop(name)
    return _RULES.to_ours(folded)


def translate_back(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    mmdet.check_mask_heads(tensors)
    complete = {}
    for name, tensor in _RULES.to_theirs(tensors).items():
        complete[name] = tensor
        if match := _CONV.fullmatch(name):
            complete[f"{match[1]}.conv.bias"] = tensor.new_zeros(len(tensor))
    return swin.with_indices(complete)
