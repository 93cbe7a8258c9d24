"""Which parameters learn how fast, and how a step is made: groups, mixed precision, accumulation, clipping."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from torch import Tensor, nn

from queryinst_vis.config import ConfigError, construct
from queryinst_vis.training.recipe import Recipe

_WITH_ONE_PASS = (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD)


class BFloat16OptimWrapper(OptimWrapper):
    """Forward and loss under autocast to bfloat16, on any device; needs no scaling of the loss."""

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        device = next(model.parameters()).device
        with super().optim_context(model), torch.autocast(device.type, torch.bfloat16):
            yield


def build_optimizer(recipe: Recipe, model: nn.Module) -> OptimWrapper:
    """The recipe's optimizer over the parameters of `model` that learn."""
    recipe.require("optimizer")
    arguments = dict(recipe.optimizer)  # type: ignore[arg-type]
    kind = arguments.pop("type")
    if recipe.scale_lr:
        arguments["lr"] = scaled_lr(recipe)
    groups = parameter_groups(model, recipe.lr_multipliers, lr=arguments.get("lr"), no_decay=recipe.no_decay)
    options = {
        "optimizer": _construct(kind, arguments, groups),
        "accumulative_counts": recipe.accumulate,
        "clip_grad": recipe.clip_norm and {"max_norm": recipe.clip_norm},
    }
    if recipe.amp == "bf16":
        return BFloat16OptimWrapper(**options)
    if recipe.amp == "fp16":
        if not torch.cuda.is_available():
            raise ConfigError("amp=fp16 needs a GPU; amp=bf16 works on the CPU too")
        return AmpOptimWrapper(dtype="float16", **options)
    return OptimWrapper(**options)


def _construct(kind: Any, arguments: dict[str, Any], groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    """The optimizer; of torch's own, on a CPU, the form that makes a step in one pass, unless the arguments choose a form.

    That is several times as fast as an operation at a time, and the same to rounding. It reads values in the order in which they
    lie in memory, so what a checkpoint holds is laid out as the parameters are.
    """
    on_cpu = all(parameter.is_cpu for group in groups for parameter in group["params"])
    chosen = {"fused", "foreach", "capturable", "differentiable"} & arguments.keys()
    if on_cpu and not chosen and kind in _WITH_ONE_PASS:
        arguments = arguments | {"fused": True}
    optimizer = construct(kind, arguments, groups)
    optimizer.register_load_state_dict_post_hook(partial(_fit_loaded_state, fused=arguments.get("fused")))
    return optimizer


def _fit_loaded_state(optimizer: torch.optim.Optimizer, *, fused: bool | None) -> None:
    """The form stays what it was before a checkpoint was loaded, and the layout what the parameters have."""
    for group in optimizer.param_groups:
        if "fused" in group:
            group["fused"] = fused
        for parameter in group["params"]:
            state = optimizer.state.get(parameter, {})
            for name, value in state.items():
                if isinstance(value, Tensor) and value.shape == parameter.shape and value.stride() != parameter.stride():
                    state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def scaled_lr(recipe: Recipe) -> float:
    """The optimizer's rate for the recipe's batch size."""
    lr = (recipe.optimizer or {}).get("lr")
    if not isinstance(lr, int | float):
        raise ConfigError(f"scale_lr needs optimizer.lr to be a number, got {lr!r}")
    return lr * recipe.lr_factor


def batch_size_note(recipe: Recipe) -> str | None:
    """A line on what the batch size does to the learning rate, or what it may have to do; None when it is the recipe's own."""
    images, base = recipe.step_size, recipe.base_batch_size
    if recipe.scale_lr:
        rate = scaled_lr(recipe)
        return f"learning rate {rate / recipe.lr_factor:g} x {images}/{base} = {rate:g}, for {images} images a step"
    if images != base:
        return (
            f"{images} images a step, the learning rate was chosen for {base}: scale_lr=True multiplies it by {images / base:g}"
        )
    return None


def parameter_groups(
    model: nn.Module, multipliers: Mapping[str, float], *, lr: float | None, no_decay: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Parameters with a gradient, the group with the unchanged rate first: its rate is the one that is logged.

    multipliers: first parts of parameter names ("backbone", "queries.detector") -> factor of `lr`; the longest that fits counts.
    no_decay: parts of names anywhere in them ("norm"); such parameters have a group of their own, without weight decay.
    """
    if multipliers and not isinstance(lr, int | float):
        raise ConfigError(f"lr_multipliers need optimizer.lr to be a number, got {lr!r}")
    groups: dict[tuple[str, bool], list[nn.Parameter]] = {
        (prefix, decays): [] for prefix in ("", *multipliers) for decays in (True, False)
    }
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            fitting = [prefix for prefix in multipliers if f"{name}.".startswith(f"{prefix}.")]
            decays = not any(part in name for part in no_decay)
            groups[max(fitting, key=len, default=""), decays].append(parameter)
    _check_prefixes(model, multipliers)
    _check_parts(model, no_decay)
    return [
        {"params": parameters}
        | ({"lr": lr * multipliers[prefix]} if prefix else {})  # type: ignore[operator]
        | ({} if decays else {"weight_decay": 0.0})
        for (prefix, decays), parameters in groups.items()
        if parameters
    ]


def _check_prefixes(model: nn.Module, multipliers: Mapping[str, float]) -> None:
    names = [f"{name}." for name, _ in model.named_parameters()]
    for prefix in multipliers:
        if not any(name.startswith(f"{prefix}.") for name in names):
            parts = sorted({name.split(".")[0] for name in names})
            raise ConfigError(
                f"lr_multipliers: no parameter's name starts with {prefix!r}; the model's parts are {', '.join(parts)}"
            )


def _check_parts(model: nn.Module, no_decay: Sequence[str]) -> None:
    names = [name for name, _ in model.named_parameters()]
    for part in no_decay:
        if not any(part in name for name in names):
            words = sorted({word for name in names for word in name.split(".") if not word.isdecimal()})
            near = difflib.get_close_matches(part, words, n=3, cutoff=0.5)
            hint = f"; the nearest are {', '.join(near)}" if near else f"; names are like {', '.join(names[:2])}"
            raise ConfigError(f"no_decay: {part!r} is in no parameter's name{hint}")
