"""Clips and videos made of single pictures."""

import json
from itertools import pairwise

import cv2
import numpy as np
import pytest
import torch

from queryinst_vis.cli.main import main
from queryinst_vis.data.affine_motion import AffineMotion
from queryinst_vis.data.coco import CocoDataset
from queryinst_vis.data.json_tables import DatasetError
from queryinst_vis.data.loading import SampleKey
from queryinst_vis.data.mosaic import MosaicDataset
from queryinst_vis.data.pseudo_clips import PseudoClips
from queryinst_vis.data.transforms import RandomFlip, RandomResizedCrop
from queryinst_vis.data.ytvis_json import read_ytvis
from queryinst_vis.ops.rle import decode

CLASSES = ("person", "car", "dog")
SQUARE = [[15, 8, 45, 8, 45, 30, 15, 30]]
STILL = AffineMotion(zoom=(1, 1), zoom_change=0, rotation=0, shear=0, travel=0, brightness=0, colour=0)


def _object(**changes):
    return {"bbox": [15, 8, 30, 22], "segmentation": SQUARE, **changes}


@pytest.fixture
def pictures(make_coco):
    """Two pictures: two objects and a crowd region; nothing."""
    paths = make_coco(
        [_object(), _object(category_id=7), _object(category_id=40, iscrowd=1)],
        sizes=[(40, 60), (70, 50)],
    )
    return CocoDataset(**paths, classes=CLASSES)


def test_frames_are_one_picture_under_motion(pictures):
    clip = PseudoClips(pictures, num_frames=4)[0]
    assert [frame.image_hw for frame in clip.frames] == [(40, 60)] * 4
    assert {frame.image_id for frame in clip.frames} == {10}
    assert len({frame.image.numpy().tobytes() for frame in clip.frames}) == 4
    for frame in clip.frames:
        assert frame.targets.track_ids.tolist() == [1, 2, 3]
        assert frame.targets.labels.tolist() == [0, 2, 1]
        assert frame.targets.is_crowd.tolist() == [False, False, True]
        assert torch.equal(frame.targets.boxes, frame.targets.masks.boxes())


def test_no_motion_gives_the_picture_itself(pictures):
    clip = PseudoClips(pictures, motion=STILL)[0]
    expected = pictures.load(0)
    for frame in clip.frames:
        assert torch.equal(frame.image, expected.image)
        assert torch.equal(frame.targets.masks.tensor, expected.targets.masks.tensor)


def test_a_key_always_gives_the_same_clip(pictures):
    clips = PseudoClips(pictures, transforms=[RandomResizedCrop((32, 48)), RandomFlip()])
    key = SampleKey(3, 1, 0)
    first, again = clips[key], clips[key]
    assert all(torch.equal(a.image, b.image) for a, b in zip(first.frames, again.frames, strict=True))
    for other in (SampleKey(4, 1, 0), SampleKey(3, 2, 0), SampleKey(3, 1, 1)):
        assert not torch.equal(clips[other].frames[0].image, first.frames[0].image)


def test_transforms_are_drawn_once_for_a_clip(pictures):
    clips = PseudoClips(pictures, transforms=[RandomResizedCrop((32, 48)), RandomFlip()], motion=STILL, num_frames=3)
    for epoch in range(5):
        images = [frame.image for frame in clips[SampleKey(0, epoch, 0)].frames]
        assert all(torch.equal(image, images[0]) for image in images)


def test_pictures_without_objects_and_boxes_without_masks(make_coco):
    paths = make_coco([_object(segmentation=[])], sizes=[(40, 60), (70, 50)])
    clips = PseudoClips(CocoDataset(**paths, classes=CLASSES, annotated_classes=("person",)))
    boxed, empty = clips[0], clips[1]
    for frame in boxed.frames:
        assert (len(frame.targets), frame.targets.masks) == (1, None)
        assert frame.targets.annotated_classes.tolist() == [True, False, False]
    assert [len(frame.targets) for frame in empty.frames] == [0, 0]
    assert empty.frames[0].targets.track_ids.tolist() == []
    assert (len(clips), clips.classes, clips.aspect_ratios.tolist()) == (2, CLASSES, [60 / 40, 50 / 70])


def test_what_does_not_fit_is_refused(pictures):
    pictures.transforms = [RandomFlip()]
    with pytest.raises(DatasetError, match="give the transforms to PseudoClips"):
        PseudoClips(pictures)
    with pytest.raises(DatasetError, match=r"needs a dataset with load\(index\), such as CocoDataset, got MosaicDataset"):
        PseudoClips(MosaicDataset(pictures, size_hw=(64, 64)))
    pictures.transforms = []
    with pytest.raises(DatasetError, match="num_frames must be a whole number from 1, got 0"):
        PseudoClips(pictures, num_frames=0)
    with pytest.raises(DatasetError, match="min_visible must be from 0 to 1"):
        PseudoClips(pictures, min_visible=10)


def test_tool_writes_youtube_vis(make_coco, tmp_path, capsys):
    paths = make_coco(
        [_object(), _object(category_id=40, iscrowd=1), _object(image_id=11), _object(image_id=12, segmentation=[])],
        sizes=[(40, 60), (60, 50), (40, 60), (40, 60)],
    )
    out = tmp_path / "out"
    arguments = ["pseudo-clips", paths["annotations"], paths["images"], str(out), "--frames", "5", "--speed", "0.3"]
    assert main(arguments) == 0
    assert "2 videos, 3 objects" in capsys.readouterr().out  # neither the picture with a box only nor the one without objects
    content = read_ytvis(out / "instances.json")
    videos = {video["file_names"][0].split("/")[0]: video for video in content["videos"]}
    assert sorted(videos) == ["000000000010", "000000000011"]
    by_category = {category["id"]: category["name"] for category in content["categories"]}
    assert by_category == {3: "person", 7: "dog", 40: "car"}
    assert sorted((a["category_id"], a["iscrowd"]) for a in content["annotations"]) == [(3, 0), (3, 0), (40, 1)]
    for video in content["videos"]:
        images = [cv2.imread(str(out / "JPEGImages" / name)) for name in video["file_names"]]
        assert {image.shape[:2] for image in images} == {(video["height"], video["width"])}
        steps = [np.abs(a.astype(int) - b).mean() for a, b in pairwise(images)]
        assert min(steps) > 0
    first = out.joinpath("instances.json").read_bytes()
    assert main([*arguments, "--overwrite"]) == 0
    assert out.joinpath("instances.json").read_bytes() == first


def test_motion_of_videos_is_smooth(make_coco, tmp_path):
    paths = make_coco([_object()])
    command = ["pseudo-clips", paths["annotations"], paths["images"], str(tmp_path / "out")]
    assert main([*command, "--frames", "40", "--speed", "0.1"]) == 0
    (annotation,) = json.loads((tmp_path / "out" / "instances.json").read_text())["annotations"]
    centres = [np.argwhere(decode(code)).mean(0) for code in annotation["segmentations"] if code]
    steps = np.linalg.norm(np.diff(centres, axis=0), axis=1)
    assert 0 < steps.mean() < 3
    assert steps.max() < 6  # nothing jumps across a picture of 40 x 60


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--frames", "0"], "--frames 0: expected"),
        (["--max-images", "0"], "--max-images 0: expected"),
        (["--speed", "-1"], "--speed -1.0: expected"),
        (["--quality", "101"], "--quality 101: expected"),
    ],
)
def test_mistakes_are_one_line(make_coco, tmp_path, capsys, options, message):
    paths = make_coco([_object()])
    assert main(["pseudo-clips", paths["annotations"], paths["images"], str(tmp_path / "out"), *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_pictures_without_masks_make_no_videos(make_coco, tmp_path, capsys):
    paths = make_coco([_object(segmentation=[])])
    assert main(["pseudo-clips", paths["annotations"], paths["images"], str(tmp_path / "out")]) == 2
    assert "no picture all of whose objects have masks" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_real_pictures(shared_data):
    dataset = CocoDataset(shared_data / "coco_mini_val.json", shared_data / "coco_mini_val", classes=("person",), training=True)
    clips = PseudoClips(dataset, transforms=[RandomResizedCrop((160, 160))])
    shared = []
    for index in range(20):
        key, reference = clips[index].frames
        shared.append(len(set(key.targets.track_ids.tolist()) & set(reference.targets.track_ids.tolist())))
    assert np.mean([count > 0 for count in shared]) > 0.7
