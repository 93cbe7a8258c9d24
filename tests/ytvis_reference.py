"""Random YouTube-VIS sets, and second opinions on their average precision: one of dense masks and plain loops, mmdetection's."""

import contextlib
import importlib.util
import io
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask

NAMES = (
    *("AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large"),
    *("AR1", "AR10", "AR100", "AR_small", "AR_medium", "AR_large"),
)
LIMITS = ((0, 1e10), (0, 128**2), (128**2, 256**2), (256**2, 1e10))  # of the mean area: all, small, medium, large


def code_of(bitmap: np.ndarray) -> dict[str, Any]:
    """Compressed code of a bool [H, W]."""
    code = coco_mask.encode(np.asfortranarray(bitmap, dtype=np.uint8))
    return {"size": list(bitmap.shape), "counts": code["counts"].decode()}


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


# The same again by dense masks and plain loops


def brute_force(content: dict[str, Any], results: list[dict[str, Any]]) -> dict[str, float]:
    """The twelve numbers, straight from the description of the measure."""
    tables: dict[str, list[float]] = {name: [] for name in NAMES}
    for category in content["categories"]:
        for size, limits in zip(("", "_small", "_medium", "_large"), LIMITS, strict=True):
            videos = [
                _Scene(content, results, video, category, limits) for video in sorted(content["videos"], key=lambda v: v["id"])
            ]
            num_objects = sum(not ignored for scene in videos for ignored in scene.ignored)
            if not num_objects:
                continue
            for threshold in range(50, 100, 5):
                verdicts = [scene.verdicts(threshold / 100) for scene in videos]
                precision = _precisions([row for rows in verdicts for row in rows], num_objects)
                tables[f"AP{size}"] += precision
                if not size and threshold in (50, 75):
                    tables[f"AP{threshold}"] += precision
                for limit in (100,) if size else (1, 10, 100):
                    found = sum(verdict == "right" for rows in verdicts for _, verdict in rows[:limit])
                    tables[f"AR{size or limit}"].append(found / num_objects)
    return {name: sum(values) / len(values) if values else -1.0 for name, values in tables.items()}


class _Scene:
    """One category in one video."""

    def __init__(self, content: Any, results: Any, video: Any, category: Any, limits: tuple[float, float]) -> None:
        def here(row: dict[str, Any]) -> bool:
            return row["video_id"] == video["id"] and row["category_id"] == category["id"]

        objects = [row for row in content["annotations"] if here(row)]
        self.results = sorted(filter(here, results), key=lambda row: -row["score"])[:100]
        self.is_crowd = [bool(row.get("iscrowd")) for row in objects]
        areas = [_mean([area for area in row["areas"] if area]) for row in objects]
        self.ignored = [crowd or not limits[0] <= area <= limits[1] for crowd, area in zip(self.is_crowd, areas, strict=True)]
        truth = [_dense(row, video) for row in objects]
        found = [_dense(row, video) for row in self.results]
        areas = [_mean([area for area in masks.sum((1, 2)).tolist() if area]) for masks in found]
        self.outside = [not limits[0] <= area <= limits[1] for area in areas]
        self.iou = [[(a & b).sum() / max((a | b).sum(), 1) for b in truth] for a in found]

    def verdicts(self, threshold: float) -> list[tuple[float, str]]:
        """Score and fate of each result, best first."""
        free = set(range(len(self.ignored)))
        rows = []
        for result, iou, outside in zip(self.results, self.iou, self.outside, strict=True):
            within = [g for g in free if iou[g] >= threshold]
            choice = max([g for g in within if not self.ignored[g]] or within, key=lambda g: (iou[g], g), default=None)
            if choice is None:
                rows.append((result["score"], "nothing" if outside else "wrong"))
            else:
                rows.append((result["score"], "nothing" if self.ignored[choice] else "right"))
                free -= set() if self.is_crowd[choice] else {choice}
        return rows


def _dense(row: dict[str, Any], video: dict[str, Any]) -> np.ndarray:
    """bool [T, H, W]."""
    masks = np.zeros((len(video["file_names"]), video["height"], video["width"]), dtype=bool)
    for mask, item in zip(masks, row["segmentations"], strict=True):
        if item:
            is_plain = isinstance(item["counts"], list)
            mask[:] = coco_mask.decode(coco_mask.frPyObjects(item, *item["size"]) if is_plain else item)
    return masks


def _mean(values: list[int]) -> float:
    return sum(values) / len(values) if values else 0.0


def _precisions(rows: list[tuple[float, str]], num_objects: int) -> list[float]:
    """At 101 recalls, each the best precision from there on."""
    points, right, wrong = [], 0, 0
    for _, verdict in sorted(rows, key=lambda row: -row[0]):
        right, wrong = right + (verdict == "right"), wrong + (verdict == "wrong")
        points.append((right / num_objects, right / max(right + wrong, 1)))
    return [max((p for r, p in points if r >= recall), default=0.0) for recall in np.linspace(0, 1, 101)]


# mmdetection's


class MmdetEvaluator:
    """ytvis.py and ytviseval.py of mmdetection 3.3.0, loaded from its wheel alone; it is not installed."""

    def __init__(self, wheel: Path, folder: Path) -> None:
        with zipfile.ZipFile(wheel) as archive:
            names = [archive.extract(f"mmdet/evaluation/functional/{name}.py", folder) for name in ("ytvis", "ytviseval")]
        self.data, self.evaluation = map(_load, names)
        self.evaluation.np = SimpleNamespace(**vars(np), float=float)  # which numpy had until 1.24

    def truth(self, content: dict[str, Any]) -> Any:
        with contextlib.redirect_stdout(io.StringIO()):
            return self.data.YTVIS(content)

    def measure(self, truth: Any, results: list[dict[str, Any]]) -> dict[str, float]:
        """The twelve numbers; it changes both."""
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation = self.evaluation.YTVISeval(truth, truth.loadRes(results), "segm")
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        return dict(zip(NAMES, evaluation.stats.tolist(), strict=True))


def _load(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"mmdet_{Path(path).stem}", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def mmdet_evaluator(folder: Path) -> MmdetEvaluator:
    """Skips the test when the wheel cannot be fetched."""
    command = [sys.executable, "-m", "pip", "download", "mmdet==3.3.0", "--no-deps", "--quiet", "--dest", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot fetch mmdet 3.3.0: {done.stderr.strip().splitlines()[-1:]}")
    return MmdetEvaluator(next(folder.glob("mmdet-*.whl")), folder)
