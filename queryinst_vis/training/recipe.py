"""The settings of a training: every top-level name a config file may set, with its meaning and default. Nothing is built here."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from queryinst_vis.errors import UserError

Spec = Mapping[str, Any]  # dict(type=Class, argument=...), which config.build() turns into an object


_COUNTS = (
    "epochs", "batch_size", "accumulate", "base_batch_size", "val_batch_size", "val_every", "log_every", "keep_checkpoints",
)  # fmt: skip
_SWITCHES = ("allow_shape_mismatch", "group_by_shape", "scale_lr")
_SPECS = {  # settings that build objects -> may there be several
    "model": False, "info": False, "train_dataset": True, "val_dataset": True, "val_metric": True,
    "tracker": False, "optimizer": False, "schedule": False,
}  # fmt: skip


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
    iterations: int | None = None  # instead of epochs: how many in all; MultiStep.milestones are then iterations too
    batch_size: int = 16  # images per iteration over all processes
    accumulate: int = 1  # iterations whose gradients make one step
    base_batch_size: int = 16  # images per step (batch_size x accumulate) that the learning rate was chosen for
    scale_lr: bool = False  # times batch_size x accumulate / base_batch_size: the one switch for other batch sizes
    optimizer: Spec | None = None  # a torch optimizer without its parameters
    lr_multipliers: dict[str, float] = field(
        default_factory=dict
    )  # first parts of parameter names -> factor of the learning rate
    no_decay: list[str] | tuple[str, ...] = ()  # parts of names of parameters without weight decay, e.g. ["norm", ".bias"]
    schedule: Spec | None = None  # one of training/schedule.py
    clip_norm: float | None = None  # L2 norm of all gradients
    amp: str | None = None  # "bf16" or "fp16"
    ema: float | None = None  # decay per step of the averaged weights, e.g. 0.9998
    seed: int = 0

    val_batch_size: int = 1  # images at a time in each process
    val_every: int = 1  # epochs
    best_metric: str | None = None  # the metric's name whose highest value makes the best weights; by default the first
    log_every: int = 50  # iterations
    checkpoint_every: int | None = None  # iterations; always at the end of an epoch as well (by iterations: where val_every is)
    keep_checkpoints: int = 2  # newest ones kept

    def __post_init__(self) -> None:
        self._check_specs()
        for name in _COUNTS:
            self._check(name, lambda value: value >= 1, "a whole number from 1", int)
        if self.iterations is not None:
            self._check("iterations", lambda value: value >= 1, "a whole number from 1, or None to train by epochs", int)
            multiple = f"a multiple of accumulate={self.accumulate}, so that the last step is a whole one"
            self._check("iterations", lambda value: value % self.accumulate == 0, multiple, int)
        for name in _SWITCHES:
            if not isinstance(getattr(self, name), bool):
                raise RecipeError(f"{name}={getattr(self, name)!r}: must be True or False")
        names = self.no_decay
        if not isinstance(names, list | tuple) or not all(isinstance(name, str) and name for name in names):
            raise RecipeError(f'no_decay={names!r}: must be a list of parts of parameter names, e.g. ["norm"]')
        self._check("num_workers", lambda value: value >= 0, "a whole number from 0", int)
        self._check("seed", lambda value: value >= 0, "a whole number from 0", int)
        self._check("amp", lambda value: value in (None, "bf16", "fp16"), "bf16, fp16 or None", (str, type(None)))
        if self.checkpoint_every is not None:
            self._check("checkpoint_every", lambda value: value >= 1, "a whole number from 1, or None", int)
        if self.clip_norm is not None:
            self._check("clip_norm", lambda value: value > 0, "a number above 0, or None", (int, float))
        if self.ema is not None:
            self._check("ema", lambda value: 0 < value < 1, "a decay between 0 and 1, or None", (int, float))

    def _check_specs(self) -> None:
        """What is built later is a dict with `type`; where several may stand, a list of such too."""
        for name, several in _SPECS.items():
            value = getattr(self, name)
            items = value if several and isinstance(value, list | tuple) else [value]
            if value is not None and not all(isinstance(item, Mapping) and "type" in item for item in items):
                raise RecipeError(f"{name}={value!r}: must be a dict with `type`" + (", or a list of such" if several else ""))
        if not isinstance(self.lr_multipliers, Mapping):
            raise RecipeError(f"lr_multipliers={self.lr_multipliers!r}: must be a dict of parts of the model and factors")
        sources = self.load_from if isinstance(self.load_from, list | tuple) else [self.load_from or ""]
        if not all(isinstance(source, str | Path) for source in sources):
            raise RecipeError(f"load_from={self.load_from!r}: must be a file or a published name, or a list of such")
        if not isinstance(self.best_metric, str | None):
            raise RecipeError(f"best_metric={self.best_metric!r}: must be a metric's name, or None for the first")

    def num_iterations(self, iters_per_epoch: int) -> int:
        """Iterations of the whole training."""
        return self.iterations or self.epochs * iters_per_epoch

    @property
    def step_size(self) -> int:
        """Images whose gradients make one step."""
        return self.batch_size * self.accumulate

    @property
    def lr_factor(self) -> float:
        """What the learning rate is multiplied by for the sake of the batch size."""
        return self.step_size / self.base_batch_size if self.scale_lr else 1.0

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
