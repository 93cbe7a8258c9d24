"""Checkpoints to resume from, and the weights that a training is for: `best.safetensors` and `last.safetensors`.

A checkpoint `iter_N.pth` holds all that N iterations left behind; it appears under its name only when it is complete.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from queryinst_vis.checkpoint import save_weights
from queryinst_vis.errors import UserError
from queryinst_vis.models.base import ImageModel
from queryinst_vis.ops.distributed import any_rank, average_buffers
from queryinst_vis.training.ema import AveragedWeights
from queryinst_vis.training.hooks import say
from queryinst_vis.training.model import image_model


class TrainingStopped(Exception):  # noqa: N818
    """Somebody asked for it; the iterations done so far, which are saved, are the argument."""


class ResumeError(UserError):
    """A checkpoint of another training than the one to be resumed."""


def checkpoints(work_dir: Path) -> list[Path]:
    """Checkpoints of a folder, oldest first."""
    numbers = {path: path.stem.removeprefix("iter_") for path in work_dir.glob("iter_*.pth")}
    return sorted((path for path in numbers if numbers[path].isdecimal()), key=lambda path: int(numbers[path]))


class Checkpoints(Hook):
    """Saves every `every_epochs` epochs, at the end, and every `interval` iterations, and keeps the newest `keep`.

    accumulate: iterations per step; a checkpoint waits for the next whole step, so that no gradient is lost. identity: numbers
    and texts that must be the same when resumed; written into the checkpoint and compared. stop_asked: when it says so, a
    checkpoint is saved and TrainingStopped raised.
    """

    priority = "VERY_LOW"  # after the schedule's step and the averaging

    def __init__(
        self,
        work_dir: Path,
        *,
        interval: int | None,
        every_epochs: int = 1,
        accumulate: int,
        keep: int,
        identity: dict[str, Any],
        stop_asked: Callable[[], bool],
    ) -> None:
        self.interval = interval and -(-interval // accumulate) * accumulate
        self.every_epochs = every_epochs
        self.work_dir, self.accumulate, self.keep = work_dir, accumulate, keep
        self.identity, self.stop_asked = identity, stop_asked

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: dict | None = None) -> None:
        done = runner.iter + 1
        if done % self.accumulate or batch_idx + 1 == len(runner.train_dataloader) or done == runner.max_iters:
            return  # in the midst of a step, or after_train_epoch() follows
        must_stop = any_rank(self.stop_asked())
        if must_stop or (self.interval and done % self.interval == 0):
            self._save(runner, done, by_epoch=False)
        if must_stop:
            raise TrainingStopped(done)

    def after_train_epoch(self, runner: Runner) -> None:
        is_due = (runner.epoch + 1) % self.every_epochs == 0 or runner.iter == runner.max_iters
        is_due |= bool(self.interval) and runner.iter % self.interval == 0
        must_stop = any_rank(self.stop_asked())
        if is_due or must_stop:
            self._save(runner, runner.iter, by_epoch=True)
        if must_stop:
            raise TrainingStopped(runner.iter)

    def _save(self, runner: Runner, iteration: int, *, by_epoch: bool) -> None:
        # Each process has statistics of its own share. A mean of running means is the same whenever it is taken, so stops do not
        # change it; and a validation, which follows an epoch's checkpoint, measures what is saved.
        average_buffers(image_model(runner.model))
        if runner.rank:
            return
        name = f"iter_{iteration}.pth"
        runner.save_checkpoint(str(self.work_dir), f"{name}.part", by_epoch=by_epoch)
        os.replace(self.work_dir / f"{name}.part", self.work_dir / name)
        for old in checkpoints(self.work_dir)[: -self.keep]:
            old.unlink(missing_ok=True)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        checkpoint["identity"] = self.identity

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        for name, saved in checkpoint.get("identity", {}).items():
            if saved != self.identity.get(name):
                raise ResumeError(
                    f"cannot resume: the checkpoint has {name}={saved}, the config {name}={self.identity.get(name)}; "
                    "use another --work-dir, and load_from to begin with these weights"
                )


class ExportWeights(Hook):
    """Writes `best.safetensors` after a validation that is better than all before, and `last.safetensors` at the end.

    metric: the name whose highest value is best; None: the first. The averaged weights are written when there are any.
    """

    priority = "VERY_LOW"

    def __init__(self, work_dir: Path, *, metric: str | None, averaged: AveragedWeights | None) -> None:
        self.work_dir, self.metric, self.averaged = work_dir, metric, averaged
        self.record = work_dir / "best.json"

    def before_train(self, runner: Runner) -> None:
        if runner.iter == 0 and runner.rank == 0:
            self.record.unlink(missing_ok=True)  # of a training that is gone

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        if runner.rank or not metrics:
            return
        name = self.metric or next(iter(metrics))
        if name not in metrics:
            raise UserError(f"best_metric={name!r}: the validation gave {', '.join(metrics)}")
        best = json.loads(self.record.read_text())["value"] if self.record.exists() else -float("inf")
        if metrics[name] > best:
            self._write(image_model(runner.model), "best.safetensors")  # during validation this is the averaged model
            content = {"metric": name, "value": metrics[name], "epoch": runner.epoch, "iteration": runner.iter}
            self.record.write_text(json.dumps(content) + "\n")
            say(runner, f"best {name} so far, saved {self.work_dir / 'best.safetensors'}")

    def after_train(self, runner: Runner) -> None:
        if runner.rank == 0:
            model = self.averaged.model if self.averaged else image_model(runner.model)
            self._write(model, "last.safetensors")  # type: ignore[arg-type]
            say(runner, f"saved {self.work_dir / 'last.safetensors'}")

    def _write(self, model: ImageModel, name: str) -> None:
        save_weights(model, self.work_dir / name)
