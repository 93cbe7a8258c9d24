"""torchvision's ResNet and ResNeXt as a four-level backbone, with its parameter names, frozen as detectors of this family do it.

The 3x3 convolutions of chosen stages can be modulated deformable ones, as in the paper's "X101-DCN".
"""

from collections.abc import Sequence
from typing import Self

import torchvision
from torch import Tensor, nn

from queryinst_vis.models.backbones.deform_conv import DeformConv2d
from queryinst_vis.models.layers import batch_norm_to_eval
from queryinst_vis.registry import MODELS

_DEPTHS = (18, 34, 50, 101, 152)
_FIRST_WITH_BOTTLENECKS = 50


@MODELS.register_module()
class ResNet(nn.Module):
    """C2..C5 of a ResNet (stride 2 in the 3x3 convolution of a bottleneck).

    groups, width_per_group: of the 3x3 convolutions of bottlenecks; 32 and 4 make a ResNeXt 32x4d. deformable: for each of the
    four stages, whether the second convolution of its blocks is deformable.
    Batch norm always runs in eval mode (its affine parameters still learn). frozen_stages: 0 freezes nothing, 1 the stem and
    layer1, 2 layer2 too, and so on; frozen parameters have no gradient.
    """

    strides = (4, 8, 16, 32)

    def __init__(
        self,
        depth: int,
        *,
        groups: int = 1,
        width_per_group: int = 64,
        deformable: Sequence[bool] = (False, False, False, False),
        frozen_stages: int = 1,
    ) -> None:
        super().__init__()
        _check(depth, groups, width_per_group, deformable, frozen_stages)
        build = getattr(torchvision.models, f"resnet{depth}")
        net = build(weights=None, groups=groups, width_per_group=width_per_group)
        self.conv1, self.bn1, self.relu, self.maxpool = net.conv1, net.bn1, net.relu, net.maxpool
        self.layer1, self.layer2, self.layer3, self.layer4 = net.layer1, net.layer2, net.layer3, net.layer4
        for layer, is_deformable in zip(self._layers(), deformable, strict=True):
            if is_deformable:
                _make_deformable(layer)
        width = 1 if depth < _FIRST_WITH_BOTTLENECKS else 4
        self.channels = tuple(width * c for c in (64, 128, 256, 512))
        frozen = [self.conv1, self.bn1, *self._layers()][: frozen_stages and frozen_stages + 2]
        for module in frozen:
            module.requires_grad_(False)

    def _layers(self) -> tuple[nn.Sequential, ...]:
        return self.layer1, self.layer2, self.layer3, self.layer4

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        batch_norm_to_eval(self)
        return self

    def forward(self, images: Tensor) -> list[Tensor]:
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        features = []
        for layer in self._layers():
            x = layer(x)
            features.append(x)
        return features


def _check(depth: int, groups: int, width_per_group: int, deformable: Sequence[bool], frozen_stages: int) -> None:
    """ValueError for what torchvision's networks do not have."""
    if depth not in _DEPTHS:
        raise ValueError(f"ResNet depth {depth} is not one of {_DEPTHS}")
    if not 0 <= frozen_stages <= 4:
        raise ValueError(f"frozen_stages must be 0 to 4, got {frozen_stages}")
    if groups < 1 or width_per_group < 1:
        raise ValueError(f"groups and width_per_group must be at least 1, got {groups} and {width_per_group}")
    if depth < _FIRST_WITH_BOTTLENECKS and (groups, width_per_group) != (1, 64):
        raise ValueError(
            f"groups={groups}, width_per_group={width_per_group}: depth {depth} has no bottlenecks, use 50, 101 or 152"
        )
    if len(deformable) != 4:
        raise ValueError(f"deformable must say true or false for each of 4 stages, got {len(deformable)} values")


def _make_deformable(layer: nn.Sequential) -> None:
    for block in layer:
        block.conv2 = DeformConv2d.like(block.conv2)
