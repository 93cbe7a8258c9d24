"""The shared data types: checked at birth, indexed and joined as one, shown by their shapes."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from queryinst_vis.masks import BitMasks
from queryinst_vis.structures import Frame, ImageBatch, Instances, Targets


def instances(count: int) -> Instances:
    return Instances(
        (20, 30),
        torch.arange(4.0 * count).view(count, 4),
        torch.linspace(0.9, 0.1, count),
        torch.arange(count),
        class_scores=torch.rand(count, 5),
        masks=BitMasks(torch.rand(count, 20, 30) > 0.5),
        embeds=torch.rand(count, 8),
        query_ids=torch.arange(count),
    )


@pytest.mark.parametrize("index", [torch.tensor([True, False, True]), torch.tensor([2, 0]), slice(1, None), [0], 1])
def test_rows_stay_together(index) -> None:
    everything = instances(3)
    rows = everything[index]
    index = [index] if isinstance(index, int) else index
    assert rows.boxes.equal(everything.boxes[index])
    assert rows.embeds.equal(everything.embeds[index])
    assert rows.masks.bitmaps().equal(everything.masks.bitmaps()[index])
    assert rows.track_ids is None
    assert rows.image_hw == (20, 30)


def test_joining_keeps_what_all_parts_have() -> None:
    first, second = instances(2), instances(3)
    second.embeds = None
    joined = Instances.cat([first, second])
    assert len(joined) == 5
    assert joined.embeds is None
    assert len(joined.masks) == 5
    with pytest.raises(ValueError, match="at least one part"):
        Instances.cat([])


def test_no_object_is_legal() -> None:
    assert len(Instances.empty((4, 5))) == 0
    assert len(instances(3)[torch.zeros(3, dtype=torch.bool)].masks) == 0
    assert len(Targets(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))) == 0


@pytest.mark.parametrize(
    "make",
    [
        lambda: Instances((4, 5), torch.zeros(3), torch.zeros(3), torch.zeros(3)),
        lambda: Instances((4, 5), torch.zeros(3, 4), torch.zeros(2), torch.zeros(3)),
        lambda: Targets(torch.zeros(2, 4), torch.zeros(3)),
        lambda: Targets(torch.zeros(2, 4), torch.zeros(2), BitMasks(torch.zeros(1, 4, 4, dtype=torch.bool))),
        lambda: Frame(np.zeros((4, 4)), 0, 0, Fraction(1, 25)),
        lambda: Frame(np.zeros((4, 4, 3), dtype=np.float32), 0, 0, Fraction(1, 25)),
        lambda: ImageBatch(torch.zeros(2, 3, 4, 4), [(4, 4)], [(4, 4)]),
    ],
)
def test_what_does_not_fit_is_refused(make) -> None:
    with pytest.raises(ValueError, match=r"rows|must be|uint8|sizes"):
        make()


def test_targets_fill_in_what_is_not_said() -> None:
    boxes, labels = torch.zeros(2, 4), torch.zeros(2, dtype=torch.int64)
    assert Targets(boxes, labels).has_mask.tolist() == [False, False]
    with_masks = Targets(boxes, labels, BitMasks(torch.zeros(2, 4, 4, dtype=torch.bool)))
    assert with_masks.has_mask.tolist() == [True, True]
    assert with_masks.is_crowd.tolist() == [False, False]


def test_time_of_a_frame() -> None:
    frame = Frame(np.zeros((2, 3, 3), dtype=np.uint8), 7, 3003, Fraction(1, 30000))
    assert frame.time == pytest.approx(0.1001)
    assert frame.image_hw == (2, 3)


def test_repr_shows_shapes() -> None:
    text = repr(instances(2))
    assert "boxes=float32[2, 4]" in text
    assert "masks=BitMasks(2)" in text
    assert "track_ids" not in text
