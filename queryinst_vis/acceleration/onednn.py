"""Convolutions and linear layers for CPUs whose weights are laid out for the machine once, instead of in every call.

They call oneDNN through the operations that torch's own compiler uses. Those are not public, so `available()` tries them, and a
model runs without them, only slower, where it says no.
"""

from functools import cache

import torch
from torch import Tensor, nn

_ops = torch.ops.mkldnn
Activation = tuple[str] | tuple[str, float]
_GENERIC_BATCH = 100  # rows for which the weights of a linear layer are laid out; others work too


@cache
def available(dtype: torch.dtype = torch.float32) -> bool:
    """Whether this torch and this machine have what the layers here call, and it computes the right thing."""
    conv, linear = nn.Conv2d(4, 8, 3, padding=1).to(dtype), nn.Linear(4, 8).to(dtype)
    x = torch.rand(2, 4, 5, 5).to(dtype)
    try:
        with torch.no_grad():
            pairs = [
                (PackedConv2d(conv, activation=("relu",))(x, x.new_zeros(2, 8, 5, 5)), conv(x).relu()),
                (PackedLinear(linear)(x[:, :, :4, 0]), linear(x[:, :, :4, 0])),
            ]
    except (AttributeError, RuntimeError, NotImplementedError):
        return False
    return all(torch.allclose(ours.float(), theirs.float(), atol=0.05) for ours, theirs in pairs)


class PackedConv2d(nn.Module):
    """A convolution, the addition of another map to its result, and an activation, in one operation.

    activation: ("relu",), ("leaky_relu", slope) or nothing. Weights are laid out at the first call, for maps of its size; other
    sizes work as well.
    """

    def __init__(self, conv: nn.Conv2d, *, activation: Activation | None = None) -> None:
        super().__init__()
        self.activation = activation
        self._bias = None if conv.bias is None else conv.bias.detach()
        self._geometry = [list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups]
        self._weight, self._is_packed = conv.weight.detach(), False

    def forward(self, x: Tensor, other: Tensor | None = None) -> Tensor:
        """x: [B, C, H, W]; other: a map like the result, added before the activation, which is then ReLU or none; overwritten."""
        x = x.contiguous(memory_format=torch.channels_last)
        if not self._is_packed:
            self._weight, self._is_packed = _ops._reorder_convolution_weight(self._weight, *self._geometry, list(x.shape)), True
        name, *values = self.activation or ("none",)
        if other is None:
            return _ops._convolution_pointwise(x, self._weight, self._bias, *self._geometry, name, values, "")
        other = other.contiguous(memory_format=torch.channels_last)
        after = (name, values, "") if self.activation else (None, [], None)
        return _ops._convolution_pointwise_.binary(other, x, self._weight, self._bias, *self._geometry, "add", 1.0, *after)


class PackedLinear(nn.Module):
    """A linear layer; input of any number of dimensions."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self._bias = None if linear.bias is None else linear.bias.detach()
        self._packed = _ops._reorder_linear_weight(linear.weight.detach().contiguous(), _GENERIC_BATCH)

    def forward(self, x: Tensor) -> Tensor:
        return _ops._linear_pointwise(x.contiguous(), self._packed, self._bias, "none", [], "")
