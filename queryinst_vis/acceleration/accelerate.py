"""`accelerate(model)`: a trained model as it runs fastest on its device."""

import copy
from typing import TypeVar

import torch
from torch import nn

from queryinst_vis.acceleration.compiled import CompiledNetwork
from queryinst_vis.acceleration.cuda_graphs import GraphedNetwork
from queryinst_vis.acceleration.graph import can_be_packed, fold_batch_norms, lower_residual_branches, pack_convolutions, traced
from queryinst_vis.acceleration.memory import keep_freed_memory
from queryinst_vis.acceleration.onednn import PackedConv2d, PackedLinear
from queryinst_vis.errors import UserError
from queryinst_vis.models.base import ImageModel

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_SMALL = 20_000_000  # parameters
_Model = TypeVar("_Model", bound=ImageModel)


def accelerate(model: _Model, *, precision: str = "fp32", compile: bool = False) -> _Model:
    """The model itself, changed: for inference only, on the device it is on; it can neither be trained nor saved any more.

    precision: one of PRECISIONS for what bears it, the residual branches of backbones and what models name; what errors add up
    in stays in single precision. compile: as CompiledNetwork. On a CPU the process keeps memory that is freed, see `memory.py`.
    UserError: there is no such precision, or the model or the device has none, or the model has no layers to compile.
    """
    if precision not in PRECISIONS:
        raise UserError(f"precision is one of {', '.join(PRECISIONS)}; got '{precision}'")
    if compile and next(model.parameters(), None) is None:
        raise UserError(f"{type(model).__name__} has no layers that could be compiled")
    model.eval().requires_grad_(False)
    with torch.no_grad():
        networks = _fold(model)
        if precision != "fp32":
            model.lower_precision(PRECISIONS[precision])
            for name, network in networks.items():
                if name.endswith("backbone"):
                    lower_residual_branches(network, PRECISIONS[precision])
        model.compute_constants()
        if model.device.type != "cpu":
            return _for_gpu(model, compile=compile)
        keep_freed_memory()
        model.is_small = 0 < sum(parameter.numel() for parameter in model.parameters()) < _SMALL  # none: it is in a file
        plain = copy.deepcopy(model) if compile else None  # torch cannot compile packed layers
        for network in networks.values():
            pack_convolutions(network)
        _pack_layers(model)
    if plain is not None:
        model.forward = CompiledNetwork(model.forward, source=plain.forward)  # type: ignore[assignment, method-assign]
    return model


def _for_gpu(model: _Model, *, compile: bool) -> _Model:
    """With its layers as they are; CUDA graphs start them."""
    if model.device.type == "cuda" and type(model).detect is not ImageModel.detect:
        model.detect_at_once = GraphedNetwork(CompiledNetwork(model.detect) if compile else model.detect)
    elif compile:
        model.forward = CompiledNetwork(model.forward)  # type: ignore[assignment, method-assign]
    return model.to(memory_format=torch.channels_last)


@torch.no_grad()
def folded(model: _Model) -> _Model:
    """A copy for inference, with batch norms as part of the convolutions before them; it is of plain layers."""
    model = copy.deepcopy(model).eval().requires_grad_(False)
    _fold(model)
    return model


def _fold(model: nn.Module) -> dict[str, torch.fx.GraphModule]:
    """Replaces the parts that can be followed, in place, and gives them by their names."""
    networks = {name: network for name, network in _networks(model).items() if network is not None}
    for name, network in networks.items():
        fold_batch_norms(network)
        model.set_submodule(name, network)
    return networks


def _networks(model: nn.Module) -> dict[str, torch.fx.GraphModule | None]:
    """Parts that are known by their result alone: backbones, and sequences of layers with convolutions."""
    found: dict[str, torch.fx.GraphModule | None] = {}
    for name, part in model.named_modules():
        is_network = name.endswith("backbone") or type(part).forward is nn.Sequential.forward
        is_inside = any(name.startswith(f"{outer}.") for outer, network in found.items() if network is not None)
        if is_network and not is_inside and any(type(child) is nn.Conv2d for child in part.modules()):
            found[name] = traced(part)
    return found


def _pack_layers(module: nn.Module) -> None:
    """All that are left, in place; a module's `keeps_weights` names those of its layers whose weights it reads itself."""
    for name, child in module.named_children():
        if name in getattr(module, "keeps_weights", ()):
            continue
        if not can_be_packed(child):
            _pack_layers(child)
        else:
            setattr(module, name, PackedLinear(child) if type(child) is nn.Linear else PackedConv2d(child))
