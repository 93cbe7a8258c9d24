"""The metric that measures videos during a training."""

import json
from pathlib import Path

import numpy as np
import pytest
from ytvis_reference import NAMES
from ytvis_sets import HW, TABLE, TABLE_RESULTS

from queryinst_vis.data.json_tables import DatasetError
from queryinst_vis.data.videos import VideoSample
from queryinst_vis.errors import UserError
from queryinst_vis.evaluation.identity import identity_metrics
from queryinst_vis.evaluation.mask_tracks import drop_unannotated
from queryinst_vis.evaluation.ytvis import YtvisMetric
from queryinst_vis.evaluation.ytvis_ap import evaluate_ytvis
from queryinst_vis.structures import Track

CLASSES = ("class 2", "zebra", "class 1", "class 3")


@pytest.fixture
def path(tmp_path) -> Path:
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(TABLE))
    return path


def batch(results: list[dict] = TABLE_RESULTS) -> tuple[list[VideoSample], list[list[Track]]]:
    """What loader and model give for results in JSON's form."""
    videos, tracks = [], []
    for video in TABLE["videos"]:
        videos.append(VideoSample(video["id"], str(video["id"]), HW, video["file_names"], fps=6.0))
        rows = [row for row in results if row["video_id"] == video["id"]]
        tracks.append([track(number, row) for number, row in enumerate(rows, start=1)])
    return videos, tracks


def track(number: int, row: dict) -> Track:
    seen = {frame: code for frame, code in enumerate(row["segmentations"]) if code}
    label = CLASSES.index(f"class {row['category_id']}")
    scores = np.full(len(seen), row["score"])
    return Track(number, label, row["score"], list(seen), np.zeros((len(seen), 4)), scores, list(seen.values()))


def test_equals_the_functions(path):
    metric = YtvisMetric(path, classes=CLASSES, per_class=True)
    videos, tracks = batch()
    metric.process(videos[:1], tracks[:1])
    metric.process(videos[1:], tracks[1:])
    metrics = metric.evaluate(size=2)
    expected = evaluate_ytvis(TABLE, TABLE_RESULTS, per_class=True) | identity_metrics(TABLE, TABLE_RESULTS)
    assert metrics == pytest.approx({f"ytvis/{name}": value for name, value in expected.items()})
    assert {f"ytvis/{name}" for name in (*NAMES, "HOTA", "IDSW", "AP50_class/class 1")} <= set(metrics)
    assert [f"ytvis/{name}" for name in metric.names()] == list(metrics)
    assert not any("loss" in name for name in metrics)
    assert metric.results == []  # ready for the next epoch


def test_mean_over_the_classes_of_the_model(path):
    metric = YtvisMetric(path, classes=("class 2", "zebra"), identity=False, prefix="val")
    metric.process(*batch([row for row in TABLE_RESULTS if row["category_id"] == 2]))
    metrics = metric.evaluate(size=2)
    assert metrics["val/AP"] == pytest.approx(0.291914, abs=1e-6)
    assert len(metrics) == 12
    with pytest.raises(DatasetError, match="none of the categories"):
        YtvisMetric(path, classes=("zebra",))


def test_nothing_found(path):
    metric = YtvisMetric(path, classes=CLASSES)
    metric.process(*batch([]))
    metrics = metric.evaluate(size=2)
    assert [metrics[f"ytvis/{name}"] for name in NAMES] == [0.0] * 12


def test_a_video_counts_once(path):
    """Two processes may both be given the last one."""
    metric = YtvisMetric(path, classes=CLASSES)
    for _ in range(2):
        metric.process(*batch())
    assert metric.evaluate(size=4)["ytvis/AP"] == pytest.approx(evaluate_ytvis(TABLE, TABLE_RESULTS)["AP"])


def test_unmatched_tracks_may_be_left_out(path):
    metric = YtvisMetric(path, classes=CLASSES, ignore_unmatched=True)
    metric.process(*batch())
    kept = drop_unannotated(TABLE, TABLE_RESULTS)
    assert len(kept) < len(TABLE_RESULTS)
    assert metric.evaluate(size=2)["ytvis/AP"] == pytest.approx(evaluate_ytvis(TABLE, kept)["AP"])


def test_super_categories(tmp_path):
    categories = [{"id": 1, "name": "vehicle"}, {"id": 2, "name": "animal"}, {"id": 3, "name": "food"}]
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps({**TABLE, "categories": categories}))
    coco = {1: "car", 2: "dog", 3: "pizza"}
    metric = YtvisMetric(path, classes=("dog", "cat", "car", "pizza"), super_categories=True, per_class=True)
    videos, tracks = batch()
    for found in (found for of_video in tracks for found in of_video):
        category = int(CLASSES[found.label][-1])
        found.label = metric.classes.index(coco[category])
    metric.process(videos, tracks)
    metrics = metric.evaluate(size=2)
    assert metrics["ytvis/AP"] == pytest.approx(evaluate_ytvis(TABLE, TABLE_RESULTS)["AP"])
    assert metrics["ytvis/AP_class/animal"] == pytest.approx(0.291914, abs=1e-6)


def test_results_are_written(path, tmp_path):
    metric = YtvisMetric(path, classes=CLASSES, output=tmp_path / "out" / "model")
    metric.process(*batch())
    metrics = metric.evaluate(size=2)
    written = json.loads((tmp_path / "out" / "model.results.json").read_text())
    assert evaluate_ytvis(path, written)["AP"] == metrics["ytvis/AP"]


def test_a_set_without_annotations_can_only_be_written(tmp_path):
    path = tmp_path / "valid.json"
    path.write_text(json.dumps({key: TABLE[key] for key in ("videos", "categories")}))
    with pytest.raises(DatasetError, match=r"valid.json: annotates no object; only format_only"):
        YtvisMetric(path, classes=CLASSES)
    metric = YtvisMetric(path, classes=CLASSES, format_only=True, output=tmp_path / "model")
    metric.process(*batch())
    assert metric.evaluate(size=2) == {}
    assert len(json.loads((tmp_path / "model.results.json").read_text())) == len(TABLE_RESULTS)
    with pytest.raises(ValueError, match="output"):
        YtvisMetric(path, classes=CLASSES, format_only=True)


@pytest.mark.parametrize("setting", [{"min_score": "x"}, {"min_score": 2}, {"num_classes_per_track": 0}])
def test_bad_settings_are_refused_before_the_model_runs(tmp_path, setting):
    path = tmp_path / "valid.json"
    path.write_text(json.dumps(TABLE))
    with pytest.raises(ValueError, match=f"{next(iter(setting))} must be a"):
        YtvisMetric(path, classes=CLASSES, **setting)


def test_broken_annotations_are_refused_before_the_model_runs(tmp_path):
    path = tmp_path / "broken.json"
    annotation = {**TABLE["annotations"][0], "segmentations": [{"size": list(HW), "counts": "1"}, None, None, None]}
    path.write_text(json.dumps({**TABLE, "annotations": [annotation]}))
    with pytest.raises(DatasetError, match=r"broken.json: video 1 \(1\): annotation 1: frame 0: its mask cannot be read"):
        YtvisMetric(path, classes=CLASSES)


def test_model_without_masks(path):
    metric = YtvisMetric(path, classes=CLASSES)
    videos, tracks = batch()
    tracks[0][0].rles[0] = None
    with pytest.raises(UserError, match="no masks"):
        metric.process(videos, tracks)
