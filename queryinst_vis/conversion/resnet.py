"""ResNet, ResNeXt and deformable convolutions in them: torchvision's names, which mmdetection and we share up to a prefix."""

from queryinst_vis.conversion.rules import Rule, under

_NAMES = (
    "conv1.weight",
    "bn1.*",
    "layer#.#.conv#.weight",
    "layer#.#.conv2.conv_offset.*",  # deformable; mmdetection's names, torchvision's models have none
    "layer#.#.bn#.*",
    "layer#.#.downsample.#.*",
)


def resnet(prefix: str) -> list[Rule]:
    """prefix: what stands before `conv1.weight` in their names."""
    return under(prefix, "backbone.", {name: name for name in _NAMES})
