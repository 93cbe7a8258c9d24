"""Reading COCO's instance annotations: every mistake a file can hold is found here and named with file and id.

https://cocodataset.org/#format-data. Which annotations are left out follows mmdetection 3.3, but an object that lies
wholly outside its image is an error here, where the reference drops it silently.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from queryinst_vis.errors import UserError
from queryinst_vis.ops import rle as rle_ops

_REQUIRED = {
    "images": ("id", "file_name", "width", "height"),
    "annotations": ("id", "image_id", "category_id", "bbox"),
    "categories": ("id", "name"),
}


class DatasetError(UserError):
    """Annotations or images that cannot be used, named by file and id."""


def read_coco(path: str | Path) -> dict[str, list[dict[str, Any]]]:
    """Lists of `images`, `annotations` and `categories`, with the keys that are needed, unique ids and valid references.

    A file without annotations (a test set) gives an empty list. Raises DatasetError.
    """
    try:
        content = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError
        raise DatasetError(f"{path}: not a JSON file: {error}") from None
    return check_coco(content, name=str(path))


def check_coco(content: Any, *, name: str) -> dict[str, list[dict[str, Any]]]:
    """The same for content already parsed; `name` stands for the file in messages."""
    if not isinstance(content, dict):
        raise DatasetError(f"{name}: not COCO annotations: expected an object with images, annotations and categories")
    tables = {key: _rows(content, key, name) for key in _REQUIRED}
    if not tables["images"]:
        raise DatasetError(f"{name}: lists no image")
    image_ids = {image["id"] for image in tables["images"]}
    category_ids = {category["id"] for category in tables["categories"]}
    for annotation in tables["annotations"]:
        where = f"{name}: annotation {annotation['id']} of image {annotation['image_id']}"
        if annotation["image_id"] not in image_ids:
            raise DatasetError(f"{where}: the file lists no image of that id")
        if annotation["category_id"] not in category_ids:
            raise DatasetError(f"{where}: unknown category {annotation['category_id']}, the file lists {sorted(category_ids)}")
    return tables


def _rows(content: dict[str, Any], key: str, name: str) -> list[dict[str, Any]]:
    rows = content.get(key, [] if key == "annotations" else None)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DatasetError(f"{name}: not COCO annotations: expected a list of objects under {key!r}")
    seen = set()
    for position, row in enumerate(rows):
        missing = [field for field in _REQUIRED[key] if field not in row]
        if missing:
            raise DatasetError(f"{name}: entry {position} of {key!r} (id {row.get('id')}) has no {missing[0]!r}")
        if row["id"] in seen:
            raise DatasetError(f"{name}: the id {row['id']} occurs twice in {key!r}")
        seen.add(row["id"])
    return rows


def usable_box(annotation: dict[str, Any], image_hw: tuple[int, int], *, name: str) -> tuple[float, ...] | None:
    """Box of an annotation, xyxy in pixels, clipped to the image; None when it is to be left out.

    Left out are annotations marked `ignore`, those with an area of 0 or less, and boxes narrower or lower than a pixel.
    Raises DatasetError for a box that is not four finite numbers or that lies wholly outside the image.
    """
    box = annotation["bbox"]
    where = f"{name}: annotation {annotation['id']} of image {annotation['image_id']}"
    try:
        x, y, width, height = map(float, box)
    except (TypeError, ValueError):
        raise DatasetError(f"{where}: bbox must be [x, y, width, height], got {box}") from None
    if not all(map(math.isfinite, (x, y, width, height))):
        raise DatasetError(f"{where}: bbox must be finite, got {box}")
    if annotation.get("ignore") or width < 1 or height < 1 or annotation.get("area", 1) <= 0:
        return None
    clipped = max(x, 0.0), max(y, 0.0), min(x + width, image_hw[1]), min(y + height, image_hw[0])
    if clipped[2] <= clipped[0] or clipped[3] <= clipped[1]:
        raise DatasetError(
            f"{where}: bbox {box} lies outside the image of {image_hw[1]} x {image_hw[0]} pixels; "
            'mend it, or set "ignore": true to leave it out'
        )
    return clipped


def has_mask(segmentation: Any) -> bool:
    """Whether an annotation's `segmentation` says anything: a code, or a polygon of three points or more."""
    return isinstance(segmentation, dict) or bool(_polygons(segmentation))


def encode_mask(segmentation: Any, image_hw: tuple[int, int]) -> rle_ops.RLE:
    """Compressed code of polygons or of a run-length code, compressed or not. ValueError when it does not fit the image."""
    height, width = image_hw
    if not isinstance(segmentation, dict):
        return coco_mask.merge(coco_mask.frPyObjects(_polygons(segmentation), height, width))
    size, counts = segmentation.get("size"), segmentation.get("counts")
    if size != [height, width]:
        raise ValueError(f"the mask's size {size} is not that of the image, {[height, width]}")
    if not isinstance(counts, list):
        return rle_ops.RLE(size=size, counts=counts)  # type: ignore[typeddict-item]
    if sum(counts) != height * width or min(counts) < 0:
        raise ValueError(f"the mask's runs cover {sum(counts)} pixels, the image has {height * width}")
    return coco_mask.frPyObjects(segmentation, height, width)


def decode_mask(segmentation: Any, image_hw: tuple[int, int]) -> np.ndarray:
    """bool [H, W] of the same."""
    return rle_ops.decode(encode_mask(segmentation, image_hw))


def _polygons(segmentation: Any) -> list[list[float]]:
    """Those that have three points or more and as many x as y."""
    if not isinstance(segmentation, list):
        return []
    return [polygon for polygon in segmentation if len(polygon) >= 6 and len(polygon) % 2 == 0]
