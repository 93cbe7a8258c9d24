"""Graphs of torch.export as they run fastest on a CPU: operations on stored weights become packed layers."""

import operator
from functools import reduce
from typing import Any

import torch
from torch import Tensor, fx, nn

from queryinst_vis.acceleration.graph import can_be_packed, pack_convolutions
from queryinst_vis.acceleration.onednn import PackedLinear

_aten = torch.ops.aten


@torch.no_grad()
def pack_program(network: fx.GraphModule) -> None:
    """In place; what cannot be packed stays."""
    for node in list(network.graph.nodes):
        if node.target in (_aten.add.Tensor, _aten.add_.Tensor) and not node.kwargs and _reads_alone(node):
            node.target = operator.add
        layer = _layer_of(network, node)
        if layer is None:
            continue
        network.add_submodule(name := f"packed_{node.name}", layer)
        with network.graph.inserting_before(node):
            node.replace_all_uses_with(network.graph.call_module(name, (node.args[0],)))
        network.graph.erase_node(node)
    for node in reversed(network.graph.nodes):
        if node.op == "get_attr" and not node.users:
            network.graph.erase_node(node)
    pack_convolutions(network)


def _layer_of(network: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    """A layer that does what a node does and can be packed, alone or as part of one."""
    arguments: list[Any] = list(node.args)
    if node.kwargs:
        return None
    if node.target in (_aten.conv2d.default, _aten.linear.default):
        weight, bias = (_stored(network, argument) for argument in (*arguments[1:3], None)[:2])
        if weight is None or (bias is None and len(arguments) > 2 and arguments[2] is not None):
            return None
        layer = _layer(weight, bias, arguments[3:]) if node.target is _aten.conv2d.default else _layer(weight, bias, None)
        if not can_be_packed(layer):
            return None
        return PackedLinear(layer) if isinstance(layer, nn.Linear) else layer  # pack_convolutions takes more into others
    if not _reads_alone(node):
        return None
    if node.target in (_aten.relu.default, _aten.relu_.default):
        return nn.ReLU()
    if node.target in (_aten.leaky_relu.default, _aten.leaky_relu_.default):
        return nn.LeakyReLU(*arguments[1:])
    return None


def _reads_alone(node: fx.Node) -> bool:
    """Whether no other node reads a node's first argument, so that nobody counts on what is written there in place."""
    return bool(node.args) and isinstance(node.args[0], fx.Node) and len(node.args[0].users) == 1


def _layer(weight: Tensor, bias: Tensor | None, geometry: list[Any] | None) -> nn.Linear | nn.Conv2d:
    """geometry: of a convolution, stride, padding, dilation and groups as far as they are said; None: a linear layer."""
    layer: nn.Linear | nn.Conv2d
    if geometry is None:
        layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    else:
        defaults: list[Any] = [[1, 1], [0, 0], [1, 1], 1]
        stride, padding, dilation, groups = geometry + defaults[len(geometry) :]
        channels = weight.shape[1] * groups, weight.shape[0]
        sizes = tuple(weight.shape[2:]), tuple(stride), tuple(padding), tuple(dilation)
        layer = nn.Conv2d(*channels, *sizes, groups, bias is not None, device="meta")  # type: ignore[arg-type]
    layer.weight = nn.Parameter(weight, requires_grad=False)
    layer.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)
    return layer


def _stored(network: fx.GraphModule, argument: Any) -> Tensor | None:
    """The tensor of a node that reads one of the graph's own."""
    if not isinstance(argument, fx.Node) or argument.op != "get_attr":
        return None
    return reduce(getattr, str(argument.target).split("."), network)  # type: ignore[return-value]
