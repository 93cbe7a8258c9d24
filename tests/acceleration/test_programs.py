"""Graphs of torch.export give the same with packed layers."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from queryinst_vis.acceleration.onednn import PackedConv2d, PackedLinear, available
from queryinst_vis.acceleration.programs import pack_program

pytestmark = pytest.mark.skipif(not available(), reason="needs oneDNN's operations of torch")


class Block(nn.Module):
    """A residual block, a linear layer, and what is written in place and read before or after that."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3, 2, 1, bias=False), nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.down, self.linear = nn.Conv2d(3, 4, 1, stride=2), nn.Linear(4, 5)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y = self.second(F.leaky_relu(self.first(x), 0.1, inplace=True))
        y += self.down(x)
        y = F.relu(y, inplace=True)
        z = self.linear(y.mean((2, 3)))
        F.relu(z, inplace=True)
        return y, z, F.linear(z, self.linear.weight[:, :4].repeat(1, 2)[:, :5])


def program_of(network: nn.Module, x: Tensor) -> fx.GraphModule:
    with torch.no_grad():
        return torch.export.export(network, (x,), strict=False).module(check_guards=False)


def layers_of(graph: fx.GraphModule) -> list[nn.Module]:
    return [graph.get_submodule(str(node.target)) for node in graph.graph.nodes if node.op == "call_module"]


def test_a_block() -> None:
    torch.manual_seed(0)
    network, x = Block().eval().requires_grad_(False), torch.randn(2, 3, 8, 6)
    graph = program_of(network, x)
    pack_program(graph)
    with torch.no_grad():
        for ours, theirs in zip(graph(x), network(x), strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    layers = layers_of(graph)
    assert [type(layer) for layer in layers] == [PackedConv2d, PackedConv2d, PackedConv2d, PackedLinear, nn.ReLU]
    assert sorted(str(layer.activation) for layer in layers[:3]) == ["('leaky_relu', 0.1)", "('relu',)", "None"]
    assert [node.target for node in graph.graph.nodes if "linear" in str(node.target)][-1] is torch.ops.aten.linear.default


def test_what_is_written_in_place_and_read_again() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            y = self.conv(x)
            return F.relu(y, inplace=True) + y

    network, x = Twice().eval().requires_grad_(False), torch.randn(1, 3, 4, 4)
    graph = program_of(network, x)
    pack_program(graph)
    with torch.no_grad():
        torch.testing.assert_close(graph(x), network(x), atol=1e-5, rtol=1e-5)
    (layer,) = layers_of(graph)
    assert isinstance(layer, PackedConv2d)


def test_layers_that_cannot_be_packed_stay() -> None:
    network, x = (
        nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()).double().eval().requires_grad_(False),
        torch.randn(1, 3, 4, 4).double(),
    )
    graph = program_of(network, x)
    pack_program(graph)
    assert not any(isinstance(layer, PackedConv2d) for layer in graph.modules())
    torch.testing.assert_close(graph(x), network(x))
