"""The settings of a training: every top-level name a config file may set, with its meaning and default. Nothing is built here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from queryinst_vis.errors import UserError
from queryinst_vis.limits import Count, CountFromZero, Limit, NotNegative, Positive

# What config.build() turns into an object: dict(type=Class, argument=...).
Spec = Annotated[Mapping[str, Any], Limit("a dict with `type`", lambda spec: "type" in spec)]
Weights = Annotated[str | Path, Limit("a file or a published name")]
MetricName = Annotated[str, Limit("a metric's name")]
Decay = Annotated[float, Limit("a decay between 0 and 1", lambda value: 0 < value < 1)]
PartOfNames = Annotated[str, Limit('a part of parameter names, e.g. "norm"', bool)]


class RecipeError(UserError):
    """A setting that is missing or out of its range."""


@dataclass(kw_only=True)
class Recipe:
    """Iterations count batches; an epoch is one pass over the training data. `build_recipe` checks each setting alone."""

    model: Spec  # an ImageModel
    info: Spec | None = None  # a ModelInfo: classes (by default the dataset's), score threshold, similarity, tracker
    load_from: Weights | Sequence[Weights] | None = None  # weights to start from: of one file, or of several one after the other
    load_classes: Sequence[str] = ()  # classes that `load_from` knows, in label order, for a file that does not name them
    allow_shape_mismatch: bool = False  # leave out parameters of `load_from` whose shape differs (other classes or queries)

    data_root: str | Path | int = "data"  # replaces {data_root} in every string of the config
    classes: (
        list[str] | tuple[str, ...]
    ) = ()  # names in label order; what "{classes}" and "{num_classes}" in the config stand for
    train_dataset: Spec | list[Spec] | None = None  # several are joined
    val_dataset: Spec | None = None
    val_metric: Spec | list[Spec] | None = None  # mmengine metrics
    tracker: Spec | None = None  # a Tracker for validation on videos; by default the one that `info` names
    num_workers: CountFromZero = 2  # loader processes for each training process
    group_by_shape: bool = True  # wide and tall images in different batches

    epochs: Count = 12
    iterations: Count | None = None  # instead of epochs: how many in all; MultiStep.milestones are then iterations too
    batch_size: Count = 16  # images per iteration over all processes
    accumulate: Count = 1  # iterations whose gradients make one step
    base_batch_size: Count = 16  # images per step (batch_size x accumulate) that the learning rate was chosen for
    scale_lr: bool = False  # times batch_size x accumulate / base_batch_size: the one switch for other batch sizes
    optimizer: Spec | None = None  # a torch optimizer without its parameters
    lr_multipliers: Mapping[str, NotNegative] = field(
        default_factory=dict
    )  # first parts of parameter names -> factor of the learning rate
    no_decay: Sequence[PartOfNames] = ()  # parts of names of parameters without weight decay, e.g. ["norm", ".bias"]
    schedule: Spec | None = None  # one of training/schedule.py
    clip_norm: Positive | None = None  # L2 norm of all gradients
    amp: Literal["bf16", "fp16"] | None = None  # mixed precision
    ema: Decay | None = None  # decay per step of the averaged weights, e.g. 0.9998
    seed: CountFromZero = 0

    val_batch_size: Count = 1  # images at a time in each process
    val_every: Count = 1  # epochs
    best_metric: MetricName | None = None  # the metric's name whose highest value makes the best weights; by default the first
    log_every: Count = 50  # iterations
    checkpoint_every: Count | None = None  # iterations; always at the end of an epoch as well (by iterations: where val_every is)
    keep_checkpoints: Count = 2  # newest ones kept

    def __post_init__(self) -> None:
        if self.iterations and self.iterations % self.accumulate:
            multiple = f"a multiple of accumulate={self.accumulate}, so that the last step is a whole one"
            raise RecipeError(f"iterations={self.iterations}: must be {multiple}")

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

    def require(self, *names: str) -> None:
        """Raises RecipeError when one of these settings is not there."""
        for name in names:
            if not getattr(self, name):
                raise RecipeError(f"the config sets no {name}, which is needed here")

    @classmethod
    def names(cls) -> list[str]:
        return [f.name for f in fields(cls)]
