"""Matching results with objects, and precision from matches: COCO's rules as YouTube-VIS took them over.

The steps follow the official evaluator (https://github.com/youtubevos/cocoapi, PythonAPI/pycocotools/ytvoseval.py) down to the
order of floating-point operations, so that numbers agree to the last digits. A object sizes, T IoU thresholds, R recalls,
D results of one video and category by falling score, G objects.
"""

from collections.abc import Sequence

import numpy as np

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
# Least and largest mean area of a track over the frames that show it, in pixels, limits included.
SIZES = {"all": (0.0, 1e5**2), "small": (0.0, 128.0**2), "medium": (128.0**2, 256.0**2), "large": (256.0**2, 1e5**2)}
MAX_RESULTS = (1, 10, 100)  # of each video and category, for average recall
_LIMITS = np.array(list(SIZES.values()))
_EPS = np.spacing(1)


def is_outside(mean_areas: np.ndarray) -> np.ndarray:
    """Which tracks are not of each size: bool [A, N] for float64 [N]."""
    return (mean_areas < _LIMITS[:, :1]) | (mean_areas > _LIMITS[:, 1:])


def match_by_size(
    iou: Sequence[Sequence[float]], is_ignored: np.ndarray, is_crowd: Sequence[bool]
) -> tuple[np.ndarray, np.ndarray]:
    """Which results find an object, and which of these find one that is ignored: both bool [A, T, D].

    iou: [D, G]; is_ignored: bool [A, G]; is_crowd: [G], which are always ignored too.
    """
    matches = {ignored: match(iou, ignored, is_crowd) for ignored in set(map(tuple, is_ignored.tolist()))}
    found = np.stack([matches[ignored] for ignored in map(tuple, is_ignored.tolist())])  # int64 [A, T, D]
    is_ignored = np.pad(is_ignored, ((0, 0), (0, 1)))  # so that -1 is none
    return found >= 0, np.take_along_axis(is_ignored[:, None], found, axis=2)


def match(iou: Sequence[Sequence[float]], is_ignored: Sequence[bool], is_crowd: Sequence[bool]) -> np.ndarray:
    """Which object each result finds: int64 [T, D], -1 for none.

    A result takes the best object that nobody took and that reaches the threshold; of equals the last. Ignored objects are for
    results that find no other; crowd regions can be taken again and again.
    """
    found = np.full((len(IOU_THRESHOLDS), len(iou)), -1)
    candidates = [(d, row) for d, row in enumerate(iou) if max(row) >= IOU_THRESHOLDS[0]]
    order = sorted(range(len(is_ignored)), key=is_ignored.__getitem__)
    for t, threshold in enumerate(IOU_THRESHOLDS.tolist()):
        taken: set[int] = set()
        for d, row in candidates:
            best, best_iou = -1, threshold
            for g in order:
                if best >= 0 and is_ignored[g] and not is_ignored[best]:
                    break
                if row[g] >= best_iou and g not in taken:
                    best, best_iou = g, row[g]
            if best >= 0:
                found[t, d] = best
                if not is_crowd[best]:
                    taken.add(best)
    return found


def precision_at_recalls(is_right: np.ndarray, is_wrong: np.ndarray, num_objects: int) -> np.ndarray:
    """Interpolated precision, float64 [T, R], 0 at recalls that are never reached.

    is_right, is_wrong: bool [T, N] of results by falling score; those that are neither do not count. num_objects: above 0.
    """
    right, wrong = (np.cumsum(flags, axis=1).astype(np.float64) for flags in (is_right, is_wrong))
    recall = right / num_objects
    precision = right / (wrong + right + _EPS)
    best_from_here = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    reached_at = np.array([np.searchsorted(row, RECALLS, side="left") for row in recall])
    return np.take_along_axis(np.pad(best_from_here, ((0, 0), (0, 1))), reached_at, axis=1)
