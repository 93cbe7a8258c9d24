"""COCO's average precision of boxes and masks: pycocotools' evaluation as a function from detections to named numbers.

Object sizes (APs, APm, APl) of masks are those of the masks, not of the boxes (mmdetection PR 4898).
"""

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from queryinst_vis.data.coco_json import DatasetError, check_coco, encode_mask, has_mask, read_coco

IouType = Literal["bbox", "segm"]
MAX_DETECTIONS = 100  # per image, as COCO counts


class AveragePrecision:
    """Measures detections against one set of annotations, as often as wanted.

    annotations: a COCO JSON file or its content. Raises DatasetError for unusable ones, and for objects without masks when these
    are to be measured.
    """

    def __init__(self, annotations: str | Path | dict[str, Any], *, iou_type: IouType) -> None:
        if iou_type not in get_args(IouType):
            raise ValueError(f"iou_type must be one of {get_args(IouType)}, got {iou_type!r}")
        self._name = "annotations" if isinstance(annotations, dict) else str(annotations)
        self._content = check_coco(annotations, name=self._name) if isinstance(annotations, dict) else read_coco(annotations)
        self._truth = _ground_truth(self._content, iou_type, self._name)
        self._iou_type = iou_type

    def __call__(
        self,
        detections: Sequence[dict[str, Any]],
        *,
        classes: Sequence[str] | None = None,
        groups: Sequence[str] = (),
        per_class: bool = False,
    ) -> dict[str, float]:
        """Numbers by name; see evaluate_coco."""
        _check_references(detections, self._content, self._name)
        evaluation = _run(self._truth, _results(detections, self._content, self._iou_type), self._iou_type)
        position = {category_id: k for k, category_id in enumerate(evaluation.params.catIds)}
        categories = [c for c in self._content["categories"] if classes is None or c["name"] in classes]
        metrics = _summary(evaluation, [position[c["id"]] for c in categories])
        for group in groups:
            members = [position[c["id"]] for c in categories if c.get("supercategory") == group]
            metrics |= _precisions(evaluation, members, suffix=f"_group/{group}")
        for category in categories if per_class else ():
            metrics |= _precisions(evaluation, [position[category["id"]]], suffix=f"_class/{category['name']}")
        return metrics

    def names(self, **options: Any) -> list[str]:
        """Of the numbers that a call with these options gives."""
        nothing = {**self._content, "images": self._content["images"][:1], "annotations": []}
        return list(AveragePrecision(nothing, iou_type=self._iou_type)([], **options))


def evaluate_coco(
    annotations: str | Path | dict[str, Any],
    detections: Sequence[dict[str, Any]],
    *,
    iou_type: IouType,
    classes: Sequence[str] | None = None,
    groups: Sequence[str] = (),
    per_class: bool = False,
) -> dict[str, float]:
    """Average precision of detections against COCO annotations (a file or its content).

    detections: dicts of image_id, category_id, score and bbox (xywh) or segmentation (a run-length code), in pixels of the
    original images. classes: names to average over, None for all of the file.
    Returns values in [0, 1], -1 where there is nothing to find: AP, AP50, AP75, APs, APm, APl, AR; for each super-category in
    `groups` (the mean over its classes) `AP_group/NAME` and `AP50_group/NAME`; with `per_class`, `AP_class/NAME` and
    `AP50_class/NAME`. Raises DatasetError for unusable annotations and for detections of unknown images or categories.
    """
    measure = AveragePrecision(annotations, iou_type=iou_type)
    return measure(detections, classes=classes, groups=groups, per_class=per_class)


def _check_references(detections: Sequence[dict[str, Any]], truth: dict[str, Any], name: str) -> None:
    for field, key in (("image_id", "images"), ("category_id", "categories")):
        unknown = {d[field] for d in detections} - {row["id"] for row in truth[key]}
        if unknown:
            raise DatasetError(f"{name}: detections name {field} {min(unknown)}, which is not listed under {key!r}")


def _ground_truth(truth: dict[str, Any], iou_type: IouType, name: str) -> COCO:
    """The annotations as pycocotools wants them, the caller's left as they are."""
    image_hws = {image["id"]: (image["height"], image["width"]) for image in truth["images"]}
    annotations = []
    for number, annotation in enumerate(truth["annotations"], start=1):  # an id of 0 would count as "not matched"
        row = {**annotation, "id": number, "iscrowd": int(bool(annotation.get("iscrowd")))}
        row.setdefault("area", annotation["bbox"][2] * annotation["bbox"][3])
        if iou_type == "segm":
            row["segmentation"] = _encode(annotation, image_hws[annotation["image_id"]], name)
        annotations.append(row)
    return _indexed(truth, annotations)


def _encode(annotation: dict[str, Any], image_hw: tuple[int, int], name: str) -> Any:
    where = f"{name}: annotation {annotation['id']} of image {annotation['image_id']}"
    segmentation = annotation.get("segmentation")
    if not has_mask(segmentation):
        raise DatasetError(f"{where}: has no mask; such a file can measure boxes only (iou type 'bbox')")
    try:
        return encode_mask(segmentation, image_hw)
    except (ValueError, TypeError) as error:
        raise DatasetError(f"{where}: its segmentation cannot be read: {error}") from None


def _results(detections: Sequence[dict[str, Any]], truth: dict[str, Any], iou_type: IouType) -> COCO:
    rows = []
    for number, detection in enumerate(detections, start=1):
        row = {key: detection[key] for key in ("image_id", "category_id", "score")} | {"id": number, "iscrowd": 0}
        if iou_type == "bbox":
            row |= {"bbox": detection["bbox"], "area": detection["bbox"][2] * detection["bbox"][3]}
        else:
            row |= {"segmentation": detection["segmentation"], "area": int(coco_mask.area(detection["segmentation"]))}
        rows.append(row)
    return _indexed(truth, rows)


def _indexed(truth: dict[str, Any], annotations: list[dict[str, Any]]) -> COCO:
    coco = COCO()
    coco.dataset = {"images": truth["images"], "categories": truth["categories"], "annotations": annotations}
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco


def _run(truth: COCO, results: COCO, iou_type: IouType) -> COCOeval:
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth, results, iou_type)
        evaluation.params.maxDets = [1, 10, MAX_DETECTIONS]
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def _summary(evaluation: COCOeval, classes: list[int]) -> dict[str, float]:
    """The usual numbers over some classes, given by position. Area ranges are all, small, medium, large."""
    precision = evaluation.eval["precision"][..., -1][:, :, classes]  # [IoU thresholds, recalls, classes, area ranges]
    recall = evaluation.eval["recall"][..., 0, -1][:, classes]
    metrics = _precisions(evaluation, classes)
    metrics["AP75"] = _mean(precision[5, :, :, 0])
    metrics |= {f"AP{letter}": _mean(precision[..., area]) for area, letter in enumerate("sml", start=1)}
    return metrics | {"AR": _mean(recall)}


def _precisions(evaluation: COCOeval, classes: list[int], *, suffix: str = "") -> dict[str, float]:
    precision = evaluation.eval["precision"][..., 0, -1][:, :, classes]
    return {f"AP{suffix}": _mean(precision), f"AP50{suffix}": _mean(precision[0])}


def _mean(values: np.ndarray) -> float:
    """Mean of what is defined (not -1); -1 when nothing is."""
    defined = values[values > -1]
    return float(defined.mean()) if defined.size else -1.0
