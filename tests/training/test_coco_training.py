"""From a COCO file through a training to detections in COCO's format, by the command line."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO

from queryinst_vis.checkpoint import load_model, save_weights
from queryinst_vis.cli.main import main
from queryinst_vis.config import build, load_config
from queryinst_vis.data.classes import COCO as COCO_CLASSES

CONFIG = str(Path(__file__).resolve().parent / "queryinst_toy.py")


@pytest.fixture
def data_root(tmp_path: Path) -> Path:
    """Eight pictures of a bright rectangle; one in four has none."""
    images, annotations = [], []
    (tmp_path / "coco_mini_val").mkdir()
    for index in range(8):
        height, width = (64, 96) if index % 2 else (96, 64)
        picture = np.full((height, width, 3), 40, np.uint8)
        images.append({"id": 10 * index + 1, "file_name": f"{index}.png", "height": height, "width": width})
        if index % 4:
            picture[20:50, 10:40] = 220
            corners = [10, 20, 40, 20, 40, 50, 10, 50]
            fields = {"bbox": [10, 20, 30, 30], "area": 900, "iscrowd": 0, "segmentation": [corners]}
            annotations.append({"id": index + 1, "image_id": 10 * index + 1, "category_id": 18, **fields})
        cv2.imwrite(str(tmp_path / "coco_mini_val" / f"{index}.png"), picture)
    categories = [{"id": 1, "name": "person"}, {"id": 18, "name": "dog"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (tmp_path / "coco_mini_val.json").write_text(json.dumps(content))
    return tmp_path


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["model.num_classes=2"], "model.num_classes=2, but the classes are person, bicycle, car, motorcycle, airplane, ... (80"),
        (
            ["val_metric.classes=('dog', 'person')"],
            "val_metric.classes are dog, person; the model's are person, bicycle, car, motorcycle, airplane, ... (80",
        ),
        (["optimizer.lr=1e30", "clip_norm=None", "accumulate=1"], "not finite: the training has diverged. Images: "),
    ],
    ids=["number of classes", "measured classes", "diverged"],
)
def test_a_traceback_or_wrong_numbers_came_of(
    data_root: Path, tmp_path: Path, options: list[str], message: str, capsys: pytest.CaptureFixture
) -> None:
    labelled = [f"{part}.annotated_classes=('person', 'dog')" for part in ("train_dataset", "val_dataset")]
    settings = [f"data_root={data_root}", "num_workers=0", "batch_size=1", "epochs=3", *labelled, *options]
    assert main(["train", CONFIG, *settings, "--work-dir", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_weights_of_other_classes_were_measured(data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    model = build(load_config(CONFIG, [f"data_root={data_root}"]).model)
    model.info.classes = tuple(reversed(COCO_CLASSES))
    save_weights(model, tmp_path / "other.safetensors")
    options = [f"data_root={data_root}", "num_workers=0", "val_dataset.annotated_classes=('person', 'dog')"]
    assert main(["test", CONFIG, str(tmp_path / "other.safetensors"), *options]) == 2
    assert "the model's are toothbrush, hair drier, teddy bear" in capsys.readouterr().err


def test_from_a_coco_file_to_detections(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    labelled = [f"{part}.annotated_classes=('person', 'dog')" for part in ("train_dataset", "val_dataset")]
    options = [f"data_root={data_root}", "num_workers=0", *labelled]
    monkeypatch.chdir(tmp_path)
    training = ["batch_size=2", "epochs=2", "schedule.warmup_iters=1", "best_metric=coco/segm_AP"]
    assert main(["train", CONFIG, *options, *training]) == 0
    work_dir = tmp_path / "work_dirs" / "queryinst_toy"
    best, weights = json.loads((work_dir / "best.json").read_text()), str(work_dir / "best.safetensors")
    assert len(load_model(weights, device="cpu").info.classes) == 80

    capsys.readouterr()
    assert main(["test", CONFIG, weights, *options]) == 0
    rows = dict(line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("coco/"))
    assert float(rows["coco/segm_AP"]) == pytest.approx(best["value"], abs=1e-4)

    assert main(["test", CONFIG, weights, *options, "--format-only"]) == 0
    assert "coco/segm_AP" not in capsys.readouterr().out
    truth = COCO(str(data_root / "coco_mini_val.json"))
    for kind in ("bbox", "segm"):
        detections = truth.loadRes(str(tmp_path / f"best.{kind}.json"))
        assert len(detections.anns) > 0
