"""Before a training on classes that the detector does not know: what it takes their objects for, from the training images."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from queryinst_vis.data.sample import Sample
from queryinst_vis.models.base import ImageModel
from queryinst_vis.models.criterion import class_weights, without_crowd
from queryinst_vis.models.dense_queries import DenseQueries
from queryinst_vis.ops.boxes import box_iou
from queryinst_vis.structures import Targets

_MAX_IMAGES = 300
_SAME_OBJECT = 0.5  # box IoU from which a query is about an object


def fit_class_map(model: ImageModel, dataset: Dataset, *, seed: int) -> str | None:
    """Fit the map of a model's DenseQueries to images of the training set, at most 300; a line on what came of it.

    None, and nothing is done, when there is no such map or it has been trained. dataset: with `load(index)`.
    """
    queries: Any = getattr(model, "queries", None)
    class_map = getattr(queries, "class_map", None)
    if not isinstance(queries, DenseQueries) or class_map is None or not class_map.is_at_start or not hasattr(dataset, "load"):
        return None
    indices = np.random.default_rng(seed).permutation(len(dataset))[:_MAX_IMAGES]  # type: ignore[arg-type]
    was_training = model.training
    model.eval()
    rows = [_of_image(model, dataset.load(int(index))) for index in indices]
    model.train(was_training)
    class_map.fit(*(torch.cat(part) for part in zip(*rows, strict=True)))
    likeness = "; ".join(_likeness(queries, row, name) for row, name in enumerate(model.info.classes[:5]))
    return f"what the detector takes the classes for, in {len(indices)} images: {likeness}"


@torch.no_grad()
def _of_image(model: Any, sample: Sample) -> tuple[Tensor, Tensor, Tensor]:
    """The queries of an image: the detector's logits [Q, C], how well they fit objects of each class and what counts, [Q, K]."""
    batch = model.preprocess([sample.image.permute(1, 2, 0).numpy()]).to(model.device)
    cells = model.queries.propose(batch.tensor, model.backbone(batch.tensor))
    (height, width), (original_height, original_width) = batch.sizes[0], batch.original_sizes[0]
    scale = cells.boxes.new_tensor([original_width / width, original_height / height]).repeat(2)
    boxes, targets = cells.boxes * scale, sample.targets.to(model.device)
    quality = _quality(boxes[0], without_crowd([targets])[0], num_classes=model.num_classes)
    counts = class_weights(boxes, (quality > 0)[None].float(), [targets])
    return cells.logits[0], quality, torch.ones_like(quality) if counts is None else counts[0]


def _quality(boxes: Tensor, objects: Targets, *, num_classes: int) -> Tensor:
    """[Q, K]: the largest IoU of each box with an object of each class, 0 when small. boxes: [Q, 4] in the image's pixels."""
    quality = boxes.new_zeros((len(boxes), num_classes))
    overlaps = box_iou(boxes, objects.boxes)
    for label, overlap in zip(objects.labels.tolist(), overlaps.T, strict=True):
        quality[:, label] = torch.maximum(quality[:, label], overlap)
    return quality * (quality > _SAME_OBJECT)


def _likeness(queries: DenseQueries, row: int, name: str) -> str:
    assert queries.class_map is not None
    likest = [queries.detector_classes[index] for index in queries.class_map.likest(row)]
    return f"{name}: {', '.join(likest) or 'nothing it knows'}"
