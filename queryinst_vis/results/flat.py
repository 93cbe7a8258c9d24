"""Masks of a frame made to not overlap: a pixel that several want goes to the object with the highest score."""

from collections.abc import Sequence

import numpy as np

from queryinst_vis.ops import rle as rle_ops
from queryinst_vis.results.records import ObjectRecord


def flatten(objects: Sequence[ObjectRecord], image_hw: tuple[int, int]) -> np.ndarray:
    """int32 [H, W]: 0 where nothing is, else the object's place in the list + 1."""
    owner = np.zeros(image_hw, dtype=np.int32)
    for place in sorted(range(len(objects)), key=lambda place: objects[place].score):
        code = objects[place].code(image_hw)
        if code is not None:
            owner[rle_ops.decode(code)] = place + 1
    return owner


def flat_objects(objects: Sequence[ObjectRecord], image_hw: tuple[int, int]) -> list[ObjectRecord]:
    """The objects of which a pixel is left, with codes that do not overlap."""
    owner = flatten(objects, image_hw)
    codes = (encode_where(owner == place) for place in range(1, len(objects) + 1))
    return [item._replace(counts=counts) for item, counts in zip(objects, codes, strict=True) if counts is not None]


def encode_where(mask: np.ndarray) -> str | None:
    """Text of the code of a bool [H, W]; None when it is empty."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    window = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = mask.shape
    return rle_ops.encode_window(window, int(rows[0]), int(columns[0]), (height, width))["counts"].decode("ascii")
