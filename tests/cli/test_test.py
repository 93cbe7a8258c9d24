"""The command `test`: files for COCO's server of images without annotations, and test-time augmentation."""

import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from command_line import error_line, exit_code
from pycocotools.coco import COCO

from queryinst_vis.checkpoint import save_weights
from queryinst_vis.config import build, load_config
from queryinst_vis.data.classes import COCO as COCO_CLASSES
from queryinst_vis.evaluation.coco import CocoMetric

CONFIG = str(Path(__file__).resolve().parents[1] / "training" / "queryinst_toy.py")
CATEGORIES = [{"id": 2 * label + 1, "name": name} for label, name in enumerate(COCO_CLASSES)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Here: three pictures, with one object each in coco_mini_val.json, and as a server publishes them; random weights."""
    (tmp_path / "coco_mini_val").mkdir()
    images, annotations = [], []
    for index, (height, width) in enumerate([(64, 96), (96, 64), (70, 90)]):
        picture = np.random.RandomState(index).randint(0, 256, (height, width, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / "coco_mini_val" / f"{index}.png"), picture)
        images.append({"id": 100 + index, "file_name": f"{index}.png", "height": height, "width": width})
        box = {"bbox": [10, 20, 30, 30], "area": 900, "iscrowd": 0, "segmentation": [[10, 20, 40, 20, 40, 50, 10, 50]]}
        annotations.append({"id": index + 1, "image_id": 100 + index, "category_id": 1, **box})
    published = {"images": images, "categories": CATEGORIES}
    (tmp_path / "image_info_test-dev2017.json").write_text(json.dumps(published))
    (tmp_path / "coco_mini_val.json").write_text(json.dumps(published | {"annotations": annotations}))
    torch.manual_seed(0)
    model = build(load_config(CONFIG).model)
    model.info.classes = COCO_CLASSES
    save_weights(model, tmp_path / "weights.safetensors")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> int:
    return exit_code(["test", CONFIG, "weights.safetensors", "data_root=.", "num_workers=0", "--device", "cpu", *arguments])


def test_images_without_annotations_for_the_server(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = "image_info_test-dev2017.json"
    assert run(f"val_dataset.annotations={file}", "--format-only", "--output", "out/our model") == 0
    printed = capsys.readouterr().out
    truth = COCO(file)
    for kind, key in (("bbox", "bbox"), ("segm", "segmentation")):
        (line,) = (line for line in printed.splitlines() if line.startswith(f"wrote out/our model.{kind}.zip: "))
        assert "; 300 entries for 3 images" in line
        assert "errors" not in line or ": 0 errors" in line  # random masks may be empty, which is worth a warning
        with zipfile.ZipFile(folder / "out" / f"our model.{kind}.zip") as archive:
            assert archive.namelist() == ["detections_test-dev2017_our-model_results.json"]
            rows = json.loads(archive.read(archive.namelist()[0]))
        assert {tuple(row) for row in rows} == {("image_id", "category_id", "score", key)}
        assert {row["image_id"] for row in rows} == {100, 101, 102}
        assert {row["category_id"] for row in rows} <= {category["id"] for category in CATEGORIES}
        assert len(truth.loadRes(rows).anns) == 300
    assert {tuple(row["segmentation"]["size"]) for row in rows} == {(64, 96), (96, 64), (70, 90)}


def test_what_a_server_would_refuse_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    process = CocoMetric.process

    def broken(self, *args, **options) -> None:
        process(self, *args, **options)
        if self.results[-1]["image_id"] == 101:
            self.results[-1]["detections"][2]["score"] = float("nan")
            self.results[-1]["detections"][4]["bbox"][3] = -1.0

    monkeypatch.setattr(CocoMetric, "process", broken)
    assert run("--format-only") == 1
    lines = capsys.readouterr().out.splitlines()
    assert "    entry 102, image 101: score is nan, must be finite" in lines
    assert any(line.startswith("    entry 104, image 101: bbox is ") for line in lines)
    assert any(line.startswith("wrote weights.bbox.zip: 2 errors, 0 warnings; 300 entries for 3 images") for line in lines)


def test_measured_is_what_was_asked_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Objects were found in other images than those measured: an error about unknown images, after all the work."""
    content = json.loads((folder / "coco_mini_val.json").read_text())
    other = {image["id"]: 7000 + image["id"] for image in content["images"]}
    for row in content["images"]:
        row["id"] = other[row["id"]]
    for row in content["annotations"]:
        row["image_id"] = other[row["image_id"]]
    (folder / "other.json").write_text(json.dumps(content))
    assert run("val_dataset.annotations={data_root}/other.json") == 0
    assert "coco/segm_AP " in capsys.readouterr().out
    assert run("val_dataset.annotations=other.json", "val_metric.annotations=coco_mini_val.json") == 2


@pytest.mark.parametrize("views", [["--tta"], ["--tta", "--scales", "64", "96"]])
def test_augmentation(folder: Path, views: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--output", "plain") == 0
    assert run("--output", "tta", *views) == 0
    assert capsys.readouterr().out.count("coco/segm_AP ") == 2
    plain, augmented = (json.loads((folder / f"{name}.bbox.json").read_text()) for name in ("plain", "tta"))
    assert len(augmented) == len(plain) == 300
    for image_id in (100, 101, 102):
        best_plain, best = (max(r["score"] for r in rows if r["image_id"] == image_id) for rows in (plain, augmented))
        assert best >= best_plain if len(views) == 1 else best != best_plain
    assert [row["bbox"] for row in augmented] != [row["bbox"] for row in plain]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--scales", "64"], "add --tta"),
        (["--tta", "--scales", "16"], "from 32 to 4096, got '16'"),
        (["--tta", "--scales", "64", "num_workers=1"], "got 'num_workers=1'"),
    ],
)
def test_mistakes_are_one_line(folder: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*options) == 2
    assert message in error_line(capsys)
