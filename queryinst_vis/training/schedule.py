"""Learning rates over a training: linear warm-up, then steps or a half cosine (spec of QueryInst, "Optimisation").

`iterations` below: the length of a training by iterations, None for one by epochs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mmengine.optim import CosineAnnealingLR, LinearLR, MultiStepLR, OptimWrapper
from mmengine.optim.scheduler.param_scheduler import _ParamScheduler

from queryinst_vis.errors import UserError
from queryinst_vis.limits import CountFromZero, Share


@dataclass(kw_only=True)
class MultiStep:
    """Times `gamma` after each of these epochs, or iterations in a training by iterations.

    The first `warmup_iters` iterations rise from `warmup_start` of the rate.
    """

    milestones: Sequence[CountFromZero]
    gamma: Share = 0.1
    warmup_iters: CountFromZero = 1000
    warmup_start: Share = 0.001

    def schedulers(
        self, optimizer: OptimWrapper, *, epochs: int, iters_per_epoch: int, iterations: int | None = None
    ) -> list[_ParamScheduler]:
        _check_warm_up(self.warmup_iters, iterations or epochs * iters_per_epoch)
        if iterations is not None:
            self._check_iterations()
        steps = MultiStepLR(
            optimizer,
            milestones=list(self.milestones),
            gamma=self.gamma,
            end=iterations or epochs,
            by_epoch=iterations is None,
        )
        return [*_warm_up(optimizer, self.warmup_iters, self.warmup_start), steps]

    def _check_iterations(self) -> None:
        """Epochs that were taken for iterations would end the learning before it begins."""
        if any(milestone < self.warmup_iters for milestone in self.milestones):
            raise UserError(
                f"schedule.milestones={list(self.milestones)}: in a training by iterations they are iterations, and these lie "
                f"within the warm-up of {self.warmup_iters}"
            )


@dataclass(kw_only=True)
class Cosine:
    """After the warm-up half a cosine down to `final` of the rate at the last iteration."""

    final: Share = 0.01
    warmup_iters: CountFromZero = 1000
    warmup_start: Share = 0.001

    def schedulers(
        self, optimizer: OptimWrapper, *, epochs: int, iters_per_epoch: int, iterations: int | None = None
    ) -> list[_ParamScheduler]:
        total = iterations or epochs * iters_per_epoch
        _check_warm_up(self.warmup_iters, total)
        fall = CosineAnnealingLR(
            optimizer,
            T_max=total - self.warmup_iters,
            eta_min_ratio=self.final,
            begin=self.warmup_iters,
            end=total,
            by_epoch=False,
        )
        return [*_warm_up(optimizer, self.warmup_iters, self.warmup_start), fall]


def _check_warm_up(iters: int, total: int) -> None:
    if iters >= total:
        raise UserError(f"schedule.warmup_iters={iters!r}: must be a whole number below the training's {total} iterations")


def _warm_up(optimizer: OptimWrapper, iters: int, start: float) -> list[_ParamScheduler]:
    """The last of these iterations has the full rate, so one alone is no warm-up (mmengine would stay at its start for ever)."""
    return [LinearLR(optimizer, start_factor=start, end=iters, by_epoch=False)] if iters > 1 else []
