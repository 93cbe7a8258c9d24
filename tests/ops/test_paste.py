"""Runs of pasted masks are those of the formula evaluated at every pixel, but for pixels that lie on the threshold."""

import itertools

import numpy as np
import pytest
import torch

from queryinst_vis.ops import paste
from queryinst_vis.ops.paste import paste_runs
from queryinst_vis.ops.runs import window_of_runs

NAN, INFINITE = float("nan"), float("inf")


def values_of(cells: torch.Tensor, box: torch.Tensor, image_hw: tuple[int, int]) -> np.ndarray:
    """Bilinear between the middles of the cells, zeros around them: float64 [H, W]."""
    x1, y1, x2, y2 = box.double().tolist()
    if not all(np.isfinite([x1, y1, x2, y2])) or x2 <= x1 or y2 <= y1:
        return np.zeros(image_hw)
    down, across = (
        np.maximum(1 - np.abs(((np.arange(size) + 0.5 - low) / (high - low) * count - 0.5)[:, None] - np.arange(count)), 0)
        for size, low, high, count in zip(image_hw, (y1, x1), (y2, x2), cells.shape, strict=True)
    )
    return down @ cells.double().numpy() @ across.T


def check(cells: torch.Tensor, boxes: torch.Tensor, image_hw: tuple[int, int], threshold: float = 0.5) -> int:
    """How many pixels are set."""
    found, num_set = paste_runs(cells, boxes, image_hw, threshold), 0
    assert len(found) == len(cells)
    for mask, box, edges in zip(cells.detach().float(), boxes, found, strict=True):
        assert edges.dtype == np.int64
        assert (np.diff(edges) > 0).all()
        assert len(edges) % 2 == 0
        assert not len(edges) or (edges[0] >= 0 and edges[-1] <= image_hw[0] * image_hw[1])
        values = values_of(mask, box, image_hw)
        top, left, bitmap = window_of_runs(edges, image_hw)
        pasted = np.zeros(image_hw, dtype=bool)
        pasted[top : top + bitmap.shape[0], left : left + bitmap.shape[1]] = bitmap
        assert ((pasted == (values >= threshold)) | (np.abs(values - threshold) < 1e-6)).all()
        num_set += int(pasted.sum())
    return num_set


def random_cells(rng: np.random.Generator, count: int) -> torch.Tensor:
    """Noise, soft shapes, hard ones, and some that are full or empty, of any size of the grid."""
    rows, columns = rng.integers(1, 30, 2)
    noise = rng.random((count, rows, columns))
    y, x = np.linspace(-1, 1, rows)[:, None], np.linspace(-1, 1, columns)
    soft = 1 / (1 + np.exp(rng.uniform(2, 40) * (np.hypot(x, y) - rng.uniform(0.2, 1.5, (count, 1, 1)))))
    kinds = [noise, soft, np.round(noise), np.ones_like(noise), np.zeros_like(noise), noise > 0.05]
    return torch.from_numpy(np.choose(rng.integers(0, len(kinds), (count, 1, 1)), kinds)).float()


def random_boxes(rng: np.random.Generator, count: int, image_hw: tuple[int, int]) -> torch.Tensor:
    """Inside, partly and wholly outside, of a hundredth of a pixel to a thousand images, some on whole pixels."""
    size = np.exp(rng.uniform(np.log(0.01), np.log(1000 * max(image_hw)), (count, 2)) * rng.choice([0.3, 0.7, 1], (count, 1)))
    centre = rng.uniform(-0.5, 1.5, (count, 2)) * (image_hw[1], image_hw[0])
    boxes = np.concatenate([centre - size / 2, centre + size / 2], axis=1)
    return torch.from_numpy(np.where(rng.random((count, 1)) < 0.3, boxes.round(), boxes))


@pytest.mark.parametrize("seed", range(30))
def test_random_masks_in_random_boxes(seed: int) -> None:
    rng, num_set = np.random.default_rng(seed), 0
    for _ in range(20):
        image_hw = (int(rng.integers(1, 90)), int(rng.integers(1, 90)))
        count = int(rng.integers(0, 9))
        threshold = float(rng.choice([0.5, 0.01, 0.3, 0.99]))
        num_set += check(random_cells(rng, count), random_boxes(rng, count, image_hw), image_hw, threshold)
    assert num_set > 1000


@pytest.mark.parametrize("most", [1, 50, 10**9])
def test_how_many_are_worked_on_together_changes_nothing(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    cells, boxes = torch.from_numpy(rng.random((40, 9, 9))), random_boxes(rng, 40, (60, 70))
    expected = paste_runs(cells, boxes, (60, 70), 0.5)
    monkeypatch.setattr(paste, "_MAX_COLUMNS", most)
    for one, other in zip(paste_runs(cells, boxes, (60, 70), 0.5), expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("probability_type", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("box_type", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_any_type_of_numbers(probability_type: torch.dtype, box_type: torch.dtype) -> None:
    rng = np.random.default_rng(1)
    cells = torch.from_numpy(rng.random((5, 6, 7))).to(probability_type).requires_grad_()
    assert check(cells, random_boxes(rng, 5, (40, 30)).clamp(-1e4, 1e4).to(box_type), (40, 30))


def test_numbers_that_are_no_box_show_nothing_and_spoil_nothing() -> None:
    numbers = (NAN, INFINITE, -INFINITE, 1e308, -1e308, 1e-310, 0.0, 5.0, 9.0)
    boxes = torch.tensor(list(itertools.product(numbers, repeat=4)), dtype=torch.float64)
    good = torch.tensor([[2.0, 3, 12, 15]], dtype=torch.float64)
    found = paste_runs(torch.ones(len(boxes) + 2, 3, 3), torch.cat([good, boxes, good]), (20, 30), 0.5)
    assert found[0].tolist() == found[-1].tolist() == paste_runs(torch.ones(1, 3, 3), good, (20, 30), 0.5)[0].tolist()
    for box, edges in zip(boxes.tolist(), found[1:-1], strict=True):
        if not np.isfinite(box).all() or box[2] <= box[0] or box[3] <= box[1]:
            assert len(edges) == 0


@pytest.mark.parametrize("worst", [NAN, INFINITE, -INFINITE, 3e38])
def test_numbers_that_are_no_probabilities_spoil_only_their_mask(worst: float) -> None:
    rng = np.random.default_rng(2)
    cells, boxes = torch.from_numpy(rng.random((3, 8, 8))).float(), torch.tensor([[1.5, 2, 25, 17]]).expand(3, 4)
    expected = paste_runs(cells, boxes, (20, 30), 0.5)
    cells[1, 2:4, 3:5] = worst
    found = paste_runs(cells, boxes, (20, 30), 0.5)
    assert [found[0].tolist(), found[2].tolist()] == [expected[0].tolist(), expected[2].tolist()]
    assert (np.diff(found[1]) > 0).all()
    assert found[1][-1] <= 600


@pytest.mark.parametrize("image_hw", [(0, 0), (0, 7), (7, 0)])
def test_a_picture_without_pixels(image_hw: tuple[int, int]) -> None:
    assert paste_runs(torch.ones(1, 3, 3), torch.tensor([[-5.0, -5, 5, 5]]), image_hw, 0.5)[0].tolist() == []


def test_a_full_picture_is_one_run() -> None:
    (edges,) = paste_runs(torch.ones(1, 28, 28), torch.tensor([[-90.0, -90, 190, 190]]), (50, 60), 0.5)
    assert edges.tolist() == [0, 3000]
