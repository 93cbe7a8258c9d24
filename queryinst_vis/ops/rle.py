"""COCO run-length codes of masks, made from their runs or from the window they live in.

A code counts pixels down the columns of the whole image, zeros first. Both ways give what pycocotools.mask.encode gives for the
full mask, bit for bit, without ever making that.
"""

from typing import TypedDict

import numpy as np
from pycocotools import mask as coco_mask

from queryinst_vis.ops.runs import runs_of_window


class RLE(TypedDict):
    """COCO's compressed code: `size` [height, width], `counts` as bytes."""

    size: list[int]
    counts: bytes


def encode_window(window: np.ndarray, top: int, left: int, image_hw: tuple[int, int]) -> RLE:
    """Code of an image that is zero outside a window.

    window: bool or uint8 [h, w]; its pixel (0, 0) is the image's (top, left), and it must lie inside the image of `image_hw`.
    """
    return encode_runs(runs_of_window(window, top, left, image_hw), image_hw)


def encode_runs(edges: np.ndarray, image_hw: tuple[int, int]) -> RLE:
    """Code of an image of (height, width) = `image_hw` whose runs are known.

    edges: int [2 R], ascending: where each run of set pixels starts and where it has ended, counted down the columns.
    """
    height, width = image_hw
    if not len(edges) or edges[-1] != height * width:
        edges = np.append(edges, height * width)
    counts = edges.astype(np.uint32)
    counts[1:] -= counts[:-1]
    return coco_mask.frPyObjects({"size": [height, width], "counts": counts}, height, width)


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
