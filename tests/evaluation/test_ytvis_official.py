"""Running the official evaluator from a checkout. The one here is made up: it has the old one's shape and needs the same help."""

import copy
import sys
from pathlib import Path

import numpy as np
import pytest
from ytvis_sets import TABLE, TABLE_RESULTS

from queryinst_vis.data.ytvis_json import check_ytvis
from queryinst_vis.errors import UserError
from queryinst_vis.evaluation.ytvis_official import OfficialEvaluator

CONTENT = check_ytvis(TABLE, name="table")

DATA = """
import numpy as np
from . import mask as masks

class YTVOS:
    def __init__(self, annotation_file=None):
        self.dataset = {}

    def createIndex(self):
        print("creating index...")
        self.videos = {video["id"]: video for video in self.dataset["videos"]}

    def loadRes(self, results):
        if type(results) == str or type(results) == unicode:
            raise NotImplementedError
        found = YTVOS()
        found.dataset = {"videos": self.dataset["videos"], "annotations": results}
        for number, row in enumerate(results):
            assert row["video_id"] in self.videos
            row["areas"] = [masks.area(code) if code else None for code in row["segmentations"]]
            row["id"] = number + 1
        found.createIndex()
        return found
"""
EVALUATION = """
import numpy as np
from pycocotools import mask as masks

class YTVOSeval:
    def __init__(self, truth, found, kind):
        self.truth, self.found = truth, found
        self.thresholds = np.linspace(.5, .95, np.round((.95 - .5) / .05) + 1, endpoint=True)
        self.recalls = np.linspace(.0, 1., np.round(1. / .01) + 1, endpoint=True)

    def evaluate(self):
        print("Running per image evaluation...")
        self.objects = np.array([row["iscrowd"] for row in self.truth.dataset["annotations"]], dtype=np.float)
        self.areas = [area for row in self.truth.dataset["annotations"] for area in row["areas"] if area]
        for row in self.truth.dataset["annotations"]:
            row["segmentations"].clear()

    def accumulate(self):
        K = len(self.truth.dataset["categories"])
        T, R = len(self.thresholds), len(self.recalls)
        self.eval = {"precision": np.zeros((T, R, K, 4, 3)), "recall": np.full((T, K, 4, 3), -1.)}
        self.eval["precision"][:, :, 0, 0, 2] = 1
        self.eval["precision"][5, :, 1, 0, 2] = .5
        self.eval["recall"][:, 2, 3, 2] = len(self.found.dataset["annotations"]) / 100
        self.eval["recall"][:, 1, 0, 0] = self.objects.mean()
        self.eval["recall"][:, 1, 0, 1] = sum(self.areas) / 1e9
"""


@pytest.fixture
def checkout(tmp_path) -> Path:
    folder = tmp_path / "api" / "PythonAPI" / "pycocotools"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise ImportError('needs an extension that is not built')")
    (folder / "mask.py").write_text("raise ImportError('needs an extension that is not built')")
    (folder / "ytvos.py").write_text(DATA)
    (folder / "ytvoseval.py").write_text(EVALUATION)
    return tmp_path / "api"


def test_its_numbers_are_found(checkout, capsys):
    before = copy.deepcopy((CONTENT, TABLE_RESULTS))
    scores = OfficialEvaluator(checkout).measure(CONTENT, TABLE_RESULTS)
    summary = scores.summary()
    assert summary["AP"] == pytest.approx((1 + 0.05) / 3)
    assert (summary["AP50"], summary["AP75"], summary["AP_small"]) == pytest.approx((1 / 3, 0.5, 0))
    assert [numbers["AP"] for numbers in scores.per_category().values()] == pytest.approx([1, 0.05, 0])
    assert (summary["AR_large"], summary["AR_small"]) == pytest.approx((0.1, -1))
    assert summary["AR1"] == pytest.approx(1 / 6)  # crowds among the annotations
    areas = sum(np.prod(np.diff(np.array(box).reshape(2, 2), axis=0)) for box in BOXES)
    assert summary["AR10"] == pytest.approx(areas / 1e9)  # of all masks, which the file does not say
    assert capsys.readouterr().out == ""
    assert before == (CONTENT, TABLE_RESULTS)


BOXES = [(10, 10, 60, 60)] * 3 + [(100, 50, 300, 200)] * 3 + [(200, 20, 240, 60)] * 4 + [(0, 0, 320, 240)] * 3
BOXES += [(50, 50, 100, 100)] * 3 + [(150, 50, 200, 120)] * 2


def test_nothing_stays_behind_and_another_checkout_can_follow(checkout):
    import pycocotools

    names = set(sys.modules)
    first = OfficialEvaluator(checkout)
    (checkout / "PythonAPI/pycocotools/ytvoseval.py").write_text(EVALUATION.replace("= 1\n", "= 0.5\n"))
    second = OfficialEvaluator(checkout)
    assert not {name for name in set(sys.modules) - names if "youtube" in name or "ytvos" in name}
    assert not hasattr(pycocotools, "ytvos")
    assert [e.measure(CONTENT, TABLE_RESULTS).summary()["AP50"] for e in (first, second)] == pytest.approx([1 / 3, 1 / 6])
    assert not hasattr(np, "float")


def test_no_results(checkout):
    with pytest.raises(UserError, match="fails on an empty list"):
        OfficialEvaluator(checkout).measure(CONTENT, [])


def test_what_is_no_checkout(checkout, tmp_path):
    with pytest.raises(
        UserError, match=r"has no PythonAPI/pycocotools/ytvos.py; get it by: git clone https://github.com/youtubevos"
    ):
        OfficialEvaluator(tmp_path)
    (checkout / "PythonAPI/pycocotools/ytvos.py").write_text("import a_library_that_is_missing")
    with pytest.raises(UserError, match="cannot be loaded: No module named 'a_library_that_is_missing'"):
        OfficialEvaluator(checkout)
    (checkout / "PythonAPI/pycocotools/ytvos.py").write_text("print 'python 2'")
    with pytest.raises(UserError, match="cannot be loaded"):
        OfficialEvaluator(checkout)
