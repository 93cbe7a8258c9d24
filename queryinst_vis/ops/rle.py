"""COCO run-length codes of masks, taken from the window they live in.

A code counts pixels down the columns of the whole image, zeros first. `encode_window` writes it from a small window of that image
and equals pycocotools.mask.encode of the full mask bit for bit, without ever making the full mask.
"""

from typing import TypedDict

import numpy as np
from pycocotools import mask as coco_mask


class RLE(TypedDict):
    """COCO's compressed code: `size` [height, width], `counts` as bytes."""

    size: list[int]
    counts: bytes


def encode_window(window: np.ndarray, top: int, left: int, image_hw: tuple[int, int]) -> RLE:
    """Code of an image that is zero outside a window.

    window: bool or uint8 [h, w]; its pixel (0, 0) is the image's (top, left), and it must lie inside the image of `image_hw`.
    """
    height, width = image_hw
    if top < 0 or left < 0 or top + window.shape[0] > height or left + window.shape[1] > width:
        raise ValueError(f"a window {window.shape} at row {top}, column {left} leaves the image of {height} x {width}")
    padded = np.zeros((window.shape[1], window.shape[0] + 2), dtype=np.int8)  # one row per column of the window
    padded[:, 1:-1] = np.asarray(window, dtype=bool).T
    steps = np.diff(padded, axis=1)  # +1 where a run starts, -1 one past its end
    start_columns, start_rows = np.nonzero(steps == 1)
    end_columns, end_rows = np.nonzero(steps == -1)
    starts = (left + start_columns) * height + top + start_rows
    ends = (left + end_columns) * height + top + end_rows
    if len(starts):  # a run that reaches the bottom goes on at the top of the next column
        split = np.concatenate([[True], starts[1:] != ends[:-1]])
        starts, ends = starts[split], ends[np.concatenate([split[1:], [True]])]
    return encode_runs(np.stack([starts, ends], axis=1).ravel(), image_hw)


def encode_runs(edges: np.ndarray, image_hw: tuple[int, int]) -> RLE:
    """Code of an image of (height, width) = `image_hw` whose runs are known.

    edges: int [2 R], ascending: where each run of set pixels starts and where it has ended, counted down the columns.
    """
    height, width = image_hw
    if not len(edges) or edges[-1] != height * width:
        edges = np.append(edges, height * width)
    counts = np.diff(edges, prepend=0)
    return coco_mask.frPyObjects({"size": [height, width], "counts": counts.tolist()}, height, width)


def decode(rle: RLE) -> np.ndarray:
    """bool [H, W] of a code, compressed (bytes or str counts) or not (a list of counts)."""
    if isinstance(rle["counts"], list):
        rle = coco_mask.frPyObjects(rle, *rle["size"])
    return coco_mask.decode(rle).astype(bool)


def to_json(rle: RLE) -> dict:
    """The same code with text instead of bytes, as JSON files want it."""
    counts = rle["counts"]
    return {"size": list(rle["size"]), "counts": counts.decode("ascii") if isinstance(counts, bytes) else counts}


def area(rle: RLE) -> int:
    """Pixels of a compressed code."""
    return int(coco_mask.area(rle))


def tight_box(rle: RLE) -> tuple[float, float, float, float]:
    """Left, top, width, height of the pixels of a compressed code; zeros for an empty one."""
    left, top, width, height = coco_mask.toBbox(rle).tolist()
    return left, top, width, height
