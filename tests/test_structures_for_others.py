"""Instances as what other libraries take: plain numpy, supervision's Detections."""

import numpy as np
import pytest
from found_objects import CLASSES, HW, instances

from queryinst_vis.structures import Instances


def test_numpy_has_every_field_that_is_there():
    found = instances([4, 9], label=1).to_numpy()
    assert {name: (str(value.dtype), value.shape) for name, value in found.items()} == {
        "boxes": ("float32", (2, 4)),
        "scores": ("float32", (2,)),
        "labels": ("int64", (2,)),
        "masks": ("bool", (2, *HW)),
        "track_ids": ("int64", (2,)),
    }
    assert found["track_ids"].tolist() == [4, 9]
    assert found["masks"].sum() == 48


def test_numpy_of_nothing():
    found = Instances.empty(HW).to_numpy()
    assert {name: value.shape for name, value in found.items()} == {"boxes": (0, 4), "scores": (0,), "labels": (0,)}


def test_supervision():
    supervision = pytest.importorskip("supervision")
    found = instances([4, 9], label=1).to_supervision(CLASSES)
    assert isinstance(found, supervision.Detections)
    assert found.xyxy.tolist() == [[0, 4, 4, 10], [6, 4, 10, 10]]
    assert found.tracker_id.tolist() == [4, 9]
    assert found.class_id.tolist() == [1, 1]
    assert found["class_name"].tolist() == [CLASSES[1]] * 2
    assert np.allclose(found.confidence, 0.8)
    assert found.mask.sum(axis=(1, 2)).tolist() == [24, 24]


def test_supervision_draws_and_filters_them():
    supervision = pytest.importorskip("supervision")
    found = instances([4, 9]).to_supervision()
    picture = supervision.MaskAnnotator().annotate(np.zeros((*HW, 3), dtype=np.uint8), found)
    assert picture[4:10, 0:4].any()
    assert not picture[12:].any()
    assert len(found[found.tracker_id == 9]) == 1


def test_supervision_of_nothing():
    supervision = pytest.importorskip("supervision")
    assert len(Instances.empty(HW).to_supervision(CLASSES)) == 0
    assert len(supervision.Detections.merge([Instances.empty(HW).to_supervision(), instances([1]).to_supervision()])) == 1
