"""How Cityscapes' benchmark of objects judges the results for one class, and its area under precision over recall.

- A result finds an object when their IoU is above the threshold. Of several that find the same one the best is right, the others
  are wrong.
- Groups, and objects of less than 100 pixels, are not looked for. A result that finds one is neither right nor wrong.
- A result that finds nothing is wrong, unless the share of its pixels on void, on groups and on small objects of its class is
  above the threshold. A small group's pixels count twice.
- Precision is measured at each score that occurs, and summed over recall by steps half way to the neighbouring points.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

OVERLAPS = np.arange(0.5, 1.0, 0.05)
MIN_REGION = 100  # pixels


@dataclass(frozen=True, slots=True)
class Matches:
    """Results of a class in one image, P of them, beside its G objects and groups. All areas in pixels.

    scores float64 [P]; areas, void int64 [P]: of the mask, and of its part on void; shared int64 [P, G]; true_areas int64 [G];
    is_group bool [G].
    """

    scores: np.ndarray
    areas: np.ndarray
    void: np.ndarray
    shared: np.ndarray
    true_areas: np.ndarray
    is_group: np.ndarray


def precisions(images: Sequence[Matches]) -> list[float]:
    """Average precision of a class at each overlap; nan when it has no object to find."""
    num_objects = sum(int(_is_counted(matches).sum()) for matches in images)
    if not num_objects:
        return [float("nan")] * len(OVERLAPS)
    found = []
    for overlap in OVERLAPS:
        right, wrong = zip(*(_judge(matches, overlap) for matches in images), strict=True)
        found.append(_average_precision(np.concatenate(right), np.concatenate(wrong), num_objects))
    return found


def _is_counted(matches: Matches) -> np.ndarray:
    return ~matches.is_group & (matches.true_areas >= MIN_REGION)


def _judge(matches: Matches, overlap: float) -> tuple[np.ndarray, np.ndarray]:
    """Scores of the results that are right, one for each object found, and of those that are wrong."""
    unions = matches.areas[:, None] + matches.true_areas - matches.shared
    finds = matches.shared / unions > overlap  # [P, G]
    counted = finds & _is_counted(matches)
    scores = np.where(counted, matches.scores[:, None], -np.inf)
    best = np.zeros_like(counted)
    objects = np.flatnonzero(counted.any(axis=0))
    if len(objects):
        best[scores.argmax(axis=0)[objects], objects] = True
    is_small = matches.true_areas < MIN_REGION
    ignored = matches.void + matches.shared @ (matches.is_group.astype(np.int64) + is_small)
    is_wrong = ~finds.any(axis=1) & (ignored / matches.areas <= overlap)
    return scores[best], np.concatenate([scores[counted & ~best], matches.scores[is_wrong]])


def _average_precision(right: np.ndarray, wrong: np.ndarray, num_objects: int) -> float:
    """Area under precision over recall. right, wrong: scores."""
    scores = np.concatenate([right, wrong])
    if not len(scores):
        return 0.0
    order = np.argsort(scores)
    before = np.concatenate([[0], np.cumsum(np.arange(len(scores))[order] < len(right))])  # right ones among the first n
    _, firsts = np.unique(scores[order], return_index=True)
    hits = len(right) - before[firsts]  # with a threshold at each score
    precision = np.append(hits / (len(scores) - firsts), 1.0)
    recall = np.append(hits / num_objects, 0.0)
    steps = np.concatenate([recall[:1], recall[:-1]]) - np.append(recall[1:], 0.0)
    return float(precision @ (0.5 * steps))
