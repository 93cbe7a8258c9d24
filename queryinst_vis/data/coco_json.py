"""Reading COCO's instance annotations: every mistake a file can hold is found here and named with file and id.

https://cocodataset.org/#format-data. Which annotations are left out follows mmdetection 3.3, but an object that lies
wholly outside its image is an error here, where the reference drops it silently.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from queryinst_vis.data.json_tables import DatasetError, Format, Rows, file_name_problem, is_whole, read_json, size_problem
from queryinst_vis.ops import rle as rle_ops
from queryinst_vis.ops.run_pairs import run_pairs

COCO_FORMAT = Format(
    name="COCO",
    required={
        "images": ("id", "file_name", "width", "height"),
        "annotations": ("id", "image_id", "category_id", "bbox"),
        "categories": ("id", "name"),
    },
    texts={"images": ("file_name",), "categories": ("name",)},
)

_FARTHEST = 1_000_000  # pixels, a polygon's point


def read_coco(path: str | Path) -> dict[str, Rows]:
    """Lists of `images`, `annotations` and `categories`, with the keys that are needed, unique ids and valid references.

    A file without annotations (a test set) gives an empty list. Raises DatasetError.
    """
    return check_coco(read_json(path), name=str(path))


def check_coco(content: Any, *, name: str) -> dict[str, Rows]:
    """The same for content already parsed; `name` stands for the file in messages."""
    tables, problems = sound_coco(content)
    if problems:
        raise DatasetError(f"{name}: {problems[0]}")
    return tables


def sound_coco(content: Any) -> tuple[dict[str, Rows], list[str]]:
    """The tables without rows that are wrong, and a line about each thing that is. What masks and boxes hold is not looked at."""
    if not isinstance(content, dict):
        return {}, ["not COCO annotations: expected an object with images, annotations and categories"]
    tables, problems = COCO_FORMAT.sound_tables(content)
    if not tables["images"]:
        problems.append("lists no image")
    image_problems = {image["id"]: size_problem(image) or file_name_problem(image["file_name"]) for image in tables["images"]}
    problems += [f"image {image_id}: {problem}" for image_id, problem in image_problems.items() if problem]
    image_ids = {image["id"] for image in tables["images"]}
    category_ids = {category["id"] for category in tables["categories"]}
    annotations = []
    for annotation in tables["annotations"]:
        if problem := _problem(annotation, image_ids, category_ids):
            problems.append(f"annotation {annotation['id']} of image {annotation['image_id']}: {problem}")
        else:
            annotations.append(annotation)
    images = [image for image in tables["images"] if not image_problems[image["id"]]]
    return tables | {"images": images, "annotations": annotations}, problems


def _problem(annotation: dict[str, Any], image_ids: set[int], category_ids: set[int]) -> str | None:
    for field in ("image_id", "category_id"):
        if not is_whole(annotation[field]):
            return f"{field} must be a whole number, got {annotation[field]!r}"
    if annotation["image_id"] not in image_ids:
        return "the file lists no image of that id"
    if annotation["category_id"] not in category_ids:
        return f"unknown category {annotation['category_id']}, the file lists {sorted(category_ids)}"
    if not isinstance(annotation.get("area", 0), int | float):
        return f"area must be a number, got {annotation['area']!r}"
    return segmentation_problem(annotation.get("segmentation") or [])


def segmentation_problem(segmentation: Any) -> str | None:
    """What is wrong with the kind of a mask; whether it fits its image, `encode_mask` finds out."""
    if isinstance(segmentation, dict) or (isinstance(segmentation, list) and all(isinstance(p, list) for p in segmentation)):
        return None
    return "segmentation must be a list of polygons [x, y, x, y, ...] or a run-length code {size, counts}"


def usable_box(annotation: dict[str, Any], image_hw: tuple[int, int], *, where: str) -> tuple[float, ...] | None:
    """Box of an annotation, xyxy in pixels, clipped to the image; None when it is to be left out. where: for messages.

    Left out are annotations marked `ignore`, those with an area of 0 or less, and boxes narrower or lower than a pixel.
    Raises DatasetError for a box that is not four finite numbers or that lies wholly outside the image.
    """
    box = annotation["bbox"]
    try:
        x, y, width, height = map(float, box)
    except (TypeError, ValueError, OverflowError):
        raise DatasetError(f"{where}: bbox must be [x, y, width, height], got {box!r:.100}") from None
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
        polygons = _polygons(segmentation)
        if not polygons:
            raise ValueError("no polygon of it has three points or more")
        if not all(_is_drawable(polygon) for polygon in polygons):
            raise ValueError(f"a polygon is made of numbers between -{_FARTHEST} and {_FARTHEST}")
        return coco_mask.merge(coco_mask.frPyObjects(polygons, height, width))
    size, counts = segmentation.get("size"), segmentation.get("counts")
    if size != [height, width]:
        raise ValueError(f"the mask's size {size} is not that of the image, {[height, width]}")
    if isinstance(segmentation, _CheckedCode):
        return rle_ops.RLE(size=size, counts=counts)  # type: ignore[typeddict-item]
    runs = np.array(counts) if isinstance(counts, list) else _runs(counts)
    if runs.dtype.kind != "i" or runs.ndim != 1:
        raise ValueError("counts must be a list of whole numbers")
    if runs.min() < 0 or runs.max() > height * width or runs.sum() != height * width:  # the second, as sums of giants wrap around
        # pycocotools would leave the rest of the picture uninitialised
        raise ValueError(f"the mask's runs cover {runs.sum()} pixels, the image has {height * width}")
    if isinstance(counts, list):
        return coco_mask.frPyObjects(segmentation, height, width)
    return rle_ops.RLE(size=size, counts=counts)  # type: ignore[typeddict-item]


class _CheckedCode(dict):
    """A compressed code that fits the size it states."""


def compress_code(value: dict[str, Any]) -> dict[str, Any]:
    """For `read_json`: a run-length code of numbers becomes text, anything else stays as it is, codes that fit nothing too.

    As Python objects the numbers of a file's masks take ten times the memory of the file.
    """
    if value.keys() != {"size", "counts"} or not isinstance(value["counts"], list):
        return value
    try:
        height, width = value["size"]
        return _CheckedCode(rle_ops.to_json(encode_mask(value, (height, width))))
    except (ValueError, TypeError, OverflowError):
        return value


def decode_mask(segmentation: Any, image_hw: tuple[int, int]) -> np.ndarray:
    """bool [H, W] of the same."""
    return rle_ops.decode(encode_mask(segmentation, image_hw))


def _polygons(segmentation: Any) -> list[list[float]]:
    """Those that have three points or more and as many x as y."""
    if not isinstance(segmentation, list):
        return []
    return [polygon for polygon in segmentation if len(polygon) >= 6 and len(polygon) % 2 == 0]


def _is_drawable(polygon: list[float]) -> bool:
    """pycocotools walks along every edge, however far it goes; on what is no number it crashes."""
    try:
        return bool((np.abs(np.array(polygon, dtype=np.float64)) <= _FARTHEST).all())
    except (ValueError, TypeError, OverflowError):
        return False


def _runs(counts: Any) -> np.ndarray:
    """Lengths of a compressed code's runs, in any order."""
    if not isinstance(counts, str):
        raise ValueError(f"counts must be a list of numbers or a text, got {type(counts).__name__}")
    pairs = run_pairs([counts])
    return np.concatenate([pairs.zeros, pairs.ones])
