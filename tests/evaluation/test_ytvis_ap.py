"""Average precision of tracks: known values, and inputs that are at an edge or beyond it."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from ytvis_reference import NAMES
from ytvis_sets import HW, TABLE, TABLE_RESULTS, box, boxes, content_of, results_of

from queryinst_vis.data.json_tables import DatasetError
from queryinst_vis.data.ytvis_json import read_ytvis
from queryinst_vis.evaluation.tubes import tube_iou, tubes_of
from queryinst_vis.evaluation.ytvis_ap import VideoAveragePrecision, evaluate_ytvis

GOLDEN = Path(__file__).parents[1] / "golden" / "ytvis_eval"

# Known values


def test_equals_the_official_evaluator():
    expected = json.loads((GOLDEN / "expected.json").read_text())
    scores = VideoAveragePrecision(GOLDEN / "gt.json").measure(json.loads((GOLDEN / "predictions.json").read_text()))
    assert scores.summary() == pytest.approx(expected["metrics"], abs=1e-12)
    assert list(scores.summary()) == list(expected["metrics"])
    per_category = {str(key): numbers["AP"] for key, numbers in scores.per_category().items()}
    assert per_category == pytest.approx(expected["AP_per_category"], abs=1e-12)


def test_equals_the_table_of_the_specification():
    numbers = ".316625 .708333 .165842 .295957 .300000 .800000 .258333 .508333 .508333 .525000 .300000 .800000"
    metrics = evaluate_ytvis(TABLE, TABLE_RESULTS, per_class=True)
    assert [metrics[name] for name in NAMES] == pytest.approx([float(number) for number in numbers.split()], abs=1e-6)
    per_class = [metrics[f"AP_class/class {number}"] for number in (1, 2, 3)]
    assert per_class == pytest.approx([0.341337, 0.291914, -1], abs=1e-6)


@pytest.mark.parametrize(
    ("video", "category", "expected"),
    [
        (1, 1, [[0.3072, 0], [0.75, 0], [0, 0.627778]]),
        (1, 2, [[0.707317]]),
        (2, 1, [[0.895833]]),
        (2, 2, [[0, 0], [0.966667, 0], [0.986667, 0], [0, 0.65]]),
    ],
)
def test_iou_of_tracks(video, category, expected):
    def tubes(rows: list[dict]) -> list:
        chosen = [row["segmentations"] for row in rows if (row["video_id"], row["category_id"]) == (video, category)]
        return list(tubes_of(chosen, [HW] * len(chosen)))

    found = tubes(sorted(TABLE_RESULTS, key=lambda row: -row["score"]))
    iou = np.array([[tube_iou(a, b) for b in tubes(TABLE["annotations"])] for a in found])
    assert iou == pytest.approx(np.array(expected), abs=1e-6)


def test_annotations_as_results_are_perfect():
    found = results_of(*((a["video_id"], a["category_id"], 0.5, a["segmentations"]) for a in TABLE["annotations"]))
    metrics = evaluate_ytvis(TABLE, found)
    assert [metrics[name] for name in NAMES if name != "AR1"] == pytest.approx([1.0] * 11)


def test_annotations_of_real_videos_are_perfect_results(shared):
    path = shared("data/davis_vis.json")
    content = read_ytvis(path)
    found = [
        {key: row[key] for key in ("video_id", "category_id", "segmentations")} | {"score": 1} for row in content["annotations"]
    ]
    metrics = evaluate_ytvis(path, found)
    assert metrics["AP"] == metrics["AR100"] == pytest.approx(1)


# Edges


def test_nothing_found():
    metrics = evaluate_ytvis(TABLE, [], per_class=True)
    assert [metrics[name] for name in NAMES] == [0.0] * 12
    assert metrics["AP_class/class 3"] == -1  # of which there is none to find


@pytest.mark.parametrize("masks", [boxes("-", "-", "-", "-"), boxes("0,0,0,0", "-", "-", "-")], ids=["null", "empty"])
def test_track_without_a_pixel_finds_nothing_and_is_wrong(masks):
    metrics = evaluate_ytvis(TABLE, [*TABLE_RESULTS, *results_of((1, 1, 1.0, masks))])
    assert metrics["AP"] < evaluate_ytvis(TABLE, TABLE_RESULTS)["AP"]
    assert metrics["AR100"] == evaluate_ytvis(TABLE, TABLE_RESULTS)["AR100"]


def test_only_the_best_100_of_a_video_and_category_are_looked_at():
    content = content_of({1: 1, 2: 1}, [(1, 1, boxes("0,0,9,9"))])
    wrong = results_of(*[(1, 1, 0.9, boxes("20,20,30,30"))] * 99, *[(1, 2, 0.95, boxes("0,0,9,9"))] * 50)
    last = results_of((1, 1, 0.1, boxes("0,0,9,9")))
    assert evaluate_ytvis(content, last + wrong)["AP"] == pytest.approx(0.01)
    assert evaluate_ytvis(content, last + wrong)["AR10"] == 0
    assert evaluate_ytvis(content, last + wrong + wrong)["AR100"] == 0


def test_equal_scores_keep_their_order_and_that_of_the_video_ids():
    content = content_of({7: 1, 2: 1}, [(7, 1, boxes("0,0,9,9"))])
    right, wrong = results_of((7, 1, 0.5, boxes("0,0,9,9")), (7, 1, 0.5, boxes("20,20,30,30")))
    assert evaluate_ytvis(content, [right, wrong])["AP"] == pytest.approx(1)
    assert evaluate_ytvis(content, [wrong, right])["AP"] == pytest.approx(0.5)
    assert evaluate_ytvis(content, [right, {**wrong, "video_id": 2}])["AP"] == pytest.approx(0.5)


def test_crowd_regions_take_any_number_of_results():
    content = content_of({1: 1}, [(1, 1, boxes("0,0,50,50"), 1), (1, 1, boxes("100,0,150,50"))])
    in_crowd = results_of(*[(1, 1, 0.9, boxes("0,0,50,49"))] * 3)
    found = results_of((1, 1, 0.5, boxes("100,0,150,50")))
    assert evaluate_ytvis(content, in_crowd + found)["AP"] == pytest.approx(1)
    content["annotations"][0].update(iscrowd=0)
    assert evaluate_ytvis(content, in_crowd + found)["AP"] < 0.9


def test_an_object_of_id_0_is_found():
    content = content_of({1: 1}, [(1, 1, boxes("0,0,9,9"))])
    content["annotations"][0].update(id=0)
    assert evaluate_ytvis(content, results_of((1, 1, 0.5, boxes("0,0,9,9"))))["AP"] == pytest.approx(1)


def test_sizes_are_mean_areas_with_both_limits_included():
    """Over the frames that have one; of the file where it says them."""
    content = content_of({1: 2}, [(1, 1, boxes("0,0,128,128", "-"))])
    found = results_of((1, 1, 0.5, boxes("0,0,128,128", "-")))
    metrics = evaluate_ytvis(content, found)
    assert (metrics["AP_small"], metrics["AP_medium"], metrics["AP_large"]) == pytest.approx((1, 1, -1))
    content["annotations"][0]["areas"] = [256**2, 0]
    metrics = evaluate_ytvis(content, found)
    assert (metrics["AP_small"], metrics["AP_medium"], metrics["AP_large"]) == pytest.approx((-1, 1, 1))
    del content["annotations"][0]["iscrowd"]
    content["annotations"][0]["areas"] = None
    assert evaluate_ytvis(content, found)["AP_small"] == pytest.approx(1)


def test_videos_of_different_sizes_and_lengths():
    content = content_of({1: 1, 2: 3}, [(1, 1, [box("0,0,9,9", (10, 2000))]), (2, 1, boxes("-", "0,0,9,9", "-"))])
    content["videos"][0].update(height=10, width=2000)
    found = results_of((1, 1, 0.5, [box("0,0,9,9", (10, 2000))]), (2, 1, 0.9, boxes("-", "0,0,9,9", "0,0,1,1")))
    assert evaluate_ytvis(content, found)["AP50"] == pytest.approx(1)


def test_one_pixel_and_whole_frames_of_large_videos():
    size = {"size": [4000, 6000]}
    whole, first, last = (
        {**size, "counts": coco_mask.frPyObjects({**size, "counts": counts}, 4000, 6000)["counts"].decode()}
        for counts in ([0, 24_000_000], [0, 1, 23_999_999], [23_999_999, 1])
    )
    content = content_of({1: 200}, [(1, 1, [whole] * 200), (1, 1, [first] * 200), (1, 1, [last] * 200)])
    content["videos"][0].update(height=4000, width=6000)
    found = results_of(*((1, 1, 0.5, [code] * 200) for code in (whole, first, last)))
    metrics = evaluate_ytvis(content, found)
    assert (metrics["AP"], metrics["AP_small"], metrics["AP_large"]) == pytest.approx((1, 1, 1))


def test_mean_over_some_classes():
    metrics = evaluate_ytvis(TABLE, TABLE_RESULTS, per_class=True, classes=("class 2", "zebra"))
    assert metrics["AP"] == metrics["AP_class/class 2"] == pytest.approx(0.291914, abs=1e-6)
    assert "AP_class/class 1" not in metrics


def test_input_is_left_alone_and_nothing_is_printed(capsys):
    before = copy.deepcopy((TABLE, TABLE_RESULTS))
    evaluate_ytvis(TABLE, TABLE_RESULTS)
    assert before == (TABLE, TABLE_RESULTS)
    assert capsys.readouterr().out == ""


def test_codes_may_be_bytes_and_sizes_tuples():
    def changed(rows: list[dict]) -> list[dict]:
        masks = [[m and {"size": HW, "counts": m["counts"].encode()} for m in row["segmentations"]] for row in rows]
        return [{**row, "segmentations": codes} for row, codes in zip(rows, masks, strict=True)]

    found = changed(TABLE_RESULTS)
    assert evaluate_ytvis(TABLE, found) == evaluate_ytvis(TABLE, TABLE_RESULTS)
    assert evaluate_ytvis({**TABLE, "annotations": changed(TABLE["annotations"])}, found) == evaluate_ytvis(TABLE, found)


# Beyond


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"video_id": 9}, "entry 0: the annotations have no video_id 9"),
        ({"video_id": True}, "entry 0: the annotations have no video_id True"),
        ({"category_id": "1"}, r"entry 0 of video 1 \(1\): the annotations have no category_id '1'"),
        ({"score": "high"}, "its score must be a number, got 'high'"),
        ({"score": None}, "its score must be a number, got None"),
        ({"score": float("nan")}, "its score must be finite, got nan"),
        ({"score": float("inf")}, "its score must be finite, got inf"),
        ({"score": 10**400}, "its score must be finite"),
        ({"segmentations": None}, "its segmentations must be a list, got NoneType"),
        ({"segmentations": boxes("0,0,9,9")}, "has 1 segmentations, the video has 4 frames; write null"),
        ({"segmentations": ["x"] * 4}, "frame 0: its mask cannot be read: it is no run-length code"),
        ({"segmentations": [None, [[1, 1, 9, 1, 9, 9]], None, None]}, "frame 1: .* no run-length code"),
        ({"segmentations": [None, None, {"size": [240, 320]}, None]}, "frame 2: .* no run-length code"),
        ({"segmentations": [None, None, {"size": [240, 320], "counts": [76800]}, None]}, r"compressed code \(text\), got list"),
        ({"segmentations": [box("0,0,9,9", (320, 240)), *[None] * 3]}, r"size is \[320, 240\], the video's .* is \[240, 320\]"),
        (
            {"segmentations": [None, {"size": [240, 320], "counts": "0"}, None, None]},
            "frame 1: .* do not fill a frame of 240 x 320",
        ),
        ({"segmentations": [{"size": 240, "counts": "0"}, *[None] * 3]}, "size is 240, the video's"),
        ({"segmentations": [None, {"size": [240, 320], "counts": "P"}, None, None]}, "ends too early"),
        ({"segmentations": [None, {"size": [240, 320], "counts": ""}, None, None]}, "do not fill"),
        ({"segmentations": [None, {"size": [240, 320], "counts": "ü!"}, None, None]}, "characters that no code has"),
        ({"segmentations": [None, {"size": [240, 320], "counts": "PPPPPP0"}, None, None]}, "more than 6 digits"),
    ],
)
def test_results_that_do_not_fit_are_named(change, message):
    with pytest.raises(DatasetError, match=message) as caught:
        evaluate_ytvis(TABLE, [{**TABLE_RESULTS[0], **change}, *TABLE_RESULTS[1:]])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("results", [None, {"video_id": 1}, [3], [{"video_id": 1}]])
def test_results_that_are_none(results):
    with pytest.raises(DatasetError, match=r"expected|has no 'category_id'"):
        evaluate_ytvis(TABLE, results)


def test_a_broken_mask_is_found_among_many_and_beyond_the_100th():
    found = results_of(*[(1, 1, 0.9, boxes("0,0,9,9", "-", "-", "-"))] * 150)
    found[120] = {**found[120], "score": 0.1, "segmentations": [None, None, {"size": [240, 320], "counts": "12"}, None]}
    with pytest.raises(DatasetError, match=r"entry 120 of video 1 \(1\): frame 2"):
        evaluate_ytvis(TABLE, found)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ({"size": [240, 320], "counts": "12"}, "do not fill"),
        ({"size": [240, 320], "counts": [5, 6]}, "cover 11 pixels"),
        ({"size": [24, 32], "counts": [768]}, "size"),
        ([["x"] * 6], "polygon"),
    ],
)
def test_broken_annotations_are_named(mask, message):
    content = copy.deepcopy(TABLE)
    content["annotations"][3]["segmentations"][1] = mask
    with pytest.raises(DatasetError, match=rf"annotations: video 2 \(2\): annotation 4: frame 1: .*{message}"):
        VideoAveragePrecision(content)


def test_file_without_annotations(tmp_path):
    path = tmp_path / "valid.json"
    path.write_text(json.dumps({**TABLE, "annotations": None}))
    with pytest.raises(DatasetError, match=r"valid.json: annotates no object, so nothing can be measured"):
        VideoAveragePrecision(path)
