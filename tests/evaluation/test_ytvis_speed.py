"""Average precision of tracks beside mmdetection's evaluator: the same numbers, in a fraction of the time.

pytest -m slow -s tests/evaluation/test_ytvis_speed.py   prints the table of docs/evaluation.md
"""

import copy
from collections.abc import Callable
from time import process_time
from typing import Any

import pytest
from ytvis_reference import MmdetEvaluator, mmdet_evaluator
from ytvis_sets import large_set

from queryinst_vis.evaluation.ytvis_ap import VideoAveragePrecision

COLUMNS = ("mmdetection", "ours", "ratio", "with annotations", "ratio")


@pytest.fixture(scope="module")
def evaluator(tmp_path_factory) -> MmdetEvaluator:
    return mmdet_evaluator(tmp_path_factory.mktemp("mmdet"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("objects", "options", "least"),
    [
        ("5 objects of one category, 360 x 640", {}, 10),
        ("5 objects of one category, 720 x 1280", {"hw": (720, 1280)}, 6),
        ("2 objects of one category, 360 x 640", {"num_objects": 2}, 5),
        ("3 objects of 3 categories, 360 x 640", {"num_objects": 3, "of_one_kind": False}, 4),
    ],
)
def test_is_faster_than_mmdetection(evaluator, objects: str, options: dict[str, Any], least: float):
    """CPU seconds of measuring results once the annotations are loaded, the best of three runs in turn; in the last columns ours
    with reading and checking annotations, which mmdetection leaves for later or does not do."""
    content, results = large_set(**options)
    theirs, preparing, measuring = [], [], []
    for _ in range(3):
        truth, copied = evaluator.truth(copy.deepcopy(content)), copy.deepcopy(results)
        expected = _timed(theirs, lambda: evaluator.measure(truth, copied))  # noqa: B023
        measure = _timed(preparing, lambda: VideoAveragePrecision(content))
        assert _timed(measuring, lambda: measure(results)) == pytest.approx(expected, abs=1e-12)  # noqa: B023
    seconds, both = min(measuring), min(preparing) + min(measuring)
    ratio = min(theirs) / seconds
    cells = [f"{min(theirs):.2f}", f"{seconds:.2f}", f"{ratio:.1f}", f"{both:.2f}", f"{min(theirs) / both:.1f}"]
    print("", *COLUMNS, sep="\t")
    print(objects, *cells, sep="\t")
    assert ratio >= least


def _timed(seconds: list[float], run: Callable[[], Any]) -> Any:
    begin = process_time()
    value = run()
    seconds.append(process_time() - begin)
    return value
