"""Put the small masks of boxes into the image: Mask R-CNN's pasting, straight to the runs of pixels that are set.

Sampling is that of mmdetection's `_do_paste_mask`: pixel centres, bilinear, zeros outside the box (grid_sample, align_corners
false). So down a column of the image the value is linear from the centre of one cell to the next, and where it crosses the
threshold follows without a look at the pixels: work grows with the width of a box, not with its area. A pixel whose value is
within 1e-6 of the threshold may come out either way.
"""

from collections.abc import Iterator

import numpy as np
from torch import Tensor

from queryinst_vis.ops.runs import join_runs

_MAX_COLUMNS = 4096  # worked on together, about, so that they stay in a processor's cache


def paste_runs(probabilities: Tensor, boxes: Tensor, image_hw: tuple[int, int], threshold: float) -> list[np.ndarray]:
    """The pixels of each mask that are at least `threshold`, which is above 0, as edges of runs (`ops/runs.py`).

    probabilities: float [N, h, w] over the boxes; boxes: [N, 4] xyxy in image pixels, which may leave the image. Boxes that are
    degenerate or not finite show nothing.
    """
    cells = probabilities.detach().cpu().float().numpy()
    corners = boxes.detach().cpu().double().numpy()
    edges: list[np.ndarray] = []
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        counts, lefts = _columns(corners, cells.shape, image_hw[1])
        for some in _groups(counts):
            edges += _paste(cells[some], corners[some], counts[some], lefts[some], image_hw, threshold)
    return edges


def _columns(corners: np.ndarray, shape: tuple[int, ...], width: int) -> tuple[np.ndarray, np.ndarray]:
    """How many columns of the image each mask can touch, half a cell around its box, and the first of them: int64 [N]."""
    scales = (shape[2], shape[1]) / (corners[:, 2:] - corners[:, :2])
    is_shown = ((scales > 0) & (scales < np.inf)).all(1)
    margins = 0.5 / scales[:, 0]
    lefts = np.where(is_shown, np.floor(corners[:, 0] - margins), 0).clip(0, width).astype(np.int64)
    rights = np.where(is_shown, np.ceil(corners[:, 2] + margins), 0).clip(0, width).astype(np.int64)
    return rights - lefts, lefts


def _groups(counts: np.ndarray) -> Iterator[slice]:
    """Masks that are worked on together, by their numbers of columns."""
    group = np.cumsum(counts) // _MAX_COLUMNS
    begins = np.flatnonzero(np.diff(group, prepend=-1)).tolist()
    yield from map(slice, begins, [*begins[1:], len(counts)])


def _paste(
    cells: np.ndarray, corners: np.ndarray, counts: np.ndarray, lefts: np.ndarray, image_hw: tuple[int, int], threshold: float
) -> list[np.ndarray]:
    """`paste_runs` of N masks with C columns together."""
    height, width = image_hw
    owner = np.repeat(np.arange(len(cells)), counts)  # [C], the mask of each column
    x = np.arange(len(owner)) + (lefts - np.cumsum(counts) + counts)[owner]
    values = _across(cells, corners, owner, x)
    columns, crossings = _crossings(values, threshold)  # in turns up and down
    low, side = corners[:, 1], corners[:, 3] - corners[:, 1]
    owner, x = owner[columns], x[columns]
    y = low[owner] + (crossings - 0.5) * (side / cells.shape[1])[owner] - 0.5  # the middle of row 0 is at 0
    y[0::2] = np.ceil(y[0::2])
    y[1::2] = np.floor(y[1::2]) + 1
    stride = height * width + 1  # of masks, so that their runs do not touch
    edges = y.clip(0, height).astype(np.int64) + owner * stride + x * height
    edges = join_runs(edges.reshape(-1, 2)[edges[0::2] < edges[1::2]].ravel())
    begins = np.arange(len(cells) + 1) * stride
    borders = np.searchsorted(edges, begins)
    return [edges[a:b] - begin for a, b, begin in zip(borders[:-1], borders[1:], begins, strict=False)]


def _across(cells: np.ndarray, corners: np.ndarray, owner: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Masks read at the middles of columns `x` of the image, at their own rows: float32 [C, h + 2], first and last are 0."""
    num_masks, rows, columns = cells.shape
    padded = np.zeros((num_masks, columns + 2, rows + 2), dtype=np.float32)
    padded[:, 1:-1, 1:-1] = cells.transpose(0, 2, 1)
    low, scale = corners[:, 0], columns / (corners[:, 2] - corners[:, 0])
    place = ((x + (0.5 - low)[owner]) * scale[owner] + 0.5).clip(0, columns + 1)  # the middle of padded column 0 is at 0
    before = np.minimum(place.astype(np.int64), columns)
    share = (place - before).astype(np.float32)[:, None]
    before += owner * (columns + 2)
    lines = padded.reshape(-1, rows + 2)
    values, steps = lines.take(before, axis=0), lines.take(before + 1, axis=0)
    steps -= values
    steps *= share
    values += steps
    return values


def _crossings(values: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Where lines through values [C, P], which begin and end below the threshold, cross it: columns, and the places in them."""
    line = values.ravel()
    is_set = line >= threshold
    before = np.flatnonzero(is_set[1:] != is_set[:-1])
    low, high = line[before].astype(np.float64), line[before + 1].astype(np.float64)
    columns, places = np.divmod(before, values.shape[1])
    return columns, places + np.fmax((threshold - low) / (high - low), 0)  # nan, of numbers that are no probabilities, is 0
