"""What happens around the iterations: a line on the console, a stop at a loss that is no number."""

import math
import textwrap
import time
from collections.abc import Sequence

from mmengine.hooks import Hook
from mmengine.runner import Runner

from queryinst_vis.data.sample import Sample
from queryinst_vis.errors import UserError
from queryinst_vis.training.model import image_model

_NO_BREAK = "\N{NO-BREAK SPACE}"  # a name and its value stay on one line


class NonFiniteLossError(UserError):
    """The loss, or what it is made of, became infinite or no number."""

    @classmethod
    def at(cls, iteration: int, what: str, samples: list[Sample]) -> "NonFiniteLossError":
        images = ", ".join(f"{sample.file_name} (id {sample.image_id})" for sample in samples)
        return cls(
            f"iteration {iteration}: {what}. Images: {images}. "
            "Check their annotations, or lower optimizer.lr; --resume goes on from the last checkpoint"
        )


class StopAtNonFiniteLoss(Hook):
    """Ends the training, before anything is saved, and names the images."""

    priority = "VERY_HIGH"

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: list[Sample], outputs: dict) -> None:  # type: ignore[override]
        if math.isfinite(outputs["loss"].item()):
            return
        bad = [name for name, value in outputs.items() if "loss" in name and not math.isfinite(value.item())]
        raise NonFiniteLossError.at(runner.iter + 1, f"not finite: {', '.join(bad)}", data_batch)


class Console(Hook):
    """What is trained; a short line every `interval` iterations and after a validation. All else stands in the log file.

    notes: what is to be known of the settings, a line each; in the log too.
    """

    priority = "LOW"

    def __init__(self, interval: int, notes: Sequence[str] = ()) -> None:
        self.interval, self.notes = interval, notes
        self._val_start = 0.0

    def before_train(self, runner: Runner) -> None:
        loader, model = runner.train_dataloader, image_model(runner.model)
        count = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
        start = f", going on after iteration {runner.iter}" if runner.iter else ""
        say(
            runner,
            f"training {count / 1e6:.2f} million parameters on {model.device.type} with {len(loader.dataset)} samples, "
            f"{len(loader)} iterations an epoch, {runner.max_iters} in all{start}; log in {runner.log_dir}",
        )
        for note in self.notes:
            say(runner, note)
            runner.logger.info(note)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: dict | None = None) -> None:
        if (runner.iter + 1) % self.interval and runner.iter + 1 != runner.max_iters:
            return
        scalars = runner.message_hub.log_scalars
        window = min(self.interval, batch_idx + 1)
        say(
            runner,
            f"epoch {runner.epoch + 1}/{runner.max_epochs}  iteration {runner.iter + 1}/{runner.max_iters}  "
            f"loss {scalars['train/loss'].mean(window):.4f}  lr {scalars['train/lr'].current():.2e}  "
            f"{scalars['train/time'].mean(window):.2f} s/it  left {clock(runner.message_hub.get_info('eta', 0))}",
        )

    def before_val(self, runner: Runner) -> None:
        self._val_start = time.monotonic()

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        values = "  ".join(f"{name}{_NO_BREAK}{value:.4g}" for name, value in (metrics or {}).items())
        lines = textwrap.fill(values, 120, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
        say(runner, f"validation in {clock(time.monotonic() - self._val_start)}")
        say(runner, lines.replace(_NO_BREAK, " "))


def say(runner: Runner, text: str) -> None:
    """A line for the person who watches, from the first process only."""
    if runner.rank == 0:
        print(text, flush=True)


def clock(seconds: float) -> str:
    """Hours, minutes, seconds as h:mm:ss."""
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
