"""Runs of many compressed codes at once."""

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from queryinst_vis.ops.run_pairs import run_pairs


def runs_of(bitmap: np.ndarray) -> list[int]:
    """Lengths of a bool [H, W] down its columns, zeros first."""
    flat = np.concatenate([[False], bitmap.ravel(order="F")])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    return np.diff([0, *edges, bitmap.size]).tolist()


def code_of(bitmap: np.ndarray) -> str:
    return coco_mask.encode(np.asfortranarray(bitmap, dtype=np.uint8))["counts"].decode()


def unpacked(codes: list[str]) -> list[list[int]]:
    """Runs of each code, without what only fills its last pairs."""
    zeros, ones, firsts = run_pairs(codes)
    lengths = [pairs.ravel().tolist() for pairs in np.split(np.stack([zeros, ones], axis=1), firsts[1:])]
    for runs in lengths:
        while len(runs) > 1 and not runs[-1]:
            runs.pop()
    return lengths


def test_equals_the_runs_of_bitmaps():
    rng = np.random.default_rng(0)
    bitmaps = []
    for _ in range(300):
        blocks = rng.random(rng.integers(1, 20, 2)) < rng.random()  # sometimes full, sometimes empty
        bitmaps.append(np.kron(blocks, np.ones(rng.integers(1, 60, 2))) > 0)
    assert unpacked([code_of(bitmap) for bitmap in bitmaps]) == [runs_of(bitmap) for bitmap in bitmaps]


@pytest.mark.parametrize("counts", [[1], [0, 1], [7, 3, 2, 9, 40_000_000, 1], [0, 500, 1, 2, 500_000_000, 3, 5]])
def test_single_codes(counts):
    code = coco_mask.frPyObjects({"size": [1, sum(counts)], "counts": counts}, 1, sum(counts))["counts"].decode()
    assert unpacked([code, code]) == [counts, counts]


def test_no_code_and_codes_of_nothing():
    assert [len(part) for part in run_pairs([])] == [0, 0, 0]
    assert unpacked(["", "5", ""]) == [[0], [5], [0]]


@pytest.mark.parametrize(
    ("code", "message"), [("P", "too early"), ("1 2", "no code"), ("ä", "no code"), ("p1", "no code"), ("PPPPPP0", "digits")]
)
def test_what_is_no_code(code, message):
    with pytest.raises(ValueError, match=message):
        run_pairs(["12", code, "3"])
