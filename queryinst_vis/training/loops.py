"""The loops of training and validation. Unlike with mmengine, training resumes within an epoch without loading what it saw."""

from typing import Any

import numpy as np
import torch
from mmengine.evaluator import Evaluator
from mmengine.runner import BaseLoop, Runner

from queryinst_vis.data.loading import SampleLoader, TrainBatches
from queryinst_vis.training.hooks import NonFiniteLossError


class TrainLoop(BaseLoop):
    """So many iterations, in epochs, of which the last may be cut; validations every `val_interval` epochs and at the end."""

    def __init__(self, runner: Runner, dataloader: SampleLoader, *, max_iters: int, val_interval: int) -> None:
        super().__init__(runner, dataloader)
        self.max_epochs, self.max_iters = -(-max_iters // len(dataloader)), max_iters
        self.val_begin, self.val_interval = 1, val_interval
        self._epoch = self._iter = 0  # Runner.resume() sets them

    @property
    def epoch(self) -> int:
        return self._epoch

    @property
    def iter(self) -> int:
        """Iterations done, over all epochs."""
        return self._iter

    def run(self) -> torch.nn.Module:
        try:
            self.runner.call_hook("before_train")
            while self._iter < self.max_iters:
                self._run_epoch()
                is_due = self._epoch % self.val_interval == 0 or self._iter == self.max_iters
                if self.runner.val_loop is not None and is_due:
                    self.runner.val_loop.run()
            self.runner.call_hook("after_train")
            return self.runner.model
        finally:
            self._close_loaders()

    def _close_loaders(self) -> None:
        loops = (self, self.runner.val_loop)
        for loop in loops:
            if loop is not None:
                loop.dataloader.close()

    def _run_epoch(self) -> None:
        done = self._iter - self._epoch * len(self.dataloader)  # above 0 when resumed within this epoch
        batches: TrainBatches = self.dataloader.batches  # type: ignore[union-attr]
        batches.set_position(self._epoch, batch=done)
        self.runner.call_hook("before_train_epoch")
        self.runner.model.train()
        for index, samples in enumerate(self.dataloader, start=done):
            self._run_iter(index, samples)
            if self._iter == self.max_iters:
                break
        self.runner.call_hook("after_train_epoch")
        self._epoch += 1

    def _run_iter(self, index: int, samples: list) -> None:
        # Dropout draws from (seed, iteration, process), so it too is the same after a resume.
        torch.manual_seed(int(np.random.SeedSequence((self.runner.seed, self._iter, self.runner.rank)).generate_state(1)[0]))
        self.runner.call_hook("before_train_iter", batch_idx=index, data_batch=samples)
        try:
            outputs = self.runner.model.train_step(samples, optim_wrapper=self.runner.optim_wrapper)
        except FloatingPointError as error:
            raise NonFiniteLossError.at(self._iter + 1, str(error), samples) from error
        self.runner.call_hook("after_train_iter", batch_idx=index, data_batch=samples, outputs=outputs)
        self._iter += 1


class EvaluationLoop(BaseLoop):
    """All validation samples through the model and the metrics."""

    def __init__(self, runner: Runner, dataloader: SampleLoader, evaluator: Evaluator) -> None:
        super().__init__(runner, dataloader)
        self.evaluator = evaluator

    @torch.no_grad()
    def run(self) -> dict[str, Any]:
        """Values of the metrics by name."""
        self.runner.call_hook("before_val")
        self.runner.call_hook("before_val_epoch")
        self.runner.model.eval()
        for index, samples in enumerate(self.dataloader):
            self.runner.call_hook("before_val_iter", batch_idx=index, data_batch=samples)
            outputs = self.runner.model.val_step(samples)
            self.evaluator.process(data_samples=outputs, data_batch=samples)
            self.runner.call_hook("after_val_iter", batch_idx=index, data_batch=samples, outputs=outputs)
        metrics = self.evaluator.evaluate(len(self.dataloader.dataset))  # type: ignore[arg-type]
        self.runner.call_hook("after_val_epoch", metrics=metrics)
        self.runner.call_hook("after_val")
        return metrics
