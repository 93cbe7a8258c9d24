"""`queryinst-vis browse`: pictures of augmented samples."""

import cv2
import numpy as np
import pytest

from queryinst_vis.cli.browse import draw_sample
from queryinst_vis.cli.main import main
from queryinst_vis.data.coco import CocoDataset

CONFIG = """
from queryinst_vis.data.coco import CocoDataset
from queryinst_vis.data.transforms import RandomResizedCrop

model = dict(type="unused")
train_dataset = dict(
    type=CocoDataset,
    annotations={annotations!r},
    images={images!r},
    classes=("person", "car", "dog"),
    transforms=[dict(type=RandomResizedCrop, size_hw=(48, 64))],
)
"""
POLYGON = [[5, 4, 30, 4, 30, 33, 5, 33]]


@pytest.fixture
def config(make_coco, tmp_path):
    paths = make_coco([{"bbox": [5, 4, 25, 29], "segmentation": POLYGON}], sizes=[(40, 60), (70, 50), (40, 40)])
    path = tmp_path / "config.py"
    path.write_text(CONFIG.format(**paths))
    return path


def test_pictures_of_the_whole_data_set(config, tmp_path, capsys):
    assert main(["browse", str(config), "--output", str(tmp_path / "out"), "--num", "2"]) == 0
    pictures = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in pictures] == ["000000_10.jpg", "000002_12.jpg"]
    assert {cv2.imread(str(path)).shape for path in pictures} == {(48, 64, 3)}
    assert "2 pictures" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--num", "0"], "--num must be 1 or more"),
        (["train_dataset.images=nowhere"], "nowhere: no such folder of images"),
        (["train_dataset.pictures=nowhere"], "pictures"),
    ],
)
def test_mistakes_are_one_line(config, tmp_path, capsys, arguments, message):
    assert main(["browse", str(config), *arguments, "--output", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("crowd", [0, 1])
@pytest.mark.parametrize("segmentation", [POLYGON, []], ids=["mask", "box"])
def test_draw_sample(make_coco, segmentation, crowd):
    annotations = [{"bbox": [5, 4, 25, 29], "segmentation": segmentation, "iscrowd": crowd}]
    sample = CocoDataset(**make_coco(annotations), classes=("person", "car"))[0]
    before = sample.image.clone()
    drawn = draw_sample(sample, classes=("person", "car"))
    image = before.permute(1, 2, 0).numpy()
    assert drawn.shape == image.shape
    assert (sample.image == before).all()
    changed = (drawn != image).any(-1)
    assert changed[20:25, 12:20].mean() == (1.0 if segmentation else 0.0)  # a mask is tinted, a box is not
    assert changed[20, 4:7].any()
    assert not np.any(changed[36:, 40:])
