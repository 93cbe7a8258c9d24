"""Classification networks of torchvision (ResNet, ResNeXt, ShuffleNetV2, Swin) as backbones; the classifier is left over."""

from collections.abc import Collection, Mapping

from torch import Tensor

from queryinst_vis.conversion import swin
from queryinst_vis.conversion.resnet import resnet
from queryinst_vis.conversion.rules import Rule, Rules

_SHUFFLENET = [Rule("conv1.#.*", "backbone.conv1.#.*"), Rule("stage#.#.branch#.#.*", "backbone.stage#.#.branch#.#.*")]
_RULES = Rules([*resnet(""), *_SHUFFLENET, *swin.torchvision()])


def speaks(names: Collection[str]) -> bool:
    return any(name in names for name in ("conv1.weight", "conv1.0.weight", "features.1.0.attn.relative_position_bias_table"))


def translate(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return _RULES.to_ours(swin.without_derived(tensors))
