"""A model through a validation set, without a training around it."""

import difflib
from collections.abc import Callable
from typing import Any

import torch
from mmengine.evaluator import Evaluator

from queryinst_vis.data.loading import SampleLoader
from queryinst_vis.errors import UserError
from queryinst_vis.models.base import ImageModel
from queryinst_vis.trackers import Tracker
from queryinst_vis.training.model import TrainingModel


def check_metric_name(name: str | None, evaluator: Evaluator) -> None:
    """UserError: no metric gives a number of that name. What is given by a metric without `names()` is known only afterwards."""
    known = [
        "/".join(filter(None, (metric.prefix, part))) for metric in evaluator.metrics for part in getattr(metric, "names", list)()
    ]
    if name is None or name in known or not all(hasattr(metric, "names") for metric in evaluator.metrics):
        return
    (nearest,) = difflib.get_close_matches(name, known, n=1, cutoff=0) or ("none",)
    raise UserError(f"best_metric={name!r}: val_metric gives no number of that name; the nearest is {nearest!r}")


@torch.no_grad()
def evaluate(
    model: ImageModel,
    loader: SampleLoader,
    evaluator: Evaluator,
    *,
    tracker: Tracker | None = None,
    on_batch: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Values of the metrics by name. tracker: for videos. on_batch: called after each batch, for a progress bar."""
    predictor = TrainingModel(model, tracker).eval()
    for samples in loader:
        evaluator.process(data_samples=predictor(samples, mode="predict"), data_batch=samples)
        on_batch()
    return evaluator.evaluate(len(loader.dataset))  # type: ignore[arg-type]
