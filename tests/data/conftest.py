"""A small COCO data set made on the spot."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

CATEGORIES = [  # ids with gaps, not in the order of the labels
    {"id": 7, "name": "dog", "supercategory": "animal"},
    {"id": 3, "name": "person", "supercategory": "person"},
    {"id": 40, "name": "car", "supercategory": "vehicle"},
]


@pytest.fixture
def make_coco(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """make_coco(annotations, sizes=[(h, w), ...]) writes pictures of noise, ids 10, 11, ..., and the JSON; gives the paths."""

    def make(annotations: list[dict[str, Any]], *, sizes: list[tuple[int, int]] | None = None) -> dict[str, str]:
        folder = tmp_path / "images"
        folder.mkdir()
        images = []
        for image_id, (height, width) in enumerate(sizes or [(40, 60)], start=10):
            noise = np.random.default_rng(image_id).integers(0, 256, (height, width, 3), dtype=np.uint8)
            cv2.imwrite(str(folder / f"{image_id}.png"), noise)
            images.append({"id": image_id, "file_name": f"{image_id}.png", "height": height, "width": width})
        rows = [
            {"id": number, "image_id": 10, "category_id": 3, "iscrowd": 0} | annotation
            for number, annotation in enumerate(annotations, start=100)
        ]
        path = tmp_path / "annotations.json"
        path.write_text(json.dumps({"images": images, "annotations": rows, "categories": CATEGORIES}))
        return {"annotations": str(path), "images": str(folder)}

    return make
