"""The official YouTube-VIS evaluator, run from a checkout of https://github.com/youtubevos/cocoapi beside our pycocotools.

Its two Python files are loaded as they are. What current Python and numpy no longer have is given to them: `unicode`, `np.float`,
and an np.linspace that takes a count of 10.0. docs/evaluation.md says why it cannot be installed as it is.
"""

import contextlib
import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from queryinst_vis.data.coco_json import encode_mask, has_mask
from queryinst_vis.errors import UserError
from queryinst_vis.evaluation.video_scores import VideoScores
from queryinst_vis.evaluation.ytvis_results import Result

ADDRESS = "https://github.com/youtubevos/cocoapi"
_FILES = ("ytvos", "ytvoseval")
_PACKAGE = "_youtube_vis_api"  # not `pycocotools`, which is its own name for itself


class OfficialEvaluator:
    """The evaluator of a checkout. UserError: `checkout` is none, or its files cannot be loaded."""

    def __init__(self, checkout: str | Path) -> None:
        folder = Path(checkout) / "PythonAPI" / "pycocotools"
        missing = [name for name in _FILES if not (folder / f"{name}.py").is_file()]
        if missing:
            raise UserError(f"{checkout} has no PythonAPI/pycocotools/{missing[0]}.py; get it by: git clone {ADDRESS}")
        self._data, self._evaluation = _load(folder)

    def measure(self, content: Mapping[str, Any], results: Sequence[Result]) -> VideoScores:
        """Scores of results that fit their videos; content as read_ytvis gives it. UserError: there are no results."""
        if not results:
            raise UserError("the official evaluator fails on an empty list of results")
        with contextlib.redirect_stdout(io.StringIO()):
            truth = self._data.YTVOS()
            truth.dataset = {**content, "annotations": _completed(content)}
            truth.createIndex()
            found = truth.loadRes([{**result, "segmentations": list(result["segmentations"])} for result in results])
            evaluation = self._evaluation.YTVOSeval(truth, found, "segm")
            evaluation.evaluate()
            evaluation.accumulate()
        categories = sorted(content["categories"], key=lambda category: category["id"])
        precision, recall = evaluation.eval["precision"], evaluation.eval["recall"]  # [T, R, K, A, M], [T, K, A, M]
        return VideoScores(categories, precision[..., -1].transpose(2, 3, 0, 1), recall.transpose(1, 2, 3, 0))


class _OlderNumpy:
    """numpy as it was when the evaluator was written."""

    float = float

    @staticmethod
    def linspace(start: Any, stop: Any, num: Any, **options: Any) -> np.ndarray:
        return np.linspace(start, stop, int(num), **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


def _load(folder: Path) -> list[ModuleType]:
    package = ModuleType(_PACKAGE)
    package.__path__ = [str(folder)]
    package.mask = coco_mask  # type: ignore[attr-defined]
    with _removed_after({_PACKAGE: package, f"{_PACKAGE}.mask": coco_mask}):
        try:
            modules = [import_module(f"{_PACKAGE}.{name}") for name in _FILES]
        except Exception as error:  # whatever code of others may do
            raise UserError(f"{folder}: its evaluator cannot be loaded: {error}") from None
    for module in modules:
        module.np, module.unicode = _OlderNumpy(), str  # type: ignore[attr-defined]
    return modules


@contextlib.contextmanager
def _removed_after(modules: Mapping[str, ModuleType]) -> Iterator[None]:
    """Known to `import` inside the block, so that another checkout can be loaded later."""
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == _PACKAGE]:
            del sys.modules[name]


def _completed(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Annotations with what the evaluator needs and files may lack; copies, for it writes into them."""
    image_hws = {video["id"]: (video["height"], video["width"]) for video in content["videos"]}
    annotations = []
    for annotation in content["annotations"]:
        masks = list(annotation["segmentations"])
        areas = annotation.get("areas") or _areas(masks, image_hws[annotation["video_id"]])
        is_crowd = int(bool(annotation.get("iscrowd")))
        annotations.append({**annotation, "segmentations": masks, "areas": areas, "iscrowd": is_crowd})
    return annotations


def _areas(masks: Sequence[Any], image_hw: tuple[int, int]) -> list[int | None]:
    return [int(coco_mask.area(encode_mask(item, image_hw))) if has_mask(item) else None for item in masks]
