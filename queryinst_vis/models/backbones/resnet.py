"""torchvision's ResNet as a four-level backbone, with its parameter names, frozen as detectors of this family do it."""

from typing import Self

import torchvision
from torch import Tensor, nn

from queryinst_vis.models.layers import batch_norm_to_eval
from queryinst_vis.registry import MODELS

_DEPTHS = (18, 34, 50, 101, 152)


@MODELS.register_module()
class ResNet(nn.Module):
    """C2..C5 of a ResNet (stride 2 in the 3x3 convolution of a bottleneck).

    Batch norm always runs in eval mode (its affine parameters still learn). frozen_stages: 0 freezes nothing, 1 the stem and
    layer1, 2 layer2 too, and so on; frozen parameters have no gradient.
    """

    strides = (4, 8, 16, 32)

    def __init__(self, depth: int, *, frozen_stages: int = 1) -> None:
        super().__init__()
        if depth not in _DEPTHS:
            raise ValueError(f"ResNet depth {depth} is not one of {_DEPTHS}")
        if not 0 <= frozen_stages <= 4:
            raise ValueError(f"frozen_stages must be 0 to 4, got {frozen_stages}")
        net = getattr(torchvision.models, f"resnet{depth}")(weights=None)
        self.conv1, self.bn1, self.relu, self.maxpool = net.conv1, net.bn1, net.relu, net.maxpool
        self.layer1, self.layer2, self.layer3, self.layer4 = net.layer1, net.layer2, net.layer3, net.layer4
        width = 1 if depth < 50 else 4
        self.channels = tuple(width * c for c in (64, 128, 256, 512))
        frozen = [self.conv1, self.bn1, self.layer1, self.layer2, self.layer3, self.layer4][: frozen_stages and frozen_stages + 2]
        for module in frozen:
            module.requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        batch_norm_to_eval(self)
        return self

    def forward(self, images: Tensor) -> list[Tensor]:
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        features = []
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            features.append(x)
        return features
