"""YouTube-VIS's average precision: COCO's, with tracks instead of masks and the IoU of whole tracks through their video.

arXiv 1905.04804, section 5. The numbers are those of the official evaluator (https://github.com/youtubevos/cocoapi);
docs/evaluation.md says where that one fails and this does not. Masks stay run-length codes.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from queryinst_vis.data.json_tables import DatasetError
from queryinst_vis.data.ytvis_json import check_ytvis, describe_video, read_ytvis
from queryinst_vis.evaluation.annotated_tubes import AnnotatedObjects, annotated_objects
from queryinst_vis.evaluation.average_precision import (
    IOU_THRESHOLDS,
    MAX_RESULTS,
    RECALLS,
    SIZES,
    is_outside,
    match,
    precision_at_recalls,
)
from queryinst_vis.evaluation.ranking import Ranking, rank_results
from queryinst_vis.evaluation.tubes import MaskError, Tube, tube_iou, tubes_of
from queryinst_vis.evaluation.video_scores import VideoScores
from queryinst_vis.evaluation.ytvis_results import Result, check_results


class VideoAveragePrecision:
    """Measures results against one set of annotations, as often as wanted.

    annotations: a YouTube-VIS JSON file or its content; name: of the file in messages, where content is given. content: what
    read_ytvis gives. Raises DatasetError for unusable annotations, and when they hold no object, like those of the public
    validation and test sets.
    """

    def __init__(self, annotations: str | Path | dict[str, Any], *, name: str = "annotations") -> None:
        name = name if isinstance(annotations, dict) else str(annotations)
        self.content = check_ytvis(annotations, name=name) if isinstance(annotations, dict) else read_ytvis(annotations)
        if not self.content["annotations"]:
            raise DatasetError(f"{name}: annotates no object, so nothing can be measured here; a server may have the annotations")
        self._videos = sorted(self.content["videos"], key=lambda video: video["id"])
        self._categories = sorted(self.content["categories"], key=lambda category: category["id"])
        self._objects = annotated_objects(self.content, name=name)

    def __call__(
        self, results: Sequence[Result], *, classes: Sequence[str] | None = None, per_class: bool = False
    ) -> dict[str, float]:
        """Numbers by name; see evaluate_ytvis."""
        scores = self.measure(results)
        return scores.summary(classes) | (scores.per_class(classes) if per_class else {})

    def measure(self, results: Sequence[Result], *, name: str = "results") -> VideoScores:
        """What all numbers are made of. DatasetError: results that do not fit the videos; name: of their file, for messages."""
        check_results(results, self.content, name=name)
        ids = ([row["id"] for row in rows] for rows in (self._videos, self._categories))
        ranking = rank_results(results, *ids)
        is_right, is_wrong = self._judge(results, ranking, name)
        num_objects = self._num_objects()
        precision = np.full((*num_objects.shape, len(IOU_THRESHOLDS), len(RECALLS)), -1.0)
        recall = np.full((*num_objects.shape, len(MAX_RESULTS), len(IOU_THRESHOLDS)), -1.0)
        for k, a in np.argwhere(num_objects):
            best = [ranking.of_category(k, limit) for limit in MAX_RESULTS]
            precision[k, a] = precision_at_recalls(is_right[a][:, best[-1]], is_wrong[a][:, best[-1]], num_objects[k, a])
            recall[k, a] = [is_right[a][:, rows].sum(axis=1) / num_objects[k, a] for rows in best]
        return VideoScores(self._categories, precision, recall)

    def _num_objects(self) -> np.ndarray:
        """int64 [K, A], those to find of each category and size."""
        counts = {category["id"]: np.zeros(len(SIZES), dtype=np.int64) for category in self._categories}
        for (_, category_id), objects in self._objects.items():
            for is_ignored, sizes in objects.sizes.items():
                counts[category_id][sizes] += is_ignored.count(False)
        return np.array(list(counts.values()))

    def _judge(self, results: Sequence[Result], ranking: Ranking, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Which results are right and which are wrong, among the objects of each size; some are neither. Both bool [A, T, N]."""
        finds, finds_ignored = np.zeros((2, len(SIZES), len(IOU_THRESHOLDS), len(ranking.places)), dtype=bool)
        mean_areas = np.zeros(len(ranking.places))
        tubes = self._tubes(results, ranking, name)
        for rows in ranking.groups():
            group = list(islice(tubes, rows.stop - rows.start))
            mean_areas[rows] = [tube.mean_area for tube in group]
            video, category = self._videos[ranking.videos[rows.start]], self._categories[ranking.categories[rows.start]]
            if objects := self._objects.get((video["id"], category["id"])):
                _find(group[: MAX_RESULTS[-1]], objects, finds[..., rows], finds_ignored[..., rows])
        counts = ~np.where(finds, finds_ignored, is_outside(mean_areas)[:, None])
        return finds & counts, ~finds & counts

    def _tubes(self, results: Sequence[Result], ranking: Ranking, name: str) -> Iterator[Tube]:
        """Of the ranked results, in their order."""
        places = ranking.places.tolist()
        videos = [self._videos[video] for video in ranking.videos]
        image_hws = [(video["height"], video["width"]) for video in videos]
        try:
            yield from tubes_of([results[place]["segmentations"] for place in places], image_hws)
        except MaskError as error:
            entry = f"entry {places[error.track]} of {describe_video(videos[error.track])}"
            raise DatasetError(f"{name}: {entry}: frame {error.frame}: its mask cannot be read: {error}") from None


def _find(tubes: Sequence[Tube], objects: AnnotatedObjects, finds: np.ndarray, finds_ignored: np.ndarray) -> None:
    """Note in both, bool [A, T, D], which results of a video and category find an object, and which one that is ignored."""
    iou = [[tube_iou(tube, other, at_least=IOU_THRESHOLDS[0]) for other in objects.tubes] for tube in tubes]
    for is_ignored, sizes in objects.sizes.items():
        t, d, g = np.array(list(match(iou, is_ignored, objects.is_crowd)), dtype=np.int64).reshape(-1, 3).T
        where = np.array(sizes)[:, None], t, d
        finds[where], finds_ignored[where] = True, np.array(is_ignored)[g]


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
