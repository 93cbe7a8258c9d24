"""`queryinst-vis browse`: pictures of augmented samples."""

import cv2
import numpy as np
import pytest
import torch
from ytvis_files import polygon, write_ytvis, ytvis_content

from queryinst_vis.cli.browse import draw, draw_sample
from queryinst_vis.cli.main import main
from queryinst_vis.data.coco import CocoDataset
from queryinst_vis.data.sample import Clip, Sample
from queryinst_vis.masks import BitMasks
from queryinst_vis.structures import Targets

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


VIS_CONFIG = """
from queryinst_vis.data.transforms import RandomFlip
from queryinst_vis.data.ytvis import YtvisDataset

model = dict(type="unused")
train_dataset = dict(
    type=YtvisDataset, annotations={annotations!r}, images={images!r}, num_frames=3, transforms=[dict(type=RandomFlip)]
)
"""


def test_clips_of_videos(tmp_path, capsys):
    shown = [polygon(5, 4, 30, 33)] * 3
    content = ytvis_content([{"segmentations": shown}], videos=[("walk", 3), ("run", 2)])
    path = tmp_path / "config.py"
    path.write_text(VIS_CONFIG.format(**write_ytvis(tmp_path, content)))
    assert main(["browse", str(path), "--output", str(tmp_path / "out"), "--num", "5"]) == 0
    pictures = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in pictures] == [f"00000{index}_walk_0000{index}.jpg" for index in range(3)]
    assert {cv2.imread(str(path)).shape for path in pictures} == {(40, 3 * 60 + 2 * 4, 3)}


def test_an_object_has_one_colour_in_all_frames():
    """Two objects that change their order from frame to frame; colours are looked up at pixels only their masks tint."""
    frames = []
    for rows in ([0, 1], [1, 0]):
        masks = torch.zeros(2, 40, 60, dtype=torch.bool)
        masks[0, 10:30, 5:25] = masks[1, 10:30, 35:55] = True
        masks = BitMasks(masks[rows])
        targets = Targets(masks.boxes(), torch.zeros(2, dtype=torch.int64), masks, track_ids=torch.tensor([4, 9])[rows])
        frames.append(Sample(torch.full((3, 40, 60), 128, dtype=torch.uint8), targets, 0, (40, 60), "a.png"))
    drawn = draw(Clip(frames), classes=("person",))
    left, right, left_again, right_again = (drawn[20, x].tolist() for x in (15, 45, 64 + 15, 64 + 45))
    assert left == left_again
    assert right == right_again
    assert left != right
