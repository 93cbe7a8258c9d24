"""The settings of a training: every top-level name a config file may set, with its meaning and default. Nothing is built here."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from queryinst_vis.errors import UserError

Spec = Mapping[str, Any]  # dict(type=Class, argument=...), which config.build() turns into an object


class RecipeError(UserError):
    """A setting that is missing or out of its range."""


@dataclass(kw_only=True)
class Recipe:
    """Iterations count batches; an epoch is one pass over the training data. What builds an object is a dict with `type`."""

    model: Spec  # an ImageModel
    info: Spec | None = None  # a ModelInfo: classes (by default the dataset's), score threshold, similarity, tracker
    load_from: str | list[str] | None = None  # weights to start from: a file or a published name, or several, one after the other
    allow_shape_mismatch: bool = False  # leave out parameters of `load_from` whose shape differs (other classes or queries)

    data_root: str = "data"  # replaces {data_root} in every string of the config
    classes: (
        list[str] | tuple[str, ...]
    ) = ()  # names in label order; what "{classes}" and "{num_classes}" in the config stand for
    train_dataset: Spec | list[Spec] | None = None  # several are joined
    val_dataset: Spec | None = None
    val_metric: Spec | list[Spec] | None = None  # mmengine metrics
    tracker: Spec | None = None  # a Tracker for validation on videos; by default the one that `info` names
    num_workers: int = 2  # loader processes for each training process
    group_by_shape: bool = True  # wide and tall images in different batches

    epochs: int = 12
    batch_size: int = 16  # images per iteration over all processes
    accumulate: int = 1  # iterations whose gradients make one step
    optimizer: Spec | None = None  # a torch optimizer without its parameters
    lr_multipliers: dict[str, float] = field(
        default_factory=dict
    )  # first parts of parameter names -> factor of the learning rate
    schedule: Spec | None = None  # one of training/schedule.py
    clip_norm: float | None = None  # L2 norm of all gradients
    amp: str | None = None  # "bf16" or "fp16"
    ema: float | None = None  # decay per step of the averaged weights, e.g. 0.9998
    seed: int = 0

    val_batch_size: int = 1  # images at a time in each process
    val_every: int = 1  # epochs
    best_metric: str | None = None  # the metric's name whose highest value makes the best weights; by default the first
    log_every: int = 50  # iterations
    checkpoint_every: int | None = None  # iterations; always at the end of an epoch as well
    keep_checkpoints: int = 2  # newest ones kept

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "accumulate", "val_batch_size", "val_every", "log_every", "keep_checkpoints"):
            self._check(name, lambda value: value >= 1, "a whole number from 1", int)
        self._check("num_workers", lambda value: value >= 0, "a whole number from 0", int)
        self._check("seed", lambda value: value >= 0, "a whole number from 0", int)
        self._check("amp", lambda value: value in (None, "bf16", "fp16"), "bf16, fp16 or None", (str, type(None)))
        if self.checkpoint_every is not None:
            self._check("checkpoint_every", lambda value: value >= 1, "a whole number from 1, or None", int)
        if self.clip_norm is not None:
            self._check("clip_norm", lambda value: value > 0, "a number above 0, or None", (int, float))
        if self.ema is not None:
            self._check("ema", lambda value: 0 < value < 1, "a decay between 0 and 1, or None", (int, float))

    def _check(self, name: str, is_allowed: Any, allowed: str, kind: Any) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, kind) or not is_allowed(value):
            raise RecipeError(f"{name}={value!r}: must be {allowed}")

    def require(self, *names: str) -> None:
        """Raises RecipeError when one of these settings is not there."""
        for name in names:
            if not getattr(self, name):
                raise RecipeError(f"the config sets no {name}, which is needed here")

    @classmethod
    def names(cls) -> list[str]:
        return [f.name for f in fields(cls)]
