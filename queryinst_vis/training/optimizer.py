"""Which parameters learn how fast, and how a step is made: groups, mixed precision, accumulation, clipping."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from torch import nn

from queryinst_vis.config import ConfigError, construct
from queryinst_vis.training.recipe import Recipe


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
    groups = parameter_groups(model, recipe.lr_multipliers, lr=arguments.get("lr"))
    options = {
        "optimizer": construct(kind, arguments, groups),
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


def parameter_groups(model: nn.Module, multipliers: Mapping[str, float], *, lr: float | None) -> list[dict[str, Any]]:
    """Parameters with a gradient, the group with the unchanged rate first: its rate is the one that is logged.

    multipliers: first parts of parameter names ("backbone", "queries.detector") -> factor of `lr`; the longest that fits counts.
    """
    if multipliers and not isinstance(lr, int | float):
        raise ConfigError(f"lr_multipliers need optimizer.lr to be a number, got {lr!r}")
    for prefix, factor in multipliers.items():
        if not isinstance(factor, int | float):
            raise ConfigError(f"lr_multipliers.{prefix}={factor!r}: must be a number")
    groups: dict[str, list[nn.Parameter]] = {"": []} | {prefix: [] for prefix in multipliers}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            fitting = [prefix for prefix in multipliers if f"{name}.".startswith(f"{prefix}.")]
            groups[max(fitting, key=len, default="")].append(parameter)
    _check_prefixes(model, multipliers)
    return [
        {"params": parameters} | ({"lr": lr * multipliers[prefix]} if prefix else {})  # type: ignore[operator]
        for prefix, parameters in groups.items()
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
