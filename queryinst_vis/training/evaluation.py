"""A model through a validation set, without a training around it."""

from collections.abc import Callable
from typing import Any

import torch
from mmengine.evaluator import Evaluator

from queryinst_vis.data.loading import SampleLoader
from queryinst_vis.models.base import ImageModel
from queryinst_vis.trackers import Tracker
from queryinst_vis.training.model import TrainingModel


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
