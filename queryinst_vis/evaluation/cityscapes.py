"""Cityscapes' average precision of objects as an mmengine metric, and its submission format.

Each image's results are matched as they come, so nothing as large as an image is kept.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from queryinst_vis.data.cityscapes_labels import LABEL_IDS
from queryinst_vis.data.cityscapes_submission import ScoredMask, text_name, write_results
from queryinst_vis.data.coco_json import DatasetError, read_coco
from queryinst_vis.data.sample import Sample
from queryinst_vis.evaluation.cityscapes_ap import CityscapesPrecision, Prediction
from queryinst_vis.evaluation.cityscapes_matches import Matches
from queryinst_vis.masks import Window
from queryinst_vis.ops.rle import encode_window
from queryinst_vis.registry import METRICS
from queryinst_vis.structures import Instances


@METRICS.register_module()
class CityscapesMetric(BaseMetric):
    """The benchmark's average precision (see cityscapes_ap.py), over all its classes, whether the model knows them or not.

    annotations: JSON of `convert-cityscapes`; classes: the model's names in label order, those of other names are left out;
    per_class: also report AP and AP50 of every class; output: folder to write a submission to; format_only: write it and measure
    nothing, for the test server; prefix: first part of the metrics' names, which are like `cityscapes/AP50`.
    """

    def __init__(
        self,
        annotations: str | Path,
        *,
        classes: Sequence[str],
        per_class: bool = True,
        output: str | Path | None = None,
        format_only: bool = False,
        prefix: str = "cityscapes",
    ) -> None:
        super().__init__(prefix=prefix)
        if format_only and output is None:
            raise ValueError("format_only needs `output`, the folder to write to")
        self.classes = tuple(classes)
        if not set(classes) & set(LABEL_IDS):
            raise DatasetError(f"Cityscapes has none of the classes {list(classes)}, only {list(LABEL_IDS)}")
        self.annotations = Path(annotations)
        self.output = None if output is None else Path(output)
        if self.output is not None:
            self._check_names()
            self.output.mkdir(parents=True, exist_ok=True)
        self._precision = None if format_only else CityscapesPrecision(annotations)
        self.per_class = per_class

    def process(self, data_batch: Sequence[Sample], data_samples: Sequence[Instances]) -> None:
        """Take the results for some images, in original pixels."""
        for sample, instances in zip(data_batch, data_samples, strict=True):
            found = self._found(instances)
            if self.output is not None:
                masks = [ScoredMask(LABEL_IDS[name], score, window) for name, score, window in found]
                write_results(self.output, sample.file_name, masks, instances.image_hw)
            matches = {} if self._precision is None else self._match(self._precision, sample.image_id, found, instances.image_hw)
            self.results.append({"image_id": sample.image_id, "matches": matches})

    def compute_metrics(self, results: list[dict[str, Any]]) -> dict[str, float]:
        """Numbers by name, like `AP_class/car`; none when only files are wanted."""
        by_image = {result["image_id"]: result["matches"] for result in results}  # an image may come twice from two processes
        if self.output is not None:
            print_log(f"wrote the results for {len(by_image)} images to {self.output}", logger="current")
        return {} if self._precision is None else self._precision.metrics(by_image, per_class=self.per_class)

    def names(self) -> list[str]:
        """Of the numbers to come."""
        return [] if self._precision is None else list(self._precision.metrics({}, per_class=self.per_class))

    def _found(self, instances: Instances) -> list[tuple[str, float, Window]]:
        """Class, score and mask of the results of Cityscapes' classes."""
        if len(instances) and instances.masks is None:
            raise ValueError("the model gives no masks; Cityscapes measures nothing else")
        windows = [] if instances.masks is None else instances.masks.windows()
        rows = zip(instances.labels.tolist(), instances.scores.tolist(), windows, strict=True)
        named = ((self.classes[label], score, window) for label, score, window in rows)
        return [row for row in named if row[0] in LABEL_IDS]

    def _match(
        self, precision: CityscapesPrecision, image_id: int, found: Sequence[tuple[str, float, Window]], image_hw: tuple[int, int]
    ) -> dict[str, Matches]:
        codes = [encode_window(window.bitmap, window.top, window.left, image_hw) for _, _, window in found]
        return precision.match(image_id, [Prediction(*row[:2], code) for row, code in zip(found, codes, strict=True)])

    def _check_names(self) -> None:
        names: dict[str, str] = {}
        for image in read_coco(self.annotations)["images"]:
            name = text_name(image["file_name"])
            if name in names:
                raise DatasetError(
                    f"{self.annotations}: the results for {image['file_name']} and {names[name]} would be one file"
                )
            names[name] = image["file_name"]
