"""Annotations and results in YouTube-VIS's form, from dense masks."""

from collections.abc import Mapping

import numpy as np
from pycocotools import mask as coco_mask

from queryinst_vis.ops.rle import to_json

HEIGHT, WIDTH = 24, 32
Masks = list[np.ndarray | None]  # bool [H, W] per frame, None where the object is not there


def rectangle(x: int, y: int = 2, width: int = 8, height: int = 8) -> np.ndarray:
    """bool [H, W]."""
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[y : y + height, x : x + width] = True
    return mask


def annotations(*objects: tuple, lengths: Mapping[int, int] | None = None) -> dict:
    """Objects of (video id, category id 1 or 2, masks[, iscrowd]). lengths: of all videos, by default those of the objects."""
    lengths = lengths or {video_id: len(masks) for video_id, _, masks, *_ in objects}
    rows = [
        {"id": i, "video_id": v, "category_id": c, "iscrowd": crowd[0] if crowd else 0, "segmentations": list(map(_code, masks))}
        for i, (v, c, masks, *crowd) in enumerate(objects)
    ]
    categories = [{"id": 1, "name": "person"}, {"id": 2, "name": "animal"}]
    return {"videos": [_video(*item) for item in lengths.items()], "annotations": rows, "categories": categories}


def results(*tracks: tuple[int, int, Masks], score: float = 0.9) -> list[dict]:
    """Entries of tracks given as (video id, category id, masks)."""
    return [{"video_id": v, "category_id": c, "score": score, "segmentations": list(map(_code, masks))} for v, c, masks in tracks]


def _code(mask: np.ndarray | None) -> dict | None:
    return None if mask is None else to_json(coco_mask.encode(np.asfortranarray(mask.astype(np.uint8))))


def _video(video_id: int, num_frames: int) -> dict:
    names = [f"v{video_id}/{index:05}.jpg" for index in range(num_frames)]
    return {"id": video_id, "width": WIDTH, "height": HEIGHT, "length": num_frames, "file_names": names}
