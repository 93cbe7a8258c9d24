"""A small data set in YouTube-VIS JSON, written on the spot: pictures of noise, and annotations as a test wants them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as coco_mask

HW = (40, 60)
CATEGORIES = [  # ids with gaps and with 0, not in their order
    {"id": 7, "name": "dog"},
    {"id": 0, "name": "person"},
    {"id": 40, "name": "car"},
]


def polygon(x1: float, y1: float, x2: float, y2: float) -> list[list[float]]:
    """A box as a segmentation of one polygon."""
    return [[x1, y1, x2, y1, x2, y2, x1, y2]]


def compressed(x1: int, y1: int, x2: int, y2: int, hw: tuple[int, int] = HW) -> dict[str, Any]:
    """A box as a compressed code with text."""
    bitmap = np.zeros(hw, dtype=np.uint8, order="F")
    bitmap[y1:y2, x1:x2] = 1
    code = coco_mask.encode(bitmap)
    return {"size": list(hw), "counts": code["counts"].decode()}


def runs(x1: int, y1: int, x2: int, y2: int, hw: tuple[int, int] = HW) -> dict[str, Any]:
    """A box as a code of numbers."""
    bitmap = np.zeros(hw, dtype=np.uint8)
    bitmap[y1:y2, x1:x2] = 1
    flat = np.concatenate([[0], bitmap.ravel(order="F"), [2]])
    return {"size": list(hw), "counts": np.diff(np.flatnonzero(np.diff(flat)), prepend=0).tolist()}


def ytvis_content(
    annotations: Sequence[dict[str, Any]],
    *,
    videos: Sequence[tuple[str, int]] = (("walk", 4),),
    hw: tuple[int, int] = HW,
    first_id: int = 0,
) -> dict[str, Any]:
    """What the file holds. videos: (name, number of frames), with ids from `first_id`; annotations are given what they lack:
    an id from 100, the first video, the category person."""
    listed = [
        {
            "id": video_id,
            "height": hw[0],
            "width": hw[1],
            "length": length,
            "file_names": [f"{name}/{frame:05d}.png" for frame in range(length)],
        }
        for video_id, (name, length) in enumerate(videos, start=first_id)
    ]
    rows = [
        {"id": number, "video_id": first_id, "category_id": 0, "iscrowd": 0} | annotation
        for number, annotation in enumerate(annotations, start=100)
    ]
    return {"videos": listed, "annotations": rows, "categories": CATEGORIES}


def write_ytvis(folder: Path, content: dict[str, Any]) -> dict[str, str]:
    """Write the JSON, and a picture of noise for each frame; gives the paths as datasets take them."""
    for video in content["videos"]:
        for frame, file_name in enumerate(video["file_names"]):
            path = folder / "images" / file_name
            path.parent.mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng((video["id"], frame)).integers(0, 256, (video["height"], video["width"], 3))
            cv2.imwrite(str(path), noise.astype(np.uint8))
    path = folder / "annotations.json"
    path.write_text(json.dumps(content))
    return {"annotations": str(path), "images": str(folder / "images")}
