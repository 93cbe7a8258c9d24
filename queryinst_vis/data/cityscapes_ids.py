"""Cityscapes' instance images: one number per pixel for its label and object, read from PNG or drawn from polygons.

Drawing follows cityscapesScripts, preparation/json2instanceImg.py: the polygons in the order of the file, each over those before
it, by Pillow, whose rule for the pixels on an edge is part of the data set.
"""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw

from queryinst_vis.data.cityscapes_labels import IDS_PER_LABEL, LABEL_BY_NAME, LABELS, Label
from queryinst_vis.data.image_file import decode_file
from queryinst_vis.data.json_tables import DatasetError, is_whole, read_json
from queryinst_vis.ops.bounds import PIXELS

_GROUP = "group"
_KNOWN_IDS = [label.id for label in LABELS if label.id >= 0]
_FARTHEST = 1_000_000  # pixels, a polygon's point


def read_instance_ids(path: Path) -> np.ndarray:
    """int32 [H, W] of a `*_gtFine_instanceIds.png`. DatasetError: it is none."""
    ids = decode_file(path, cv2.IMREAD_UNCHANGED, place=str(path))
    if ids.ndim != 2:
        raise DatasetError(f"{path}: is a colour image, expected one number per pixel, as *_gtFine_instanceIds.png has")
    ids = ids.astype(np.int32)
    numbers = np.flatnonzero(np.bincount(ids.ravel()))
    unknown = set(np.where(numbers < IDS_PER_LABEL, numbers, numbers // IDS_PER_LABEL).tolist()) - set(_KNOWN_IDS)
    if unknown:
        raise DatasetError(f"{path}: holds the label {min(unknown)}, which Cityscapes has not; is it an instanceIds image?")
    return ids


def draw_instance_ids(path: Path) -> np.ndarray:
    """int32 [H, W] of a `*_gtFine_polygons.json`. DatasetError: it is none, or an object in it cannot be drawn."""
    content = read_json(path)
    width, height = (_side(content, name, path) for name in ("imgWidth", "imgHeight"))
    if problem := PIXELS.problem(width * height):
        raise DatasetError(f"{path}: {problem}")
    objects = content.get("objects")
    if not isinstance(objects, list):
        raise DatasetError(f"{path}: expected a list of objects under 'objects'")
    image = Image.new("I", (width, height), 0)
    draw = ImageDraw.Draw(image)
    counts: dict[str, int] = {}
    for position, item in enumerate(objects):
        where = f"{path}: object {position}"
        if not isinstance(item, dict):
            raise DatasetError(f"{where}: expected label and polygon, got {item!r:.40}")
        if item.get("deleted"):
            continue
        number = _number(item.get("label"), counts, where)
        if number >= 0:
            draw.polygon(_points(item.get("polygon"), where), fill=number)
    return np.array(image, dtype=np.int32)


def _side(content: Any, name: str, path: Path) -> int:
    value = content.get(name) if isinstance(content, dict) else None
    if not is_whole(value) or not 0 < value <= _FARTHEST:
        raise DatasetError(f"{path}: not polygons of Cityscapes: expected {name} as a whole number above 0, got {value!r}")
    return value


def _number(name: Any, counts: dict[str, int], where: str) -> int:
    """What an object's pixels get; counts: single objects so far, by label, brought up to date."""
    label, is_group = _label(name, where)
    if not label.has_instances or is_group:
        return label.id
    count = counts.get(label.name, 0)
    if count == IDS_PER_LABEL:
        raise DatasetError(f"{where}: is {label.name} number {count}, an image can tell {IDS_PER_LABEL} apart")
    counts[label.name] = count + 1
    return label.id * IDS_PER_LABEL + count


def _label(name: Any, where: str) -> tuple[Label, bool]:
    """A name, such as `car` or `cargroup`, as label and whether it is a group. `polegroup` is a label of its own."""
    if isinstance(name, str):
        for known, is_group in ((name, False), (name.removesuffix(_GROUP), True)):
            if known in LABEL_BY_NAME:
                return LABEL_BY_NAME[known], is_group
    raise DatasetError(f"{where}: Cityscapes has no label {name!r}")


def _points(polygon: Any, where: str) -> list[tuple[float, float]]:
    try:
        points = np.array(polygon, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        points = np.zeros(0)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2 or not (np.abs(points) <= _FARTHEST).all():
        raise DatasetError(
            f"{where}: its polygon must be a list of two or more points [x, y], numbers between -{_FARTHEST} and {_FARTHEST}"
        )
    return [(x, y) for x, y in polygon]
