"""A moving average of the weights, which is validated and exported in place of the last ones."""

from copy import deepcopy

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from queryinst_vis.models.base import ImageModel
from queryinst_vis.training.model import image_model


class AveragedWeights(Hook):
    """Exponential moving average after every step of the optimizer.

    decay: how much of the average stays in a step; in the first steps less, (1 + t) / (10 + t), so the beginning is forgotten.
    accumulate: iterations per step. Buffers are shared with the live model. Part of the training's checkpoints under "ema".
    """

    priority = "NORMAL"

    def __init__(self, decay: float, *, accumulate: int = 1) -> None:
        self.decay, self.accumulate = decay, accumulate
        self.num_steps = 0
        self.model: ImageModel | None = None

    def before_run(self, runner: Runner) -> None:
        live = image_model(runner.model)
        self.model = deepcopy(live).eval().requires_grad_(False)
        for average, module in zip(self.model.modules(), live.modules(), strict=True):
            average._buffers = module._buffers

    @torch.no_grad()
    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: dict | None = None) -> None:
        if (runner.iter + 1) % self.accumulate:
            return
        weight = 1.0 - min(self.decay, (1 + self.num_steps) / (10 + self.num_steps))
        live = image_model(runner.model)
        torch._foreach_lerp_(list(self.model.parameters()), list(live.parameters()), weight)  # type: ignore[union-attr]
        self.num_steps += 1

    def before_val(self, runner: Runner) -> None:
        self._swap(runner)

    def after_val(self, runner: Runner) -> None:
        self._swap(runner)

    def _swap(self, runner: Runner) -> None:
        wrapper = getattr(runner.model, "module", runner.model)
        wrapper.model, self.model = self.model, wrapper.model

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        checkpoint["ema"] = {"num_steps": self.num_steps, "state_dict": self.model.state_dict()}  # type: ignore[union-attr]

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if "ema" in checkpoint:
            self.num_steps = checkpoint["ema"]["num_steps"]
            self.model.load_state_dict(checkpoint["ema"]["state_dict"])  # type: ignore[union-attr]
