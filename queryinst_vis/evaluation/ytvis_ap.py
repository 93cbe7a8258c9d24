"""YouTube-VIS's average precision: COCO's, with tracks instead of masks and the IoU of whole tracks through their video.

arXiv 1905.04804, section 5. The numbers are those of the official evaluator (https://github.com/youtubevos/cocoapi);
docs/evaluation.md says where that one fails and this does not. Masks stay run-length codes.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from queryinst_vis.data.json_tables import DatasetError
from queryinst_vis.data.ytvis_json import check_ytvis, read_ytvis
from queryinst_vis.evaluation.annotated_tubes import annotated_objects
from queryinst_vis.evaluation.average_precision import (
    IOU_THRESHOLDS,
    MAX_RESULTS,
    RECALLS,
    SIZES,
    is_outside,
    match_by_size,
    precision_at_recalls,
)
from queryinst_vis.evaluation.ranking import Ranking, rank_results
from queryinst_vis.evaluation.tubes import MaskError, Tube, tube_iou, tubes_of
from queryinst_vis.evaluation.video_scores import VideoScores
from queryinst_vis.evaluation.ytvis_results import Result, check_results, describe_result

_CODES_AT_ONCE = 500  # about what fits into a processor's cache


class VideoAveragePrecision:
    """Measures results against one set of annotations, as often as wanted.

    annotations: a YouTube-VIS JSON file or its content. Raises DatasetError for unusable ones, and when they hold no object, like
    those of the public validation and test sets.
    """

    def __init__(self, annotations: str | Path | dict[str, Any]) -> None:
        name = "annotations" if isinstance(annotations, dict) else str(annotations)
        self._content = check_ytvis(annotations, name=name) if isinstance(annotations, dict) else read_ytvis(annotations)
        if not self._content["annotations"]:
            raise DatasetError(f"{name}: annotates no object, so nothing can be measured here; a server may have the annotations")
        self._videos = sorted(self._content["videos"], key=lambda video: video["id"])
        self._categories = sorted(self._content["categories"], key=lambda category: category["id"])
        self._objects = annotated_objects(self._content, name=name)

    def __call__(
        self, results: Sequence[Result], *, classes: Sequence[str] | None = None, per_class: bool = False
    ) -> dict[str, float]:
        """Numbers by name; see evaluate_ytvis."""
        scores = self.measure(results)
        metrics = scores.summary(classes)
        for category, numbers in zip(scores.categories, scores.per_category() if per_class else (), strict=per_class):
            if classes is None or category["name"] in classes:
                metrics |= {f"{name}_class/{category['name']}": numbers[name] for name in ("AP", "AP50")}
        return metrics

    def measure(self, results: Sequence[Result]) -> VideoScores:
        """What all numbers are made of. DatasetError: results that do not fit the videos."""
        check_results(results, self._content)
        ids = ([row["id"] for row in rows] for rows in (self._videos, self._categories))
        ranking = rank_results(results, *ids, limit=MAX_RESULTS[-1])
        is_found, is_ignored = self._judge(results, ranking)
        num_objects = self._num_objects()
        precision = np.full((*num_objects.shape, len(IOU_THRESHOLDS), len(RECALLS)), -1.0)
        recall = np.full((*num_objects.shape, len(MAX_RESULTS), len(IOU_THRESHOLDS)), -1.0)
        for k, a in np.argwhere(num_objects):
            rows = ranking.of_category(k)
            is_right, is_wrong = (is_found & ~is_ignored)[a][:, rows], (~is_found & ~is_ignored)[a][:, rows]
            precision[k, a] = precision_at_recalls(is_right, is_wrong, num_objects[k, a])
            right = [is_right[:, ranking.ranks[rows] < limit].sum(axis=1) for limit in MAX_RESULTS]
            recall[k, a] = np.array(right) / num_objects[k, a]
        return VideoScores(self._categories, precision, recall)

    def _num_objects(self) -> np.ndarray:
        """int64 [K, A], those to find of each category and size."""
        counts = {category["id"]: np.zeros(len(SIZES), dtype=np.int64) for category in self._categories}
        for (_, category_id), objects in self._objects.items():
            counts[category_id] += (~objects.is_ignored).sum(axis=1)
        return np.array(list(counts.values()))

    def _judge(self, results: Sequence[Result], ranking: Ranking) -> tuple[np.ndarray, np.ndarray]:
        """Both bool [A, T, N]: whether a result finds an object, and whether it counts neither as right nor as wrong."""
        is_found, is_ignored = np.zeros((2, len(SIZES), len(IOU_THRESHOLDS), len(ranking.places)), dtype=bool)
        mean_areas = np.zeros(len(ranking.places))
        for rows in ranking.by_video():
            video = self._videos[ranking.videos[rows.start]]
            tubes = self._tubes(results, ranking.places[rows].tolist(), video)
            for group in ranking.by_category(rows):
                objects = self._objects.get((video["id"], self._categories[ranking.categories[group.start]]["id"]))
                ious = []
                for row, tube in enumerate(islice(tubes, group.stop - group.start), group.start):
                    mean_areas[row] = tube.mean_area
                    ious.append([tube_iou(tube, other, at_least=IOU_THRESHOLDS[0]) for other in objects.tubes] if objects else [])
                if objects and any(map(any, ious)):
                    is_found[..., group], is_ignored[..., group] = match_by_size(ious, objects.is_ignored, objects.is_crowd)
        return is_found, is_ignored | (~is_found & is_outside(mean_areas)[:, None])

    def _tubes(self, results: Sequence[Result], places: Sequence[int], video: Mapping[str, Any]) -> Iterator[Tube]:
        """Of the results at these places in the list, which are all of one video."""
        image_hw = (video["height"], video["width"])
        at_once = max(1, _CODES_AT_ONCE // len(video["file_names"]))
        for begin in range(0, len(places), at_once):
            chosen = places[begin : begin + at_once]
            try:
                yield from tubes_of([results[place]["segmentations"] for place in chosen], image_hw)
            except MaskError as error:
                place = chosen[error.track]
                entry = describe_result(place, results[place], {video["id"]: video})
                raise DatasetError(f"results: {entry}: frame {error.frame}: its mask cannot be read: {error}") from None


def evaluate_ytvis(
    annotations: str | Path | dict[str, Any],
    results: Sequence[Result],
    *,
    classes: Sequence[str] | None = None,
    per_class: bool = False,
) -> dict[str, float]:
    """Average precision and recall of tracks against YouTube-VIS annotations (a file or its content).

    results: dicts of video_id, category_id, score and segmentations. classes: names to average over, None for all of the file.
    Returns values in [0, 1], -1 where there is nothing to find: AP, AP50, AP75, AP_small, AP_medium, AP_large, AR1, AR10, AR100,
    AR_small, AR_medium, AR_large; with `per_class` also `AP_class/NAME` and `AP50_class/NAME`. Raises DatasetError for unusable
    annotations and for results that do not fit them.
    """
    return VideoAveragePrecision(annotations)(results, classes=classes, per_class=per_class)
