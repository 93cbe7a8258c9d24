"""What is worth saying of the training data once, before the first iteration."""

from typing import Any

from torch.utils.data import Dataset

from queryinst_vis.data.loading import JoinedDataset
from queryinst_vis.models.base import ImageModel


def data_notes(dataset: Dataset, model: ImageModel) -> list[str]:
    """A line each: what the datasets remark of themselves, and images with more objects than the model has queries."""
    parts = dataset.parts if isinstance(dataset, JoinedDataset) else [dataset]
    lines = [line for part in parts for line in [*getattr(part, "remarks", ()), *_crowded(part, model)]]
    return list(dict.fromkeys(lines))  # a dataset may be listed several times


def _crowded(dataset: Any, model: ImageModel) -> list[str]:
    """A warning when there are images with more objects than queries, with the fullest one."""
    queries = getattr(model, "queries", None)
    setting = "num_training_queries" if hasattr(queries, "num_training_queries") else "num_queries"
    limit, counts = getattr(queries, setting, None), getattr(dataset, "object_counts", None)
    if limit is None or counts is None or not len(counts) or counts.max() <= limit:
        return []
    fullest, num_images = int(counts.argmax()), int((counts > limit).sum())
    others = f" ({num_images} images have more than {limit})" if num_images > 1 else ""
    line = (
        f"warning: {dataset.annotations_path}: {dataset.file_names[fullest]} has {counts[fullest]} objects{others}, "
        f"but the model trains {limit} queries: the others are passed over; raise model.queries.{setting}, or cut such images"
    )
    return [line]
