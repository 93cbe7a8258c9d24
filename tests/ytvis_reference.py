"""Second opinions on the average precision of tracks: dense masks in plain loops, and mmdetection's evaluator."""

import contextlib
import importlib.util
import io
import zipfile
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from mmdet_wheel import fetch_mmdet_wheel
from pycocotools import mask as coco_mask

NAMES = (
    *("AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large"),
    *("AR1", "AR10", "AR100", "AR_small", "AR_medium", "AR_large"),
)
LIMITS = ((0, 1e10), (0, 128**2), (128**2, 256**2), (256**2, 1e10))  # of the mean area: all, small, medium, large


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
    return MmdetEvaluator(fetch_mmdet_wheel(folder), folder)
