"""torchvision's ShuffleNetV2 1.0x as NanoDet-m uses it: LeakyReLU(0.1), four levels, batch norm in eval mode.

NanoDet's published weights have batch norm folded into biases, so running statistics must not move.
"""

from typing import Self

import torchvision
from torch import Tensor, nn

from queryinst_vis.models.layers import batch_norm_to_eval
from queryinst_vis.registry import MODELS


@MODELS.register_module()
class ShuffleNetV2(nn.Module):
    """Stem (after max-pooling) and stages 2-4 of ShuffleNetV2 1.0x (arXiv 1807.11164). frozen: no parameter has a gradient."""

    strides = (4, 8, 16, 32)
    channels = (24, 116, 232, 464)

    def __init__(self, *, frozen: bool = False) -> None:
        super().__init__()
        net = torchvision.models.shufflenet_v2_x1_0(weights=None)
        self.conv1, self.maxpool = net.conv1, net.maxpool
        self.stage2, self.stage3, self.stage4 = net.stage2, net.stage3, net.stage4
        _replace_relu(self, negative_slope=0.1)
        self.requires_grad_(not frozen)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        batch_norm_to_eval(self)
        return self

    def forward(self, images: Tensor) -> list[Tensor]:
        x = self.maxpool(self.conv1(images))
        features = [x]
        for stage in (self.stage2, self.stage3, self.stage4):
            x = stage(x)
            features.append(x)
        return features


def _replace_relu(module: nn.Module, *, negative_slope: float) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.ReLU):
            setattr(module, name, nn.LeakyReLU(negative_slope, inplace=True))
        else:
            _replace_relu(child, negative_slope=negative_slope)
