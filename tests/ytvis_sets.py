"""YouTube-VIS annotations with results: a small set with known numbers, random ones, and large ones to time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask


def code_of(bitmap: np.ndarray) -> dict[str, Any]:
    """Compressed code of a bool [H, W]."""
    code = coco_mask.encode(np.asfortranarray(bitmap, dtype=np.uint8))
    return {"size": list(bitmap.shape), "counts": code["counts"].decode()}


# A small set of boxes with known numbers

HW = (240, 320)


def box(text: str, hw: tuple[int, int] = HW) -> dict | None:
    """Code of a box given as "x0,y0,x1,y1", half open; None for "-"."""
    if text == "-":
        return None
    x0, y0, x1, y1 = map(int, text.split(","))
    bitmap = np.zeros(hw, dtype=bool)
    bitmap[y0:y1, x0:x1] = True
    return code_of(bitmap)


def boxes(*texts: str) -> list[dict | None]:
    return [box(text) for text in texts]


def content_of(lengths: dict[int, int], annotations: list[tuple], num_categories: int = 3) -> dict:
    """lengths: frames of each video by id; annotations: (video, category, masks[, iscrowd]), with ids from 1."""
    videos = [
        {"id": v, "height": HW[0], "width": HW[1], "file_names": [f"{v}/{t}.jpg" for t in range(n)]} for v, n in lengths.items()
    ]
    rows = [
        {"id": number, "video_id": v, "category_id": c, "segmentations": masks, "iscrowd": sum(crowd)}
        for number, (v, c, masks, *crowd) in enumerate(annotations, start=1)
    ]
    categories = [{"id": c, "name": f"class {c}"} for c in range(1, num_categories + 1)]
    return {"videos": videos, "annotations": rows, "categories": categories}


def results_of(*rows: tuple[int, int, float, list]) -> list[dict]:
    """(video, category, score, masks) of each."""
    return [{"video_id": v, "category_id": c, "score": s, "segmentations": masks} for v, c, s, masks in rows]


TABLE = content_of(
    {1: 4, 2: 3},
    [
        (1, 1, boxes("10,10,60,60", "12,10,62,60", "-", "16,10,66,60")),
        (1, 1, boxes("-", *["100,50,300,200"] * 3)),
        (1, 2, boxes(*["200,20,240,60"] * 4)),
        (2, 1, boxes(*["0,0,320,240"] * 3)),
        (2, 2, boxes(*["50,50,100,100"] * 3), 1),
        (2, 2, boxes("150,50,200,120", "-", "150,50,200,120")),
    ],
)
TABLE_RESULTS = results_of(
    (1, 1, 0.90, boxes("10,10,60,60", "12,10,62,60", "14,10,64,60", "16,10,66,60")),
    (1, 1, 0.80, boxes("-", "110,50,300,200", "100,60,300,200", "-")),
    (1, 1, 0.95, boxes("12,12,60,60", "-", "-", "-")),
    (1, 2, 0.70, boxes("200,20,240,60", "200,20,240,60", "-", "204,20,244,60")),
    (1, 3, 0.60, boxes("0,0,10,10", "-", "-", "-")),
    (2, 1, 0.50, boxes("0,0,320,200", "0,0,320,220", "0,0,300,240")),
    (2, 2, 0.85, boxes("50,50,100,100", "50,50,100,95", "50,50,100,100")),
    (2, 2, 0.65, boxes("52,50,100,100", "50,50,100,100", "50,50,100,100")),
    (2, 2, 0.55, boxes("150,50,200,110", "150,50,200,110", "150,50,200,120")),
    (2, 2, 0.99, boxes("0,0,20,20", "-", "-")),
)


# Random sets


def random_set(rng: np.random.Generator, *, hw: tuple[int, int] = (270, 290)) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Annotations and results with what makes evaluation hard: ties, crowd, absent frames, all sizes, wrong categories."""
    videos = [_video(number, int(rng.integers(1, 5)), hw) for number in rng.permutation(9)[: rng.integers(1, 4)].tolist()]
    categories = [{"id": number, "name": f"class {number}"} for number in rng.permutation([1, 3, 4]).tolist()]
    tracks = []  # (video, category id, bool [T, H, W])
    annotations = []
    for video in videos:
        for _ in range(rng.integers(0, 4)):
            category = int(rng.choice([1, 3]))  # there is no object of 4
            masks = _masks(rng, len(video["file_names"]), hw)
            tracks.append((video, category, masks))
            annotations.append(_annotation(rng, len(annotations) + 1, video, category, masks))
    results = [_result(rng, videos, tracks, hw) for _ in range(rng.integers(0, 14))]
    order = rng.permutation(len(annotations))
    return {"videos": videos, "annotations": [annotations[n] for n in order], "categories": categories}, results


def _video(number: int, num_frames: int, hw: tuple[int, int]) -> dict[str, Any]:
    names = [f"{number}/{frame}.jpg" for frame in range(num_frames)]
    return {"id": number, "height": hw[0], "width": hw[1], "length": num_frames, "file_names": names}


def _masks(rng: np.random.Generator, num_frames: int, hw: tuple[int, int]) -> np.ndarray:
    """A box that grows and moves, a second one beside it now and then; absent in some frames."""
    masks = np.zeros((num_frames, *hw), dtype=bool)
    side = rng.choice([20, 100, 126, 130, 200, 256, 262])
    top, left = rng.integers(0, hw[0] - side, 2)
    for mask in masks:
        if rng.random() < 0.8:
            dy, dx, dh, dw = rng.integers(-4, 5, 4)
            mask[max(top + dy, 0) : top + side + dh, max(left + dx, 0) : left + side + dw] = True
            if rng.random() < 0.3:
                mask[:9, -9:] = True
    return masks


def _annotation(rng: np.random.Generator, number: int, video: dict[str, Any], category: int, masks: np.ndarray) -> dict[str, Any]:
    return {
        "id": number,
        "video_id": video["id"],
        "category_id": category,
        "iscrowd": int(rng.random() < 0.2),
        "segmentations": [_segmentation(rng, mask) for mask in masks],
        "areas": [int(mask.sum()) or None for mask in masks],
    }


def _segmentation(rng: np.random.Generator, mask: np.ndarray) -> Any:
    """One of the ways to write a mask; null for an empty one, or a code of nothing."""
    if not mask.any() and rng.random() < 0.7:
        return None
    if rng.random() < 0.5:
        return code_of(mask)
    edges = np.flatnonzero(np.diff(mask.ravel(order="F"), prepend=False, append=not mask[-1, -1]))
    return {"size": list(mask.shape), "counts": np.diff([0, *edges.tolist()]).tolist()}


def _result(
    rng: np.random.Generator, videos: Sequence[dict[str, Any]], tracks: Sequence[Any], hw: tuple[int, int]
) -> dict[str, Any]:
    """A track near an object, or anywhere."""
    if tracks and rng.random() < 0.85:
        video, category, masks = tracks[rng.integers(len(tracks))]
        masks = np.roll(masks, rng.choice([0, 0, 1, 5, 25], 2), axis=(1, 2))
        masks[rng.random(len(masks)) < 0.1] = False
    else:
        video = videos[rng.integers(len(videos))]
        category, masks = 1, _masks(rng, len(video["file_names"]), hw)
    return {
        "video_id": video["id"],
        "category_id": category if rng.random() < 0.8 else int(rng.choice([1, 3, 4])),
        "score": float(rng.choice([0.1, 0.3, 0.5, 0.9, rng.random()])),
        "segmentations": [code_of(mask) if mask.any() or rng.random() < 0.3 else None for mask in masks],
    }


def large_set(
    *,
    num_videos: int = 300,
    num_frames: int = 36,
    num_results: int = 10,
    num_objects: int = 5,
    of_one_kind: bool = True,
    hw: tuple[int, int] = (360, 640),
    num_categories: int = 40,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Ellipses on their way, and results near them, four in five of the right category. of_one_kind: all of a video are of one
    category, as animals often are; else each has its own."""
    rng = np.random.default_rng(0)
    videos = [_video(number, num_frames, hw) for number in range(1, num_videos + 1)]
    annotations, results = [], []
    for video in videos:
        kinds = rng.integers(1, num_categories + 1, 1 if of_one_kind else num_objects)
        objects = [(_path(rng, hw), int(kinds[number % len(kinds)])) for number in range(num_objects)]
        for path, category in objects:
            masks = _ellipses(rng, path, num_frames, hw)
            areas = [mask and int(coco_mask.area(mask)) for mask in masks]
            row = {"id": len(annotations) + 1, "iscrowd": 0, "segmentations": masks, "areas": areas}
            annotations.append({**row, "video_id": video["id"], "category_id": category})
        for number in range(num_results):
            path, category = objects[number % num_objects]
            near = path + np.array([*rng.normal(0, 0.02 * hw[0], 2), 0, 0, *rng.normal(0, 0.05, 2) * path[4:]])
            chosen = category if rng.random() < 0.8 else int(rng.integers(1, num_categories + 1))
            row = {"video_id": video["id"], "category_id": chosen, "score": float(rng.random())}
            results.append({**row, "segmentations": _ellipses(rng, near, num_frames, hw)})
    categories = [{"id": number, "name": f"class {number}"} for number in range(1, num_categories + 1)]
    return {"videos": videos, "annotations": annotations, "categories": categories}, results


def _path(rng: np.random.Generator, hw: tuple[int, int]) -> np.ndarray:
    """Centre x, y, speed x, y and radii of an ellipse, in pixels."""
    height, width = hw
    centre = rng.uniform((0.2 * width, 0.2 * height), (0.8 * width, 0.8 * height))
    return np.concatenate([centre, rng.normal(0, 0.01 * height, 2), height * np.exp(rng.uniform(-3.5, -1.2, 2))])


def _ellipses(rng: np.random.Generator, path: np.ndarray, num_frames: int, hw: tuple[int, int]) -> list[dict[str, Any] | None]:
    """Codes with a ragged outline; one frame in ten without."""
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    codes: list[dict[str, Any] | None] = []
    for frame in range(num_frames):
        outline = path[:2] + frame * path[2:4] + circle * path[4:] * rng.normal(1, 0.03, (48, 1))
        (code,) = coco_mask.frPyObjects([outline.ravel().tolist()], *hw)
        codes.append(None if rng.random() < 0.1 else {"size": list(hw), "counts": code["counts"].decode()})
    return codes
