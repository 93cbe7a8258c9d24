"""Matching results with objects, and precision from matches: COCO's rules as YouTube-VIS took them over.

The steps follow the official evaluator (https://github.com/youtubevos/cocoapi, PythonAPI/pycocotools/ytvoseval.py) down to the
order of floating-point operations, so that numbers agree to the last digits. A object sizes, T IoU thresholds, R recalls,
D results of one video and category by falling score, G objects.
"""

from collections.abc import Iterator, Sequence

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


def match(iou: Sequence[Sequence[float]], is_ignored: Sequence[bool], is_crowd: Sequence[bool]) -> Iterator[tuple[int, int, int]]:
    """Which results find which objects, at each IoU threshold: its place t, the result's d, the object's g.

    iou: [D, G]; is_ignored, is_crowd: [G]. A result takes the best object that nobody took and that reaches the threshold; of
    equals the last. Ignored objects are for results that find no other; crowd regions can be taken again and again.
    """
    order = sorted(range(len(is_ignored)), key=is_ignored.__getitem__)
    for t, threshold in enumerate(IOU_THRESHOLDS.tolist()):
        taken: set[int] = set()
        for d, row in enumerate(iou):
            best, best_iou = -1, threshold
            for g in order:
                if best >= 0 and is_ignored[g] and not is_ignored[best]:
                    break
                if row[g] >= best_iou and g not in taken:
                    best, best_iou = g, row[g]
            if best >= 0:
                yield t, d, best
                if not is_crowd[best]:
                    taken.add(best)


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
