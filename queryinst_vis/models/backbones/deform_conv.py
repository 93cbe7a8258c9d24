"""Modulated deformable convolution ("DCN v2", arXiv 1811.11168), by torchvision's operator.

Names of parameters and order of the offset channels are mmcv's, so its files load as they are: of the 3 K channels that
`conv_offset` gives for a kernel of K taps, the first 2 K are (y, x) of each tap, tap by tap, and the last K the modulation
before its sigmoid.
"""

from typing import Self

import torch
from torch import Tensor, nn
from torchvision.ops import deform_conv2d


class DeformConv2d(nn.Conv2d):
    """A convolution whose taps are moved and weighted by another one, `conv_offset`, that reads the same map.

    One deformable group, whatever `groups` is. `conv_offset` begins at zero: nothing moves, and every tap counts half.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1, padding: int = 0, groups: int = 1
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride=stride, padding=padding, groups=groups, bias=False)
        self.conv_offset = nn.Conv2d(in_channels, 3 * kernel_size**2, kernel_size, stride=stride, padding=padding)
        nn.init.zeros_(self.conv_offset.weight)
        nn.init.zeros_(self.conv_offset.bias)

    @classmethod
    def like(cls, conv: nn.Conv2d) -> Self:
        """A deformable convolution in place of `conv`, a square one without bias or dilation, with its weights."""
        kernel, stride, padding = conv.kernel_size[0], conv.stride[0], int(conv.padding[0])
        deformable = cls(conv.in_channels, conv.out_channels, kernel, stride=stride, padding=padding, groups=conv.groups)
        deformable.weight = conv.weight
        return deformable

    def forward(self, features: Tensor) -> Tensor:
        """[B, in, H, W] -> [B, out, H', W']. Of half precision the sum is made in single, as the operator has no other."""
        num_taps = self.kernel_size[0] * self.kernel_size[1]
        offsets, modulation = self.conv_offset(features).split([2 * num_taps, num_taps], dim=1)
        dtype = torch.promote_types(features.dtype, torch.float32)
        tensors = (x.to(dtype) for x in (features, offsets, self.weight))
        moved = deform_conv2d(*tensors, stride=self.stride, padding=self.padding, mask=modulation.to(dtype).sigmoid())
        return moved.to(offsets.dtype)
