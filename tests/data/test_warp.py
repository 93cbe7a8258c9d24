"""Affine maps of a sample: pixels, masks and boxes stay together."""

import math

import numpy as np
import pytest
import torch

from queryinst_vis.data.affine_motion import AffineMotion
from queryinst_vis.data.sample import Sample
from queryinst_vis.data.warp import warp
from queryinst_vis.errors import UserError
from queryinst_vis.masks import BitMasks
from queryinst_vis.structures import Targets

HW = (60, 80)
IDENTITY = np.array([[1.0, 0, 0], [0, 1, 0]])


def _shift(x: float, y: float) -> np.ndarray:
    return np.array([[1.0, 0, x], [0, 1, y]])


def _sample(*boxes, masks=True, crowd=False) -> Sample:
    """White rectangles (x1, y1, x2, y2) on black, each one an object."""
    bitmaps = torch.zeros((len(boxes), *HW), dtype=torch.bool)
    for bitmap, (x1, y1, x2, y2) in zip(bitmaps, boxes, strict=True):
        bitmap[y1:y2, x1:x2] = True
    image = (bitmaps.any(0) * 255).to(torch.uint8).expand(3, -1, -1)
    targets = Targets(
        torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        torch.arange(len(boxes)),
        BitMasks(bitmaps) if masks else None,
        is_crowd=torch.full((len(boxes),), crowd),
        track_ids=torch.arange(1, len(boxes) + 1),
        annotated_classes=torch.tensor([True, False]),
    )
    return Sample(image, targets, 5, HW, "a.jpg")


def test_identity_changes_nothing():
    sample = _sample((10, 20, 30, 40), (0, 0, 80, 60))
    same = warp(sample, IDENTITY)
    assert torch.equal(same.image, sample.image)
    assert torch.equal(same.targets.masks.tensor, sample.targets.masks.tensor)
    assert torch.equal(same.targets.boxes, sample.targets.boxes)
    assert (same.image_id, same.file_name, same.original_hw) == (5, "a.jpg", HW)
    assert same.targets.annotated_classes.tolist() == [True, False]


@pytest.mark.parametrize("masks", [True, False])
def test_shift_drops_what_leaves_and_keeps_identities(masks):
    moved = warp(_sample((0, 0, 10, 10), (40, 20, 60, 30), masks=masks), _shift(-20, 5)).targets
    assert moved.track_ids.tolist() == [2]
    assert moved.boxes.tolist() == [[20, 25, 40, 35]]
    assert moved.labels.tolist() == [1]
    if masks:
        assert moved.masks.boxes().tolist() == [[20, 25, 40, 35]]
        assert moved.masks.areas().tolist() == [200]
    else:
        assert moved.masks is None


@pytest.mark.parametrize("masks", [True, False])
@pytest.mark.parametrize(("min_visible", "crowd", "kept"), [(0.2, False, 1), (0.3, False, 0), (0.3, True, 1)])
def test_min_visible(masks, min_visible, crowd, kept):
    quarter = warp(_sample((0, 0, 20, 20), masks=masks, crowd=crowd), _shift(-15, 0), min_visible=min_visible)
    assert len(quarter.targets) == kept


def test_the_share_that_is_visible_does_not_depend_on_the_zoom():
    zoom = np.array([[3.0, 0, -30], [0, 3, -30]])  # a square of 20 at (0, 0) becomes one of 60 at (-30, -30): a quarter is left
    assert len(warp(_sample((0, 0, 20, 20)), zoom, min_visible=0.24).targets) == 1
    assert len(warp(_sample((0, 0, 20, 20)), zoom, min_visible=0.26).targets) == 0


@pytest.mark.parametrize("seed", range(8))
def test_masks_lie_where_the_picture_is_bright(seed):
    rng = np.random.default_rng(seed)
    matrix = AffineMotion(rotation=40, shear=0.3).draw(rng).matrix(rng.uniform(-1, 1), HW)
    moved = warp(_sample((20, 15, 60, 45)), matrix)
    mask, grey = moved.targets.masks.tensor[0], moved.image[0]
    disagree = mask != (grey > 127)
    assert disagree.float().mean() < 0.01  # bilinear against nearest, at the edge only
    assert ((grey[disagree] > 0) & (grey[disagree] < 255)).all()
    assert torch.equal(moved.targets.boxes, moved.targets.masks.boxes())


def test_boxes_enclose_the_turned_corners():
    turn = np.array([[0.0, -1, 70], [1, 0, -10]])  # a quarter turn: (x, y) -> (70 - y, x - 10)
    expected = [[30, 10, 50, 50]]
    assert warp(_sample((20, 20, 60, 40), masks=False), turn).targets.boxes.tolist() == expected
    assert warp(_sample((20, 20, 60, 40)), turn).targets.boxes.tolist() == expected


def test_objects_with_and_without_masks():
    sample = _sample((10, 10, 20, 20), (30, 30, 50, 50))
    sample.targets.has_mask = torch.tensor([True, False])
    sample.targets.masks.tensor[1] = False
    moved = warp(sample, _shift(5, 5)).targets
    assert moved.boxes.tolist() == [[15, 15, 25, 25], [35, 35, 55, 55]]
    assert moved.masks.areas().tolist() == [100, 0]
    assert moved.has_mask.tolist() == [True, False]


def test_nothing_to_map():
    assert len(warp(_sample(), _shift(3, 3)).targets) == 0
    assert len(warp(_sample(masks=False), _shift(3, 3)).targets) == 0


def test_gains_change_colours():
    bright = warp(_sample((10, 10, 20, 20)), IDENTITY, gains=np.array([0.5, 1.0, 2.0]))
    assert bright.image[:, 15, 15].tolist() == [128, 255, 255]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("hw", [(60, 80), (200, 40)])
def test_the_view_stays_inside_the_picture(seed, hw):
    path = AffineMotion(rotation=60, shear=0.5, zoom=(1.0, 1.5)).draw(np.random.default_rng(seed))
    for time in np.linspace(-3, 3, 25):
        matrix = path.matrix(time, hw)
        corners = np.array([[0, hw[1], 0, hw[1]], [0, 0, hw[0], hw[0]]]) - matrix[:, 2:]
        x, y = np.linalg.inv(matrix[:, :2]) @ corners
        assert x.min() > -1e-6
        assert x.max() < hw[1] + 1e-6
        assert y.min() > -1e-6
        assert y.max() < hw[0] + 1e-6


def test_far_frames_differ_more():
    near, far = [], []
    for seed in range(100):
        path = AffineMotion().draw(np.random.default_rng(seed))
        start = path.matrix(0, HW)
        near.append(np.abs(path.matrix(0.1, HW) - start).sum())
        far.append(np.abs(path.matrix(1, HW) - start).sum())
    assert np.mean(far) > 4 * np.mean(near) > 0


def test_motion_without_motion_is_a_zoom():
    still = AffineMotion(zoom=(2, 2), zoom_change=0, rotation=0, shear=0, travel=0, brightness=0, colour=0)
    path = still.draw(np.random.default_rng(0))
    assert np.allclose(path.matrix(0.7, (60, 80)), [[2, 0, -40], [0, 2, -30]])
    assert path.colour_gains(0.7).tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    "changes", [{"zoom": (0.5, 1)}, {"zoom": (2, 1)}, {"rotation": -1}, {"travel": 2}, {"brightness": math.nan}]
)
def test_motion_that_makes_no_sense(changes):
    with pytest.raises(UserError, match=f"AffineMotion: {next(iter(changes))} must be"):
        AffineMotion(**changes)
