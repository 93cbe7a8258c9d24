"""What a model's classes count as on annotations that have other categories: the same names, or COCO's super-categories."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from queryinst_vis.data.class_labels import category_names
from queryinst_vis.data.classes import COCO
from queryinst_vis.data.json_tables import DatasetError
from queryinst_vis.structures import Track

_SIZES = {
    "person": 1,
    "vehicle": 8,
    "outdoor": 5,
    "animal": 10,
    "accessory": 5,
    "sports": 10,
    "kitchen": 7,
    "food": 10,
    "furniture": 6,
    "electronic": 6,
    "appliance": 5,
    "indoor": 7,
}  # COCO lists its classes by super-category
COCO_SUPER_CATEGORIES = dict(zip(COCO, np.repeat(list(_SIZES), list(_SIZES.values())).tolist(), strict=True))


class CategoryMap:
    """From the labels of a model to categories of an annotation file.

    category_ids: of the file, by new label. DatasetError: not one class has a category.
    """

    def __init__(self, classes: Sequence[str], categories: Iterable[dict[str, Any]], *, super_categories: bool = False) -> None:
        """classes: the model's names in label order; super_categories: a COCO class counts as the category named like its own."""
        categories = sorted(categories, key=lambda category: category["id"])
        self.classes = category_names(categories, name="annotations")
        self.category_ids = [category["id"] for category in categories]
        meant = [COCO_SUPER_CATEGORIES.get(name, name) if super_categories else name for name in classes]
        self._labels = [self.classes.index(name) if name in self.classes else None for name in meant]
        if all(label is None for label in self._labels):
            remedy = "" if super_categories else "; --super-categories compares COCO's person, vehicle, animal, ..."
            raise DatasetError(f"none of the categories {list(self.classes)} is a class of the model, {_some(classes)}{remedy}")

    def tracks(self, tracks: Iterable[Track]) -> list[Track]:
        """The tracks with labels and class scores (the best of its classes) of the categories; without those that have none."""
        known = [(label, track) for track in tracks if (label := self._labels[track.label]) is not None]
        return [replace(track, label=label, class_scores=self._scores(track)) for label, track in known]

    def _scores(self, track: Track) -> np.ndarray | None:
        if track.class_scores is None:
            return None
        scores = np.zeros(len(self.classes), dtype=np.float32)
        for label, score in zip(self._labels, track.class_scores, strict=True):
            if label is not None:
                scores[label] = max(scores[label], score)
        return scores


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
