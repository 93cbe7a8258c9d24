"""A mask as the edges of its runs: where each run of set pixels starts, and where it has ended.

Pixels are counted down the columns of the image, as in COCO's codes, so pixel (row, column) has number column * height + row.
Edges are int64 [2 R], start, end, start, end ..., strictly ascending: runs that touch are one, and a run may go on from the
bottom of a column to the top of the next.
"""

from collections.abc import Sequence

import numpy as np


def runs_of_window(bitmap: np.ndarray, top: int, left: int, image_hw: tuple[int, int]) -> np.ndarray:
    """Edges of an image that is zero outside a window.

    bitmap: bool or uint8 [h, w]; its pixel (0, 0) is the image's (top, left), and it must lie inside the image of `image_hw`.
    """
    height, width = image_hw
    if top < 0 or left < 0 or top + bitmap.shape[0] > height or left + bitmap.shape[1] > width:
        raise ValueError(f"a window {bitmap.shape} at row {top}, column {left} leaves the image of {height} x {width}")
    padded = np.zeros((bitmap.shape[1], bitmap.shape[0] + 1), dtype=bool)  # one row per column of the window, and a gap behind
    padded[:, :-1] = bitmap.T
    line = padded.ravel()
    places = np.flatnonzero(line[1:] != line[:-1]) + 1
    if len(line) and line[0]:
        places = np.append(0, places)
    columns, rows = np.divmod(places, padded.shape[1])
    return join_runs((left + columns) * height + top + rows)


def join_runs(edges: np.ndarray) -> np.ndarray:
    """Edges of which an end may reach the next start: such runs become one."""
    is_kept = np.ones(len(edges) + 1, dtype=bool)
    is_kept[2:-1:2] = edges[2::2] > edges[1:-1:2]  # of the starts but the first
    is_kept[1:-2:2] = is_kept[2:-1:2]  # of the ends but the last
    return edges[is_kept[:-1]]


def area(edges: np.ndarray) -> int:
    """Pixels that are set."""
    return int(edges[1::2].sum() - edges[0::2].sum())


def overlaps(edges: np.ndarray, others: Sequence[np.ndarray]) -> np.ndarray:
    """Pixels that a mask shares with each of M others of the same image: int64 [M]."""
    if not len(others):
        return np.zeros(0, dtype=np.int64)
    places = np.concatenate(others)
    before = np.append(0, np.cumsum(edges[1::2] - edges[0::2]))  # pixels of the mask before each of its runs
    index = np.searchsorted(edges, places)  # odd inside a run
    shared = before[index >> 1]
    inside = np.flatnonzero(index & 1)
    shared[inside] += places[inside] - edges[index[inside] - 1]
    total = np.append(0, np.cumsum(shared[1::2] - shared[0::2]))
    last = np.cumsum([len(other) // 2 for other in others])
    return np.diff(total[last], prepend=0)


def tight_box(edges: np.ndarray, image_hw: tuple[int, int]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom around the pixels that are set, half open; zeros where there are none."""
    if not len(edges):
        return 0, 0, 0, 0
    return _tight_box(*_places(edges, image_hw), image_hw)


def window_of_runs(edges: np.ndarray, image_hw: tuple[int, int]) -> tuple[int, int, np.ndarray]:
    """The smallest window around the pixels that are set: top, left, bool [h, w]; its rows may lie apart in memory."""
    if not len(edges):
        return 0, 0, np.zeros((0, 0), dtype=bool)
    columns, rows = _places(edges, image_hw)
    left, top, right, bottom = _tight_box(columns, rows, image_hw)
    height, width = bottom - top, right - left
    flips = np.zeros((height + 1, -(-width // 8) * 8), dtype=np.uint8)  # a row below for ends, whole words for speed
    flips[rows - top, columns - left] = 1
    if height == image_hw[0]:
        flips[0, :width] ^= _runs_from_above(edges, np.arange(left, right) * height)
    words = flips.view(np.uint64)
    np.bitwise_xor.accumulate(words, axis=0, out=words)
    return top, left, flips[:height, :width].view(bool)


def _places(edges: np.ndarray, image_hw: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows of edges; an end is in the column of its run's last pixel, at the latest in the row below the image."""
    pixels = edges.copy()
    pixels[1::2] -= 1
    columns = pixels // image_hw[0]
    return columns, edges - columns * image_hw[0]


def _tight_box(columns: np.ndarray, rows: np.ndarray, image_hw: tuple[int, int]) -> tuple[int, int, int, int]:
    left, right = int(columns[0]), int(columns[-1]) + 1
    if (columns[0::2] != columns[1::2]).any():  # a run reaches a bottom and the next top
        return left, 0, right, image_hw[0]
    return left, int(rows[0::2].min()), right, int(rows[1::2].max())


def _runs_from_above(edges: np.ndarray, tops: np.ndarray) -> np.ndarray:
    """Whether a run of a column before goes on in each column: uint8. tops: numbers of the columns' first pixels."""
    started, ended = np.searchsorted(edges[0::2], tops), np.searchsorted(edges[1::2], tops, side="right")
    return (started - ended).astype(np.uint8)
