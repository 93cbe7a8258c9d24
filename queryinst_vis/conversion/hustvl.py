"""The original QueryInst code (github.com/hustvl/QueryInst): mmdetection's names, with a bias in the mask heads' convolutions.

Batch norm follows each of them, so in eval mode subtracting the bias from the running mean is the same; in train mode a bias
there has no effect at all.
"""

import re
from collections.abc import Collection

from torch import Tensor

from queryinst_vis.conversion import mmdet

_BIAS = re.compile(r"(roi_head\.mask_head\.\d+\.convs\.\d+)\.conv\.bias")


def speaks(names: Collection[str]) -> bool:
    return any(_BIAS.fullmatch(name) for name in names)


def translate(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    folded = dict(tensors)
    for name in tensors:
        match = _BIAS.fullmatch(name)
        if match and (mean := f"{match[1]}.bn.running_mean") in folded:
            folded[mean] = folded[mean] - folded.pop(name)
    return mmdet.translate(folded)
