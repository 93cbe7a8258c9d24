"""Average precision of tracks on random sets, against second opinions."""

import copy

import numpy as np
import pytest
from ytvis_reference import brute_force, mmdet_evaluator
from ytvis_sets import random_set

from queryinst_vis.evaluation.ytvis_ap import evaluate_ytvis


@pytest.mark.parametrize("seed", range(40))
def test_equals_dense_masks_and_plain_loops(seed):
    rng = np.random.default_rng(seed)
    for _ in range(5):
        content, results = random_set(rng)
        if content["annotations"]:
            expected = brute_force(content, results)
            assert evaluate_ytvis(content, results) == pytest.approx(expected, abs=1e-12)


@pytest.mark.slow
def test_equals_mmdetection(tmp_path):
    evaluator = mmdet_evaluator(tmp_path)
    rng = np.random.default_rng(0)
    count = 0
    while count < 500:
        content, results = random_set(rng)
        if content["annotations"] and results:
            expected = evaluator.measure(evaluator.truth(copy.deepcopy(content)), copy.deepcopy(results))
            assert evaluate_ytvis(content, results) == pytest.approx(expected, abs=1e-12)
            count += 1
