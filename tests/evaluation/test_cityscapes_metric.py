"""Cityscapes' measure during validation, and the files it writes for the server."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from cityscapes_sets import LABELS, Picture, content_of, feed, name_of, random_set, results_of
from PIL import Image

from queryinst_vis.data.cityscapes_labels import LABEL_IDS
from queryinst_vis.data.classes import CITYSCAPES
from queryinst_vis.data.json_tables import DatasetError
from queryinst_vis.data.sample import Sample
from queryinst_vis.evaluation.cityscapes import CityscapesMetric
from queryinst_vis.evaluation.cityscapes_ap import evaluate_cityscapes
from queryinst_vis.ops.rle import decode
from queryinst_vis.structures import Instances, Targets


@pytest.fixture
def pictures() -> list[Picture]:
    return random_set(np.random.default_rng(6))


@pytest.fixture
def annotations(tmp_path: Path, pictures: list[Picture]) -> Path:
    path = tmp_path / "val.json"
    path.write_text(json.dumps(content_of(pictures)))
    return path


def test_gives_the_numbers_of_the_results(annotations: Path, pictures: list[Picture]):
    metric = CityscapesMetric(annotations, classes=CITYSCAPES)
    numbers = feed(metric, pictures)
    assert [f"cityscapes/{name}" for name in metric.names()] == list(numbers)
    expected = evaluate_cityscapes(annotations, results_of(pictures))
    assert numbers == {f"cityscapes/{name}": value for name, value in expected.items()}
    assert 0 < numbers["cityscapes/AP"] < 1


def test_classes_go_by_their_names(annotations: Path, pictures: list[Picture]):
    classes = ("boat", *CITYSCAPES[::-1])
    labels = {label_id: classes.index(name) for name, label_id in LABEL_IDS.items()} | {7: 0}
    numbers = feed(CityscapesMetric(annotations, classes=classes, per_class=False), pictures, labels)
    expected = evaluate_cityscapes(annotations, results_of(pictures), per_class=False)
    assert numbers == {f"cityscapes/{name}": value for name, value in expected.items()}


def test_writes_what_the_server_reads(annotations: Path, pictures: list[Picture], tmp_path: Path):
    output = tmp_path / "new" / "submission"
    metric = CityscapesMetric(annotations, classes=CITYSCAPES, output=output, format_only=True)
    assert feed(metric, pictures) == {}
    assert sorted(path.name for path in output.glob("*.txt")) == [f"ulm_{i:06d}_000019_pred.txt" for i in range(len(pictures))]
    written = []
    for index, picture in enumerate(pictures, start=1):
        for line in (output / f"ulm_{index - 1:06d}_000019_pred.txt").read_text().splitlines():
            mask, label, score = line.split(" ")
            bitmap = np.array(Image.open(output / mask).convert("L")) != 0
            assert bitmap.shape == picture.ids.shape
            written.append((index, int(label), float(score), bitmap.tobytes()))
    expected = [
        (row["image_id"], row["category_id"], row["score"], decode(row["segmentation"]).tobytes()) for row in results_of(pictures)
    ]
    assert written == [row for row in expected if row[1] in LABELS and any(row[3])]
    assert len(written) > 5


def test_a_second_run_leaves_no_mask_of_the_first(annotations: Path, pictures: list[Picture], tmp_path: Path):
    numbers = feed(CityscapesMetric(annotations, classes=CITYSCAPES, output=tmp_path / "out"), pictures)
    assert numbers["cityscapes/AP"] > 0
    assert list((tmp_path / "out").rglob("*.png"))
    feed(CityscapesMetric(annotations, classes=CITYSCAPES, output=tmp_path / "out"), [Picture(ids, []) for ids, _ in pictures])
    assert not list((tmp_path / "out").rglob("*.png"))
    assert all(path.read_text() == "" for path in (tmp_path / "out").glob("*.txt"))


def test_settings_that_make_no_sense(annotations: Path, tmp_path: Path):
    with pytest.raises(ValueError, match="format_only needs `output`"):
        CityscapesMetric(annotations, classes=CITYSCAPES, format_only=True)
    with pytest.raises(DatasetError, match="Cityscapes has none of the classes"):
        CityscapesMetric(annotations, classes=["bolt"])
    content = json.loads(annotations.read_text())
    content["images"][0]["file_name"] = "street.jpg"
    annotations.write_text(json.dumps(content))
    CityscapesMetric(annotations, classes=CITYSCAPES)
    with pytest.raises(DatasetError, match=r"street\.jpg: is not called CITY_SEQUENCE_FRAME_leftImg8bit"):
        CityscapesMetric(annotations, classes=CITYSCAPES, output=tmp_path / "out")


def test_a_submission_needs_a_name_for_each_picture(annotations: Path, tmp_path: Path, pictures: list[Picture]):
    content = json.loads(annotations.read_text())
    content["images"].append(content["images"][0] | {"id": 99, "file_name": "bonn/" + name_of(0).partition("/")[2]})
    annotations.write_text(json.dumps(content))
    with pytest.raises(DatasetError, match="would be one file"):
        CityscapesMetric(annotations, classes=CITYSCAPES, output=tmp_path / "out")


def test_a_model_without_masks_is_told(annotations: Path):
    instances = Instances((64, 96), torch.zeros(1, 4), torch.ones(1), torch.zeros(1, dtype=torch.int64))
    sample = Sample(torch.zeros(3, 4, 4, dtype=torch.uint8), Targets(torch.zeros(0, 4), torch.zeros(0)), 1, (64, 96), "a.png")
    with pytest.raises(ValueError, match="gives no masks"):
        CityscapesMetric(annotations, classes=CITYSCAPES).process([sample], [instances])
