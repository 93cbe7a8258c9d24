"""Identity measures: by hand, against TrackEval on random masks, and what annotations and results may look like."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest
from dense_tracks import HEIGHT, WIDTH, annotations, rectangle, results
from trackeval_oracle import GOLDEN, random_set, trackeval_numbers

from queryinst_vis.data.coco_json import DatasetError
from queryinst_vis.evaluation.identity import IdentityMetrics, identity_metrics
from queryinst_vis.evaluation.mask_tracks import drop_unannotated


def test_perfect_tracks():
    objects = [(1, 1, [rectangle(2 * t) for t in range(6)]), (1, 2, [None] * 3 + [rectangle(10)] * 3)]
    metrics = identity_metrics(annotations(*objects), results(*objects))
    counts = {"IDSW": 0, "Frag": 0, "ids_per_object": 1}
    assert metrics == pytest.approx({name: counts.get(name, 1) for name in metrics})


def test_a_switch_in_the_middle():
    masks = [rectangle(3)] * 8
    found = results((1, 1, masks[:4] + [None] * 4), (1, 1, [None] * 4 + masks[4:]))
    metrics = identity_metrics(annotations((1, 1, masks)), found)
    assert (metrics["IDSW"], metrics["Frag"], metrics["ids_per_object"]) == (1, 0, 2)
    assert metrics["DetA"] == pytest.approx(1)
    assert metrics["AssA"] == pytest.approx(0.5)
    assert metrics["HOTA"] == pytest.approx(0.5**0.5)
    assert metrics["IDF1"] == pytest.approx(0.5)
    assert metrics["MOTSA"] == pytest.approx(7 / 8)


def test_iou_decides_at_each_threshold():
    metrics = identity_metrics(annotations((1, 1, [rectangle(0)] * 4)), results((1, 1, [rectangle(2)] * 4)))  # IoU 0.6
    share = 12 / 19  # of the thresholds .05, .10, ..., .95
    assert [metrics[name] for name in ("HOTA", "DetA", "AssA")] == pytest.approx([share] * 3)
    assert metrics["LocA"] == pytest.approx(share * 0.6 + (1 - share))
    assert metrics["sMOTSA"] == pytest.approx(0.6)


def test_gaps_of_the_only_object_are_counted():
    """TrackEval 1.3.0 says 0: it skips frames in which nothing is reported."""
    here = rectangle(3)
    found = results((1, 1, [here, None, here, None, None, here, None]))
    assert identity_metrics(annotations((1, 1, [here] * 7)), found)["Frag"] == 2


def test_an_absent_object_makes_no_gap():
    masks = [rectangle(3), None, rectangle(3)]
    other = (1, 1, [rectangle(20)] * 3)
    assert identity_metrics(annotations((1, 1, masks), other), results((1, 1, masks), other))["Frag"] == 0


def test_categories_are_measured_apart_and_weighed_by_their_masks():
    truth = annotations((1, 1, [rectangle(0)] * 3), (1, 2, [rectangle(20)] + [None] * 2))
    metrics = identity_metrics(truth, results((1, 1, [rectangle(0)] * 3), (1, 1, [rectangle(20)] + [None] * 2)))
    assert metrics["DetA"] == pytest.approx(3 / 5)  # of the other category one is missed, and one is false


def test_one_object_under_several_categories():
    masks = [rectangle(0)] * 3
    metrics = identity_metrics(annotations((1, 1, masks)), results((1, 1, masks), (1, 2, masks)))
    assert metrics["DetA"] == pytest.approx(1 / 2)
    assert metrics["AssA"] == pytest.approx(1)
    assert metrics["IDSW"] == 0


@pytest.mark.parametrize("found", [[], results((1, 1, [None] * 4)), results((1, 1, [np.zeros((HEIGHT, WIDTH), bool)] * 4))])
def test_nothing_reported(found):
    metrics = identity_metrics(annotations((1, 1, [rectangle(0)] * 4)), found)
    assert metrics == {**dict.fromkeys(metrics, 0.0), "LocA": 1, "ids_per_object": -1}


def test_nothing_annotated():
    truth = {**annotations((1, 1, [None] * 4)), "annotations": None}
    metrics = identity_metrics(truth, results((1, 1, [rectangle(0)] * 4)))
    assert metrics["HOTA"] == 0
    assert metrics["MOTSA"] == -4
    assert identity_metrics(truth, [])["HOTA"] == 0


def test_weak_tracks_are_left_out():
    masks = [rectangle(0)] * 2
    truth, found = annotations((1, 1, masks)), [*results((1, 1, masks)), *results((1, 1, [rectangle(20)] * 2), score=0.2)]
    assert identity_metrics(truth, found)["HOTA"] == pytest.approx(1)
    assert identity_metrics(truth, found, min_score=0.2)["DetA"] == pytest.approx(1 / 2)


def test_reports_in_a_crowd_are_left_out():
    person, in_crowd, beside = rectangle(0), rectangle(18), rectangle(18, y=14)
    crowd = (1, 1, [rectangle(16, width=14)] * 3, 1)
    truth = annotations((1, 1, [person] * 3), crowd)
    found = [(1, 1, [person] * 3), (1, 1, [in_crowd] * 3)]
    assert identity_metrics(truth, results(*found))["HOTA"] == pytest.approx(1)
    assert identity_metrics(truth, results(*found, (1, 1, [beside] * 3)))["DetA"] == pytest.approx(1 / 2)
    assert identity_metrics(truth, results(*found, (1, 2, [in_crowd] * 3)))["DetA"] == pytest.approx(1 / 2)


def test_bystanders_can_be_ignored():
    annotated, bystander, part = rectangle(0), rectangle(20), rectangle(2, width=3)
    truth = annotations((1, 1, [annotated] * 4))
    found = results((1, 1, [annotated, annotated, bystander, bystander]), (1, 1, [part] * 2 + [annotated] * 2))
    kept = drop_unannotated(truth, found)
    assert [[item is not None for item in entry["segmentations"]] for entry in kept] == [[1, 1, 0, 0], [1, 1, 1, 1]]
    metrics = identity_metrics(truth, found, ignore_unmatched=True)
    assert metrics["MOTSA"] == pytest.approx((4 - 2 - 1) / 4)  # a part of an object is false, a bystander is nothing
    assert metrics == identity_metrics(truth, kept)
    assert drop_unannotated(truth, results((1, 1, [bystander] * 4))) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"video_id": 7}, "entry 0: the annotations have no video_id 7"),
        ({"category_id": 9}, r"entry 0 of video 1 \(v1\): the annotations have no category_id 9"),
        ({"segmentations": [None]}, "has 1 segmentations, the video has 2 frames"),
        ({"segmentations": [{"size": [3, 3], "counts": "9"}, None]}, r"entry 0 of video 1 \(v1\): a mask cannot be read: .*size"),
        ({"segmentations": [{"size": [HEIGHT, WIDTH], "counts": "9"}, None]}, "a mask cannot be read: .* do not fill a frame"),
        ({"segmentations": [{"size": [HEIGHT, WIDTH], "counts": [768]}, None]}, "a mask cannot be read: .* compressed code"),
        ({"segmentations": [[[1, 1, 9, 1, 9, 9]], None]}, "a mask cannot be read: it is no run-length code"),
    ],
)
def test_results_that_do_not_fit(change, message):
    masks = [rectangle(0)] * 2
    (entry,) = results((1, 1, masks))
    with pytest.raises(DatasetError, match=message):
        identity_metrics(annotations((1, 1, masks)), [{**entry, **change}])


def test_masks_of_annotations_that_cannot_be_read():
    truth = annotations((1, 1, [rectangle(0)] * 2))
    truth["annotations"][0]["segmentations"][1] = {"size": [HEIGHT, WIDTH], "counts": [5]}
    with pytest.raises(DatasetError, match=r"video 1 \(v1\): annotation 0: frame 1: its mask cannot be read"):
        identity_metrics(truth, [])


def test_more_than_255_masks_of_a_track():
    """pycocotools 2.0.11 fails to count the areas of that many at a time."""
    masks = [rectangle(0)] * 256
    assert identity_metrics(annotations((1, 1, masks)), results((1, 1, masks)))["HOTA"] == pytest.approx(1)


def test_a_file_is_read(tmp_path):
    masks = [rectangle(0)] * 2
    (tmp_path / "gt.json").write_text(json.dumps(annotations((1, 1, masks))))
    assert identity_metrics(tmp_path / "gt.json", results((1, 1, masks)))["HOTA"] == pytest.approx(1)


@pytest.mark.parametrize("seed", range(20))
def test_equals_the_stored_numbers_of_trackeval(seed):
    made = random_set(seed)
    expected = json.loads(GOLDEN.read_text())[seed]
    expected.pop("Frag")  # counted otherwise where nothing is reported or annotated
    metrics = identity_metrics(made.annotations, made.results)
    again = "python tests/trackeval_oracle.py FOLDER_WITH_TRACKEVAL writes the stored numbers again"
    assert {name: metrics[name] for name in expected} == pytest.approx(expected, abs=1e-9), again


@pytest.fixture(scope="module")
def trackeval(tmp_path_factory):
    """TrackEval 1.3.0, installed for this test alone."""
    folder = tmp_path_factory.mktemp("trackeval")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, "trackeval==1.3.0", "tabulate"]
    done = subprocess.run(install, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"TrackEval cannot be installed: {done.stderr.strip().splitlines()[-1]}")
    sys.path.insert(0, str(folder))
    yield
    sys.path.remove(str(folder))


@pytest.mark.slow
@pytest.mark.parametrize("complete", [False, True])
def test_equals_trackeval_on_random_sets(trackeval, complete):
    for seed in range(400):
        made = random_set(seed, complete=complete)
        metrics, expected = identity_metrics(made.annotations, made.results), trackeval_numbers(made.sequences)
        if not complete:
            expected.pop("Frag")
        assert {name: metrics[name] for name in expected} == pytest.approx(expected, abs=1e-9), f"seed {seed}"


@pytest.mark.slow
def test_300_videos_of_36_frames_take_seconds():
    masks = [[rectangle(x + t // 9, y) for t in range(36)] for x in (0, 8, 16) for y in (0, 8, 14)]
    objects = [(video_id, 1, path) for video_id in range(1, 301) for path in masks]
    measure, found = IdentityMetrics(annotations(*objects)), results(*objects)
    start = time.perf_counter()
    assert measure(found)["HOTA"] == pytest.approx(1)
    assert time.perf_counter() - start < 20
