"""Results on Cityscapes as its server and its scripts take them: a text file for each image, and a PNG for each mask.

https://www.cityscapes-dataset.com/benchmarks/#instance-level-scene-labeling-task, and the head of cityscapesScripts'
evalInstanceLevelSemanticLabeling.py. The text files are found by CITY_SEQUENCE_FRAME, which their names begin with.
"""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from queryinst_vis.data.cityscapes import PICTURE_ENDING
from queryinst_vis.data.json_tables import DatasetError
from queryinst_vis.masks import Window

_ONE_BIT = [cv2.IMWRITE_PNG_BILEVEL, 1, cv2.IMWRITE_PNG_COMPRESSION, 6, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]


class ScoredMask(NamedTuple):
    """label_id: Cityscapes' number of the class."""

    label_id: int
    score: float
    window: Window


def frame_name(image: str) -> str:
    """CITY_SEQUENCE_FRAME of a picture, with which the names of its results begin. DatasetError: it is not called so."""
    stem = PurePosixPath(image).name.removesuffix(PICTURE_ENDING)
    if len(stem.split("_")) != 3 or any(character.isspace() for character in stem):
        raise DatasetError(f"{image}: is not called CITY_SEQUENCE_FRAME{PICTURE_ENDING}, as the names of a submission need it")
    return stem


def text_name(image: str) -> str:
    """Name of the text file for a picture, e.g. CITY_000000_000019_pred.txt. DatasetError: see frame_name."""
    return f"{frame_name(image)}_pred.txt"


def read_mask(path: Path) -> tuple[tuple[int, int], bool]:
    """(height, width) of a mask, and whether it is empty, as the scripts read it. DatasetError: no picture."""
    try:
        with Image.open(path) as picture:
            grey = picture if picture.mode in ("1", "L") else picture.convert("L")
            return picture.size[::-1], grey.getbbox() is None
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, SyntaxError, ValueError):
        raise DatasetError("not a picture that can be read") from None


def write_results(folder: Path, image: str, results: Iterable[ScoredMask], image_hw: tuple[int, int]) -> None:
    """Write one image's results to NAME_pred.txt and NAME_pred/, in place of earlier ones. Empty masks are left out.

    Masks have one bit per pixel, white where the object is, which makes the smallest files and the quickest.
    """
    text = folder / text_name(image)
    masks = text.with_suffix("")
    masks.mkdir(parents=True, exist_ok=True)
    for old in masks.glob("*.png"):
        old.unlink(missing_ok=True)  # another process may do the same
    lines = []
    canvas = np.zeros(image_hw, dtype=np.uint8)
    for number, (label_id, score, (top, left, bitmap)) in enumerate(results):
        if not bitmap.any():
            continue
        place = canvas[top : top + bitmap.shape[0], left : left + bitmap.shape[1]]
        place[bitmap] = 255
        name = f"{masks.name}/{number:03d}.png"
        _, png = cv2.imencode(".png", canvas, _ONE_BIT)
        (folder / name).write_bytes(png.tobytes())
        place[:] = 0
        lines.append(f"{name} {label_id} {score!r}\n")
    text.write_text("".join(lines), encoding="ascii")
