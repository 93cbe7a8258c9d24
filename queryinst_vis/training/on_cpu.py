"""A model as it learns fastest on a CPU: convolutions with channels last, linear layers through oneDNN, the same to rounding.

torch gives linear layers in single precision to MKL, which makes little of processors that are not Intel's; oneDNN takes half the
time there, forward and backward. Its operation is the one that torch's own compiler uses. It is not public, so `available()`
tries it, and layers stay as they are where it says no.
"""

from functools import cache

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable


def fit_to_cpu(model: nn.Module) -> None:
    """Change a model that is on a CPU, in place; names and parameters stay. On another device it stays as it is."""
    if not all(parameter.is_cpu for parameter in model.parameters()):
        return
    model.to(memory_format=torch.channels_last)
    for layer in model.modules():
        if type(layer) is nn.Linear and available():
            layer.__class__ = OneDnnLinear


class OneDnnLinear(nn.Linear):
    """A linear layer; without a gradient, in lower precision or on another device it is torch's."""

    def forward(self, input: Tensor) -> Tensor:
        learns = torch.is_grad_enabled() and (input.requires_grad or self.weight.requires_grad)
        single = input.dtype == self.weight.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
        if learns and single and input.is_cpu and input.numel():
            return _Linear.apply(input, self.weight, self.bias)
        return super().forward(input)


@cache
def available() -> bool:
    """Whether this torch and this machine have the operation, and it computes the right thing."""
    layer, x = nn.Linear(5, 3), torch.rand(2, 4, 5, requires_grad=True)
    try:
        ours, theirs = _Linear.apply(x, layer.weight, layer.bias), layer(x)
        inputs, gradient = (x, layer.weight, layer.bias), torch.rand(2, 4, 3)
        pairs = zip(*(torch.autograd.grad(result, inputs, gradient) for result in (ours, theirs)), strict=True)
    except (AttributeError, RuntimeError, NotImplementedError):
        return False
    return all(torch.allclose(a, b, atol=1e-4) for a, b in [(ours, theirs), *pairs])


class _Linear(torch.autograd.Function):
    """x [..., I], weight [O, I], bias [O] or None -> [..., O]."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _product(x.contiguous(), weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors  # type: ignore[attr-defined]
        of_x, of_weight, of_bias = ctx.needs_input_grad  # type: ignore[attr-defined]
        gradient = gradient.contiguous()
        rows = gradient.view(-1, gradient.shape[-1])  # [N, O]
        return (
            _product(gradient, weight.t()) if of_x else None,
            _product(rows.t(), x.reshape(-1, x.shape[-1]).t()) if of_weight else None,
            rows.sum(0) if of_bias else None,
        )


def _product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
