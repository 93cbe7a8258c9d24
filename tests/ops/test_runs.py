"""What follows from the edges of runs is what the dense mask says."""

import numpy as np
import pytest

from queryinst_vis.ops.runs import area, join_runs, overlaps, runs_of_window, tight_box, window_of_runs


def random_mask(rng: np.random.Generator) -> np.ndarray:
    """From empty to full, of one pixel to some hundreds, often with whole columns set."""
    mask = rng.random(rng.integers(1, 24, 2)) < rng.choice([0, 0.02, 0.5, 0.95, 1])
    mask[:, rng.random(mask.shape[1]) < rng.choice([0, 0.3])] = True
    return mask


def edges_of(mask: np.ndarray) -> np.ndarray:
    """By the definition."""
    return np.flatnonzero(np.diff(mask.T.ravel().astype(np.int8), prepend=0, append=0))


@pytest.mark.parametrize("seed", range(20))
def test_runs_and_windows_of_dense_masks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(100):
        mask = random_mask(rng)
        edges = runs_of_window(mask, 0, 0, mask.shape)
        np.testing.assert_array_equal(edges, edges_of(mask))
        assert area(edges) == mask.sum()
        top, left, bitmap = window_of_runs(edges, mask.shape)
        rebuilt = np.zeros_like(mask)
        rebuilt[top : top + bitmap.shape[0], left : left + bitmap.shape[1]] = bitmap
        np.testing.assert_array_equal(rebuilt, mask)
        assert tight_box(edges, mask.shape) == (left, top, left + bitmap.shape[1], top + bitmap.shape[0])
        assert not mask.any() or (bitmap[[0, -1]].any(1).all() and bitmap[:, [0, -1]].any(0).all())  # the smallest


@pytest.mark.parametrize("seed", range(5))
def test_a_window_inside_a_larger_image(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(100):
        small = random_mask(rng)
        top, left, below, right = rng.integers(0, 4, 4)
        mask = np.pad(small, ((top, below), (left, right)))
        np.testing.assert_array_equal(runs_of_window(small.view(np.uint8), top, left, mask.shape), edges_of(mask))


@pytest.mark.parametrize("seed", range(20))
def test_pixels_that_masks_share(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 24, 2))
    shares = rng.choice([0, 0.02, 0.5, 0.95, 1], rng.integers(0, 9))
    masks = [rng.random(shape) < share for share in shares]
    for mask in [*masks, np.zeros(shape, dtype=bool), np.ones(shape, dtype=bool)]:
        found = overlaps(edges_of(mask), [edges_of(other) for other in masks])
        assert found.tolist() == [(mask & other).sum() for other in masks]


@pytest.mark.parametrize(("height", "width"), [(0, 0), (0, 3), (3, 0)])
def test_nothing_in_nothing(height: int, width: int) -> None:
    edges = runs_of_window(np.zeros((height, width), dtype=bool), 0, 0, (height, width))
    assert len(edges) == 0
    assert area(edges) == 0
    assert tight_box(edges, (height, width)) == (0, 0, 0, 0)
    assert window_of_runs(edges, (height, width))[2].size == 0


@pytest.mark.parametrize(
    ("edges", "joined"), [([], []), ([3, 5], [3, 5]), ([3, 5, 5, 9, 10, 12], [3, 9, 10, 12]), ([0, 2, 2, 4, 4, 6], [0, 6])]
)
def test_runs_that_touch_become_one(edges: list[int], joined: list[int]) -> None:
    assert join_runs(np.array(edges, dtype=np.int64)).tolist() == joined
