"""The named numbers of YouTube-VIS, made of precision and recall."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from queryinst_vis.evaluation.average_precision import MAX_RESULTS, SIZES

_AP50, _AP75 = 0, 5  # places of the thresholds 0.5 and 0.75


@dataclass(frozen=True, slots=True)
class VideoScores:
    """Precision and recall of K categories, -1 where there is no object to find.

    categories: rows of an annotation file. precision: float64 [K, A, T, R], by size of the objects, IoU threshold and recall, of
    the best 100 results of each video and category. recall: float64 [K, A, M, T], M as MAX_RESULTS.
    """

    categories: Sequence[Mapping[str, Any]]
    precision: np.ndarray
    recall: np.ndarray

    def summary(self, classes: Sequence[str] | None = None) -> dict[str, float]:
        """The twelve numbers, means over the categories of these names, by default over all."""
        rows = self._rows(classes)
        precision, recall = self.precision[rows], self.recall[rows]
        by_size = list(enumerate(SIZES))[1:]
        return (
            _precisions(precision)
            | {f"AP_{size}": _mean(precision[:, a]) for a, size in by_size}
            | _recalls(recall)
            | {f"AR_{size}": _mean(recall[:, a, -1]) for a, size in by_size}
        )

    def per_category(self) -> dict[int, dict[str, float]]:
        """AP, AP50, AP75, AR1, AR10 and AR100 of each category, by id."""
        return {
            category["id"]: _precisions(self.precision[[k]]) | _recalls(self.recall[[k]])
            for k, category in enumerate(self.categories)
        }

    def per_class(self, classes: Sequence[str] | None = None) -> dict[str, float]:
        """`AP_class/NAME` and `AP50_class/NAME` of the categories of these names, by default of all."""
        metrics: dict[str, float] = {}
        for k in self._rows(classes):
            numbers = _precisions(self.precision[[k]])
            metrics |= {f"{name}_class/{self.categories[k]['name']}": numbers[name] for name in ("AP", "AP50")}
        return metrics

    def _rows(self, classes: Sequence[str] | None) -> list[int]:
        return [k for k, category in enumerate(self.categories) if classes is None or category["name"] in classes]


def _precisions(precision: np.ndarray) -> dict[str, float]:
    every_size = precision[:, 0]
    return {"AP": _mean(every_size), "AP50": _mean(every_size[:, _AP50]), "AP75": _mean(every_size[:, _AP75])}


def _recalls(recall: np.ndarray) -> dict[str, float]:
    return {f"AR{limit}": _mean(recall[:, 0, m]) for m, limit in enumerate(MAX_RESULTS)}


def _mean(values: np.ndarray) -> float:
    """Mean of what is defined (not -1); -1 when nothing is."""
    defined = values[values > -1]
    return float(defined.mean()) if defined.size else -1.0
