"""Networks of convolutions rewritten for inference: batch norm goes into the convolution before it, and activations and the
additions of residual blocks are done in the same operation.

torch.fx follows the network's code. A network that it cannot follow keeps its own.
"""

import operator
from collections import Counter
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from queryinst_vis.acceleration.onednn import Activation, PackedConv2d, available
from queryinst_vis.models.backbones.deform_conv import DeformConv2d

_ADDITIONS = (operator.add, operator.iadd)
_RELUS = (F.relu, torch.relu)


def traced(network: nn.Module) -> fx.GraphModule | None:
    """The network's operations as a graph of the same modules; None where its code cannot be followed."""
    try:
        return fx.GraphModule(network, _Tracer().trace(network))
    except Exception:  # it runs with stand-ins for tensors, and may do anything with them
        return None


class _Tracer(fx.Tracer):
    def is_leaf_module(self, module: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(module, DeformConv2d) or super().is_leaf_module(module, module_qualified_name)


def fold_batch_norms(network: fx.GraphModule) -> None:
    """Those in eval mode that follow a convolution, in place."""
    once = _called_once(network)
    for node in list(network.graph.nodes):
        norm = _module(network, node, nn.BatchNorm2d)
        conv = _module(network, node.args[0], nn.Conv2d) if norm else None
        if conv is None or len(node.args[0].users) > 1 or not {node.target, node.args[0].target} <= once:
            continue
        network.set_submodule(node.args[0].target, fuse_conv_bn_eval(conv, norm))
        _bypass(network, node)
    _clean(network)


def lower_residual_branches(network: fx.GraphModule, dtype: torch.dtype) -> None:
    """Compute what is added to a residual stream, two or more convolutions in a row, in `dtype`; the stream keeps its precision.

    In place, after batch norms are folded. The stream is rounded once for each branch, not with each addition, so that errors do
    not add up from block to block; what leaves the stream otherwise stays as it is.
    """
    once = _called_once(network)
    for addition in list(network.graph.nodes):
        if addition.target not in _ADDITIONS or addition.args[0] is addition.args[1]:
            continue
        stream, result = sorted(addition.args, key=lambda operand: len(_chain_to(network, operand)))
        branch = _chain_to(network, result)
        if len(branch) < 2 or not {conv.target for conv in branch} <= once:
            continue
        for conv in branch:
            network.get_submodule(conv.target).to(dtype)
        with network.graph.inserting_before(branch[0]):
            branch[0].args = (network.graph.call_method("to", (branch[0].args[0], dtype)),)
        addition.target, addition.args = torch.add, (stream, result)  # in place it would be rounded
    _clean(network)


def _chain_to(network: fx.GraphModule, node: Any) -> list[fx.Node]:
    """The convolutions that lead to a node, one after the other with activations between, nothing else reading what they give."""
    convs: list[fx.Node] = []
    while isinstance(node, fx.Node) and len(node.users) == 1 and node.op == "call_module":
        if _module(network, node, nn.Conv2d):
            convs.insert(0, node)
        elif _activation(network, node) is None:
            break
        node = node.args[0]
    return convs


def pack_convolutions(network: fx.GraphModule) -> None:
    """Each convolution as a `PackedConv2d` that takes in what follows, in place."""
    once = _called_once(network)
    for node in list(network.graph.nodes):
        conv = _module(network, node, nn.Conv2d)
        if conv is None or not can_be_packed(conv):
            continue
        (user,) = node.users if len(node.users) == 1 else (None,)
        activation = _activation(network, user) if node.target in once else None
        network.set_submodule(node.target, PackedConv2d(conv, activation=activation))
        if activation:
            _bypass(network, user)
    for node in list(network.graph.nodes):
        if _activation(network, node) == ("relu",) and node.args[0].target in _ADDITIONS:
            _take_in_addition(network, node)
    _clean(network)


def can_be_packed(layer: nn.Module) -> bool:
    """Whether there is a packed layer, here and now, that does the same."""
    if type(layer) is nn.Conv2d and (layer.padding_mode != "zeros" or isinstance(layer.padding, str)):
        return False
    return type(layer) in (nn.Conv2d, nn.Linear) and available(layer.weight.dtype)


def _take_in_addition(network: fx.GraphModule, relu: fx.Node) -> None:
    """relu(conv(x) + other) as one call, if nothing else needs what the convolution or the addition gives, or `other` later."""
    addition = relu.args[0]
    order = {node: position for position, node in enumerate(network.graph.nodes)}
    for conv, other in (addition.args, addition.args[::-1]):
        packed = _module(network, conv, PackedConv2d)
        if packed is None or packed.activation or len(conv.users) > 1 or len(addition.users) > 1:
            continue
        between = [node for node in network.graph.nodes if order[conv] < order[node] < order[addition]]
        is_free = _module(network, other, PackedConv2d, nn.MaxPool2d)
        if not is_free or any(order[user] > order[addition] for user in other.users):
            continue
        if not all(_module(network, node, PackedConv2d) for node in between):
            continue
        packed.activation = ("relu",)
        with network.graph.inserting_before(addition):
            relu.replace_all_uses_with(network.graph.call_module(conv.target, (conv.args[0], other)))
        for node in (relu, addition, conv):
            network.graph.erase_node(node)
        return


def _module(network: fx.GraphModule, node: Any, *kinds: type[nn.Module]) -> Any:
    """The module that a node calls, if it is of a kind or one of several, and of no class derived from them."""
    if not isinstance(node, fx.Node) or node.op != "call_module":
        return None
    module = network.get_submodule(node.target)
    return module if type(module) in kinds else None


def _activation(network: fx.GraphModule, node: fx.Node | None) -> Activation | None:
    """What a node does, if a packed convolution can do it."""
    if node is None:
        return None
    if (node.op == "call_function" and node.target in _RELUS) or _module(network, node, nn.ReLU):
        return ("relu",)
    leaky = _module(network, node, nn.LeakyReLU)
    return ("leaky_relu", leaky.negative_slope) if leaky else None


def _called_once(network: fx.GraphModule) -> set[str]:
    calls = Counter(node.target for node in network.graph.nodes if node.op == "call_module")
    return {target for target, count in calls.items() if count == 1}


def _bypass(network: fx.GraphModule, node: fx.Node) -> None:
    node.replace_all_uses_with(node.args[0])
    network.graph.erase_node(node)


def _clean(network: fx.GraphModule) -> None:
    network.delete_all_unused_submodules()
    network.graph.lint()
    network.recompile()
