"""COCO's box and mask average precision as an mmengine metric.

Masks become run-length codes as they come, so nothing as large as an image is kept.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from queryinst_vis.data.coco_json import DatasetError, read_coco
from queryinst_vis.data.json_tables import list_pieces
from queryinst_vis.data.sample import Sample
from queryinst_vis.evaluation.coco_ap import MAX_DETECTIONS, AveragePrecision, IouType
from queryinst_vis.ops.boxes import xyxy_to_xywh
from queryinst_vis.ops.rle import to_json
from queryinst_vis.registry import METRICS
from queryinst_vis.structures import Instances


@METRICS.register_module()
class CocoMetric(BaseMetric):
    """Average precision on a COCO annotation file, of the classes that are in it and in `classes`.

    annotations: JSON file; classes: the model's names in label order; iou_types: "bbox", "segm" or both; groups and per_class:
    super-categories, and all classes singly, to report as well (see evaluate_coco); output: where to write the detections,
    `OUTPUT.bbox.json` and `OUTPUT.segm.json`; format_only: write them and measure nothing, for a test server; prefix: first part
    of the metrics' names, which are like `coco/segm_AP50`. What was written where is in `written`.
    """

    def __init__(
        self,
        annotations: str | Path,
        *,
        classes: Sequence[str],
        iou_types: Sequence[IouType] = ("bbox", "segm"),
        groups: Sequence[str] = (),
        per_class: bool = False,
        output: str | Path | None = None,
        format_only: bool = False,
        prefix: str = "coco",
    ) -> None:
        super().__init__(prefix=prefix)
        if format_only and output is None:
            raise ValueError("format_only needs `output`, the start of the names of the files to write")
        self.annotations = Path(annotations)
        ids = {category["name"]: category["id"] for category in read_coco(annotations)["categories"]}
        self.category_ids = [ids.get(name) for name in classes]  # by label; None: not in the file, so not measured
        if not any(category_id is not None for category_id in self.category_ids):
            raise DatasetError(f"{annotations}: none of its categories {sorted(ids)} is among the classes {list(classes)}")
        self.classes = tuple(classes)
        self.iou_types = tuple(iou_types)
        self.measures = {} if format_only else {kind: AveragePrecision(annotations, iou_type=kind) for kind in iou_types}
        self._options = {"classes": self.classes, "groups": tuple(groups), "per_class": per_class}
        self.output = output
        self.written: dict[IouType, Path] = {}

    def process(self, data_batch: Sequence[Sample], data_samples: Sequence[Instances]) -> None:
        """Take the detections of some images, in original pixels."""
        for sample, instances in zip(data_batch, data_samples, strict=True):
            detections = self._to_json(sample.image_id, instances)
            self.results.append({"image_id": sample.image_id, "detections": detections})

    def compute_metrics(self, results: list[dict[str, Any]]) -> dict[str, float]:
        """Numbers by name, like `segm_AP50`; none when only files are wanted."""
        by_image = {result["image_id"]: result["detections"] for result in results}  # an image may come twice from two processes
        detections = [detection for image in by_image.values() for detection in image]
        metrics: dict[str, float] = {}
        if not detections:
            print_log(f"{self.annotations}: nothing was detected in {len(by_image)} images", logger="current")
        for iou_type in self.iou_types:
            if self.output is not None:
                self._write(detections, iou_type)
            if iou_type in self.measures:
                metrics |= self._measure(detections, iou_type)
        return metrics

    def names(self) -> list[str]:
        """Of the numbers to come."""
        return [f"{kind}_{name}" for kind, measure in self.measures.items() for name in measure.names(**self._options)]

    def _to_json(self, image_id: int, instances: Instances) -> list[dict[str, Any]]:
        """The best detections of one image as COCO's dicts, with box and mask."""
        instances = instances[instances.scores.argsort(descending=True)[:MAX_DETECTIONS]]
        if "segm" in self.iou_types and len(instances) and instances.masks is None:
            raise ValueError("the model gives no masks; measure it with iou_types=('bbox',)")
        codes = instances.masks.rles() if "segm" in self.iou_types and instances.masks is not None else [None] * len(instances)
        rows = zip(
            instances.labels.tolist(), instances.scores.tolist(), xyxy_to_xywh(instances.boxes).tolist(), codes, strict=True
        )
        return [
            {
                "image_id": image_id,
                "category_id": self.category_ids[label],
                "score": score,
                "bbox": box,
                "segmentation": None if code is None else to_json(code),
            }
            for label, score, box, code in rows
            if self.category_ids[label] is not None
        ]

    def _measure(self, detections: list[dict[str, Any]], iou_type: IouType) -> dict[str, float]:
        return {f"{iou_type}_{name}": value for name, value in self.measures[iou_type](detections, **self._options).items()}

    def _write(self, detections: list[dict[str, Any]], iou_type: IouType) -> None:
        """Boxes and masks in separate files: with a box in it, a mask's size would be judged by the box."""
        path = Path(f"{self.output}.{iou_type}.json")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8") as file:
            file.writelines(list_pieces(_result(detection, iou_type) for detection in detections))
        self.written[iou_type] = path
        print_log(f"wrote {len(detections)} detections to {path}", logger="current")


def _result(detection: dict[str, Any], iou_type: IouType) -> str:
    """A detection as COCO's results have it, with as many digits as make a difference: servers limit the size of files."""
    row = {key: detection[key] for key in ("image_id", "category_id")} | {"score": float(f"{detection['score']:.6g}")}
    if iou_type == "segm":
        row["segmentation"] = detection["segmentation"]
    else:
        row["bbox"] = [round(side, 2) for side in detection["bbox"]]
    return json.dumps(row, separators=(",", ":"))
