"""Tracks as runs on one line, against dense masks."""

import numpy as np
import pytest
from ytvis_sets import code_of

from queryinst_vis.evaluation.tubes import MaskError, intersection, tube_iou, tubes_of

HW = (13, 17)


def random_track(rng: np.random.Generator, num_frames: int) -> tuple[list, np.ndarray]:
    """Codes and bool [T, H, W]; some frames full, empty or without a mask."""
    masks = rng.random((num_frames, *HW)) < rng.choice([0, 0.1, 0.5, 0.9, 1], (num_frames, 1, 1))
    codes = [code_of(mask) if mask.any() or rng.random() < 0.5 else None for mask in masks]
    return codes, masks


def test_areas_and_intersections_of_random_tracks():
    rng = np.random.default_rng(0)
    tracks, masks = zip(*(random_track(rng, 6) for _ in range(40)), strict=True)
    tubes = list(tubes_of(tracks, [HW] * len(tracks)))
    for tube, dense in zip(tubes, masks, strict=True):
        areas = dense.sum((1, 2))
        assert (tube.area, tube.num_visible) == (areas.sum(), (areas > 0).sum())
        assert tube.mean_area == (areas[areas > 0].mean() if areas.any() else 0)
    for a, a_masks in zip(tubes, masks, strict=True):
        for b, b_masks in zip(tubes, masks, strict=True):
            shared, either = (a_masks & b_masks).sum(), (a_masks | b_masks).sum()
            assert intersection(a, b) == shared
            assert tube_iou(a, b) == shared / max(either, 1)
            assert tube_iou(a, b, at_least=0.5) in ((shared / max(either, 1),) if 2 * shared >= either else (0, tube_iou(a, b)))


def test_blocks_change_nothing(monkeypatch):
    rng = np.random.default_rng(1)
    tracks = [random_track(rng, int(rng.integers(1, 9)))[0] for _ in range(30)]
    results = []
    for size in (1, 7, 2000):
        monkeypatch.setattr("queryinst_vis.evaluation.tubes._FRAMES_AT_ONCE", size)
        results.append([(tube.starts.tolist(), tube.ends.tolist(), tube.area) for tube in tubes_of(tracks, [HW] * 30)])
    assert results[0] == results[1] == results[2]


def test_tracks_without_masks():
    assert list(tubes_of([], [])) == []
    nothing, something = tubes_of([[None, None], [None, code_of(np.ones(HW))]], [HW, HW])
    assert (nothing.area, nothing.mean_area, len(nothing.starts)) == (0, 0, 0)
    assert something.area == 13 * 17
    assert tube_iou(nothing, something) == tube_iou(nothing, nothing) == 0


def test_more_than_32_bits():
    """Over ten thousand frames of a large video."""
    full = {"size": [1000, 1000], "counts": "0Pb`n0"}
    zeros, ones = tubes_of([[None] * 9_999 + [full], [full] * 10_000], [(1000, 1000)] * 2)
    assert ones.area == 10_000_000_000
    assert intersection(zeros, ones) == 1_000_000


def test_a_wrong_mask_is_named():
    good = code_of(np.ones(HW))
    with pytest.raises(MaskError, match="do not fill a frame of 13 x 17") as caught:
        list(tubes_of([[good] * 3, [good, None, {**good, "counts": "01"}]], [HW, HW]))
    assert (caught.value.track, caught.value.frame) == (1, 2)
