"""Random transforms: sizes, ranges and that nothing but the generator decides."""

import numpy as np
import pytest
import torch

from queryinst_vis.data.sample import Sample
from queryinst_vis.data.transforms import (
    RandomChoice,
    RandomColour,
    RandomCrop,
    RandomFlip,
    RandomResizedCrop,
    RandomScale,
    RandomScaleRange,
    RandomShortSide,
)
from queryinst_vis.masks import BitMasks
from queryinst_vis.structures import Targets

MULTI_SCALE = RandomShortSide(range(480, 801, 32), long=1333)


def _sample(hw: tuple[int, int], boxes: list | None = None, *, masks: bool = True) -> Sample:
    """A ramp with full masks in whole-pixel boxes; by default one box in the middle."""
    height, width = hw
    boxes = [[width // 4, height // 4, width // 2, height // 2]] if boxes is None else boxes
    image = torch.arange(3 * height * width).remainder(251).to(torch.uint8).reshape(3, height, width)
    bitmaps = torch.zeros((len(boxes), height, width), dtype=torch.bool)
    for bitmap, (x1, y1, x2, y2) in zip(bitmaps, boxes, strict=True):
        bitmap[y1:y2, x1:x2] = True
    targets = Targets(
        torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4), torch.arange(len(boxes)), BitMasks(bitmaps) if masks else None
    )
    return Sample(image, targets, 1, hw, "x.png")


def _rngs(count: int):
    return map(np.random.default_rng, range(count))


TRANSFORMS = [
    RandomFlip(),
    RandomShortSide([20, 33, 50], long=90),
    RandomScale([(60, 40), (90, 50)]),
    RandomScaleRange(longs=(64, 96), shorts=(36, 48)),
    RandomCrop(10, 40),
    RandomResizedCrop((24, 40)),
    RandomColour(),
    RandomChoice([[RandomFlip(1.0)], [RandomCrop(10, 40), RandomShortSide([16], long=40)]]),
]


@pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda t: type(t).__name__)
@pytest.mark.parametrize("boxes", [None, []], ids=["object", "empty"])
@pytest.mark.parametrize("hw", [(48, 64), (64, 48), (1, 1)])
def test_contract(transform, boxes, hw):
    for seed in range(10):
        sample = _sample(hw, boxes)
        once, again = (transform(sample, np.random.default_rng(seed)) for _ in range(2))
        assert torch.equal(sample.image, _sample(hw, boxes).image)
        assert torch.equal(once.image, again.image)
        assert torch.equal(once.targets.boxes, again.targets.boxes)
        assert once.image.dtype == torch.uint8
        assert once.targets.masks.image_hw == once.image_hw
        height, width = once.image_hw
        assert (once.targets.boxes >= 0).all()
        assert (once.targets.boxes <= torch.tensor([width, height, width, height])).all()


@pytest.mark.parametrize(("probability", "flipped"), [(0.0, 0), (1.0, 40), (0.5, 20)])
def test_flip_probability(probability, flipped):
    sample = _sample((4, 6))
    count = sum(not torch.equal(RandomFlip(probability)(sample, rng).image, sample.image) for rng in _rngs(40))
    assert abs(count - flipped) <= (8 if 0 < probability < 1 else 0)


@pytest.mark.parametrize(
    ("hw", "short", "long", "expected"),
    [
        ((480, 640), 800, 1333, (800, 1067)),  # 640 * 5/3 = 1066.67
        ((640, 480), 800, 1333, (1067, 800)),
        ((427, 640), 800, 1333, (800, 1199)),
        ((200, 640), 800, 1333, (417, 1333)),  # the long side decides: 200 * 1333 / 640 = 416.56
        ((500, 333), 480, 1333, (721, 480)),  # 500 * 480 / 333 = 720.72
        ((1, 300), 16, 150, (1, 150)),  # never less than a pixel
    ],
)
def test_resize_rounds_like_the_reference(hw, short, long, expected):
    assert RandomShortSide([short], long=long)(_sample(hw, []), np.random.default_rng(0)).image_hw == expected


def test_multi_scale_draws_every_size():
    sides = {MULTI_SCALE(_sample((50, 60), []), rng).image_hw[0] for rng in _rngs(120)}
    assert sides == {480, 512, 544, 576, 608, 640, 672, 704, 736, 768, 800}


@pytest.mark.parametrize("hw", [(480, 640), (300, 700), (384, 384), (1000, 1000)])
def test_crop_range(hw):
    """Sides are uniform integers in [min(side, 384), min(side, 600)]: both ends occur."""
    transform, sample = RandomCrop(384, 600), _sample(hw, [], masks=False)
    sizes = np.array([transform(sample, rng).image_hw for rng in _rngs(1500)])
    for side, drawn in zip(hw, sizes.T, strict=True):
        low, high = min(side, 384), min(side, 600)
        assert (drawn.min(), drawn.max()) == (low, high)
        assert abs(drawn.mean() - (low + high) / 2) < 6


def test_crop_reaches_all_four_corners():
    sample = _sample((12, 10), [[0, 0, 1, 1], [9, 0, 10, 1], [0, 11, 1, 12], [9, 11, 10, 12]])
    seen = {tuple(RandomCrop(8, 8)(sample, rng).targets.labels.tolist()) for rng in _rngs(200)}
    assert {(0,), (1,), (2,), (3,), ()} <= seen


def test_choice_is_even():
    choice = RandomChoice([[RandomShortSide([side], long=100)] for side in (8, 16, 32)])
    drawn = [choice(_sample((10, 10)), rng).image_hw[0] for rng in _rngs(300)]
    assert all(70 < drawn.count(side) < 130 for side in (8, 16, 32))


def test_resized_crop_always_has_its_size_and_tight_boxes():
    sample = _sample((60, 80), [[10, 10, 40, 30], [0, 0, 80, 60], [70, 50, 80, 60]])
    transform = RandomResizedCrop((90, 150), zoom=(1.0, 3.0))
    for rng in _rngs(40):
        cut = transform(sample, rng)
        assert cut.image_hw == (90, 150)
        pixel = 150 / (80 / 3 / 1.25)  # the largest a pixel of the window can become
        assert ((cut.targets.boxes - cut.targets.masks.boxes()).abs() <= pixel + 1).all()
        assert (cut.targets.masks.areas() > 0).all()


def test_resized_crop_makes_cut_boxes_tight():
    """An L whose foot is cut off: what is left is as wide as its leg."""
    sample = _sample((40, 40), [[0, 0, 40, 40]])
    bitmap = sample.targets.masks.tensor[0]
    bitmap[:30, 5:] = False
    cut = RandomResizedCrop((20, 20), zoom=(2.0, 2.0), stretch=1.0, min_visible=0.0)
    boxes = [cut(sample, rng).targets.boxes.tolist() for rng in _rngs(60)]
    assert [] in boxes  # a window beside the L
    assert any(box[0][2] < 6 for box in boxes if box)


def test_resized_crop_zooms_within_its_range():
    sample = _sample((100, 100), [[0, 0, 100, 100]])
    for rng in _rngs(5):
        cut = RandomResizedCrop((50, 50), zoom=(2.0, 2.0), stretch=1.0, min_visible=0.0)(sample, rng)
        expected = sample.image.unfold(1, 50, 1).unfold(2, 50, 1)  # 50 x 50 windows need no scaling
        assert (expected == cut.image[:, None, None]).all(-1).all(-1).all(0).any()


def test_resized_crop_without_masks():
    sample = _sample((60, 80), [[10, 10, 40, 30], [0, 0, 80, 60]], masks=False)
    assert RandomResizedCrop((30, 30))(sample, np.random.default_rng(0)).targets.masks is None


def test_colour_of_zero_amount_is_nothing():
    sample = _sample((10, 12))
    same = RandomColour(brightness=0, contrast=0, saturation=0)(sample, np.random.default_rng(0))
    assert torch.equal(same.image, sample.image)
    changed = RandomColour()(sample, np.random.default_rng(0))
    assert not torch.equal(changed.image, sample.image)
    assert changed.targets is sample.targets


@pytest.mark.parametrize(
    "make",
    [
        lambda: RandomShortSide([], long=5),
        lambda: RandomShortSide([0, 3], long=5),
        lambda: RandomCrop(5, 4),
        lambda: RandomCrop(0, 4),
        lambda: RandomResizedCrop((5, 5), zoom=(0.5, 1)),
        lambda: RandomResizedCrop((5, 5), stretch=0.5),
    ],
)
def test_bad_arguments(make):
    with pytest.raises(ValueError, match="got"):
        make()


SIPMASK_VIS = RandomScaleRange(longs=(649, 960), shorts=(360, 480))


@pytest.mark.parametrize(
    ("transform", "hw", "expected"),
    [
        (RandomScale([(640, 360)]), (720, 1280), (360, 640)),
        (RandomScale([(640, 360)]), (1280, 720), (640, 360)),
        (RandomScale([(640, 360)]), (480, 640), (360, 480)),  # the short side decides
        (RandomScale([(640, 360)]), (300, 900), (213, 640)),  # the long side does: 300 * 640 / 900 = 213.3
        (RandomScaleRange(longs=(640, 640), shorts=(360, 360)), (720, 1280), (360, 640)),
    ],
)
def test_scale_keeps_the_ratio_inside_both_limits(transform, hw, expected):
    assert transform(_sample(hw, []), np.random.default_rng(0)).image_hw == expected


def test_one_of_the_scales():
    sizes = {RandomScale([(64, 36), (96, 48)])(_sample((72, 128), []), rng).image_hw for rng in _rngs(20)}
    assert sizes == {(36, 64), (48, 85)}


def test_long_and_short_limits_are_drawn_independently():
    """A square shows the limit of the short side, a strip that of the long one."""
    squares = [SIPMASK_VIS(_sample((50, 50), []), rng).image_hw[0] for rng in _rngs(300)]
    strips = [SIPMASK_VIS(_sample((5, 500), []), rng).image_hw[1] for rng in _rngs(300)]
    assert min(squares) < 363 <= 477 < max(squares) <= 480
    assert 649 <= min(strips) < 655 <= 954 < max(strips) <= 960
    assert abs(np.corrcoef(squares, strips)[0, 1]) < 0.15


@pytest.mark.parametrize(
    "make",
    [
        lambda: RandomScale([]),
        lambda: RandomScale([(360, 640)]),
        lambda: RandomScaleRange(longs=(960, 649), shorts=(360, 480)),
        lambda: RandomScaleRange(longs=(649, 960), shorts=(0, 480)),
    ],
)
def test_scales_that_make_no_sense(make):
    with pytest.raises(ValueError, match=r"pair|expected 1 <="):
        make()
