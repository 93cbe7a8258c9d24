"""Mosaics: four pictures, their objects in the right tile, the classes that all four annotate."""

import numpy as np
import pytest
import torch

from queryinst_vis.data.loading import SampleKey
from queryinst_vis.data.mosaic import MosaicDataset, mosaic
from queryinst_vis.data.sample import Sample
from queryinst_vis.masks import BitMasks
from queryinst_vis.structures import Targets

SIZE = (64, 96)


def _sample(grey: int, *, hw=(64, 96), masks=True, annotated=None, crowd=False) -> Sample:
    """One colour, with one object that fills the picture and has the colour's number as label."""
    bitmaps = BitMasks(torch.ones((1, *hw), dtype=torch.bool)) if masks else None
    box = torch.tensor([[0.0, 0, hw[1], hw[0]]])
    targets = Targets(box, torch.tensor([grey]), bitmaps, is_crowd=torch.tensor([crowd]))
    targets.annotated_classes = None if annotated is None else torch.tensor(annotated)
    return Sample(torch.full((3, *hw), grey, dtype=torch.uint8), targets, grey, hw, f"{grey}.png")


class _Colours:
    """Picture i has the colour 10 + i, its epoch's and seed's keys are remembered."""

    classes = ("a", "b")

    def __init__(self) -> None:
        self.keys: list[SampleKey] = []

    def __len__(self) -> int:
        return 50

    def __getitem__(self, key: SampleKey) -> Sample:
        self.keys.append(key)
        return _sample(10 + key.index)


@pytest.mark.parametrize("hw", [(64, 96), (96, 64), (20, 90)])
@pytest.mark.parametrize("seed", range(5))
def test_every_object_is_its_tile(hw, seed):
    samples = [_sample(grey, hw=hw) for grey in (1, 2, 3, 4)]
    joined = mosaic(samples, SIZE, np.random.default_rng(seed))
    assert joined.targets.labels.tolist() == [1, 2, 3, 4]
    for label, box, bitmap in zip((1, 2, 3, 4), joined.targets.boxes.int().tolist(), joined.targets.masks.tensor, strict=True):
        tile = joined.image[0] == label
        assert torch.equal(bitmap, tile)
        assert tile[box[1] : box[3], box[0] : box[2]].all()
    assert joined.targets.masks.areas().sum() == SIZE[0] * SIZE[1]
    assert torch.equal(joined.targets.boxes, joined.targets.masks.boxes())
    assert (joined.image_id, joined.file_name, joined.image_hw) == (1, "1.png", SIZE)


def test_objects_with_and_without_masks():
    samples = [_sample(grey, masks=grey % 2 == 0, crowd=grey == 4) for grey in (1, 2, 3, 4)]
    targets = mosaic(samples, SIZE, np.random.default_rng(0)).targets
    assert targets.has_mask.tolist() == [False, True, False, True]
    assert targets.is_crowd.tolist() == [False, False, False, True]
    assert mosaic([_sample(1, masks=False)] * 4, SIZE, np.random.default_rng(0)).targets.masks is None


@pytest.mark.parametrize(
    ("annotated", "expected"),
    [
        ((None, None, None, None), None),
        ((None, [True, False], None, None), [True, False]),
        (([True, True], [True, False], None, [True, True]), [True, False]),
        (([False, True], [True, False], None, None), [False, False]),
    ],
)
def test_a_class_is_annotated_when_it_is_in_all_four(annotated, expected):
    targets = mosaic([_sample(1, annotated=a) for a in annotated], SIZE, np.random.default_rng(0)).targets
    assert (None if targets.annotated_classes is None else targets.annotated_classes.tolist()) == expected


def test_a_key_always_gives_the_same_mosaic():
    dataset = MosaicDataset(_Colours(), size_hw=SIZE, probability=1.0)
    first, again, other = (dataset[SampleKey(1, 2, index)] for index in (3, 3, 4))
    assert torch.equal(first.image, again.image)
    assert not torch.equal(first.image, other.image)
    keys = dataset.dataset.keys
    assert keys[0] == SampleKey(1, 2, 3)
    assert keys[:4] == keys[4:8]
    assert all(key.seed != 1 for key in keys[1:4])  # the three others are augmented anew
    assert (dataset.classes, len(dataset), dataset.aspect_ratios[0]) == (("a", "b"), 50, 1.5)


@pytest.mark.parametrize(("probability", "low", "high"), [(0.0, 0, 0), (0.3, 15, 45), (1.0, 100, 100)])
def test_probability(probability, low, high):
    dataset = MosaicDataset(_Colours(), size_hw=SIZE, probability=probability)
    count = sum(len(dataset[SampleKey(0, epoch, 0)].targets) > 1 for epoch in range(100))
    assert low <= count <= high


def test_being_a_mosaic_says_nothing_about_the_augmentation():
    """Both are drawn from the key; with the same numbers, only pictures that are no mosaic would, for instance, be flipped."""
    dataset = MosaicDataset(_Colours(), size_hw=SIZE, probability=0.5)
    keys = [SampleKey(0, epoch, 0) for epoch in range(200)]
    both = sum(len(dataset[key].targets) > 1 and key.rng().random() < 0.5 for key in keys)
    assert 30 < both < 70
