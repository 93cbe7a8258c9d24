"""Classes of a model as categories of annotations."""

import numpy as np
import pytest

from queryinst_vis.data.classes import COCO
from queryinst_vis.data.coco_json import DatasetError
from queryinst_vis.evaluation.category_map import COCO_SUPER_CATEGORIES, CategoryMap
from queryinst_vis.structures import Track

DAVIS = [{"id": 7, "name": "animal"}, {"id": 2, "name": "person"}, {"id": 5, "name": "vehicle"}]


def track(name: str, **scores: float) -> Track:
    class_scores = np.array([scores.get(other.replace(" ", "_"), 0.0) for other in COCO], dtype=np.float32)
    boxes, rest = np.zeros((1, 4), dtype=np.float32), np.zeros(1, dtype=np.float32)
    return Track(4, COCO.index(name), 0.5, [0], boxes, rest, [None], class_scores if scores else None)


def test_super_categories_of_coco():
    examples = {"boat": "vehicle", "bench": "outdoor", "bird": "animal", "giraffe": "animal", "toothbrush": "indoor"}
    assert {name: COCO_SUPER_CATEGORIES[name] for name in examples} == examples
    assert len(set(COCO_SUPER_CATEGORIES.values())) == 12


def test_tracks_get_super_categories():
    categories = CategoryMap(COCO, DAVIS, super_categories=True)
    assert categories.classes == ("person", "vehicle", "animal")
    assert categories.category_ids == [2, 5, 7]
    found = [track("truck", truck=0.6, car=0.5, dog=0.55), track("chair", chair=0.9), track("dog")]
    truck, dog = categories.tracks(found)
    assert (truck.label, truck.id, truck.score) == (1, 4, 0.5)
    assert truck.class_scores.tolist() == pytest.approx([0, 0.6, 0.55])
    assert (dog.label, dog.class_scores) == (2, None)
    assert found[0].label == COCO.index("truck")


def test_tracks_keep_classes_of_the_same_name():
    categories = CategoryMap(COCO, DAVIS)  # only persons are called the same
    assert [t.label for t in categories.tracks([track("truck"), track("person"), track("dog")])] == [0]


def test_nothing_in_common_is_one_line():
    with pytest.raises(DatasetError, match=r"none of the categories \['fish'\] is .*person, bicycle, car.*--super-categories"):
        CategoryMap(COCO, [{"id": 1, "name": "fish"}])
    with pytest.raises(DatasetError, match="none of the categories"):
        CategoryMap(COCO, [{"id": 1, "name": "fish"}], super_categories=True)
