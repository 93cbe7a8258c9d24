"""YtvisDataset and YtvisVideos: what the JSON says comes out as clips and videos, and what does not fit is named."""

import copy
import json
import pickle
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask
from ytvis_files import HW, compressed, polygon, runs, write_ytvis, ytvis_content

from queryinst_vis.data.json_tables import DatasetError
from queryinst_vis.data.loading import JoinedDataset, SampleKey
from queryinst_vis.data.sample import Clip
from queryinst_vis.data.transforms import (
    RandomChoice,
    RandomColour,
    RandomCrop,
    RandomFlip,
    RandomResizedCrop,
    RandomScale,
    RandomScaleRange,
)
from queryinst_vis.data.ytvis import VideoSample, YtvisDataset, YtvisVideos

BOX = (5, 4, 30, 33)


@pytest.fixture
def make(tmp_path):
    """make(annotations, videos=..., **options of the dataset) writes the files and opens them."""

    def _make(annotations, *, videos=(("walk", 4),), hw=HW, **options) -> YtvisDataset:
        return YtvisDataset(**write_ytvis(tmp_path, ytvis_content(annotations, videos=videos, hw=hw)), **options)

    return _make


def _everywhere(num_frames=4, **fields):
    return {"segmentations": [polygon(*BOX)] * num_frames} | fields


@pytest.mark.parametrize("form", [polygon, runs, compressed])
def test_masks_boxes_and_identities(make, form):
    first = {"segmentations": [form(5, 4, 30, 33), None, form(6, 4, 31, 33), form(7, 4, 32, 33)], "category_id": 40}
    second = {"segmentations": [None, form(40, 10, 50, 20), form(40, 10, 50, 20), None]}
    dataset = make([first, second], num_frames=1)
    assert dataset.classes == ("person", "dog", "car")  # by increasing id: 0, 7, 40
    assert len(dataset) == 4
    frames = [dataset.load(index) for index in range(4)]
    assert [frame.targets.labels.tolist() for frame in frames] == [[2], [0], [2, 0], [2]]
    assert [frame.targets.track_ids.tolist() for frame in frames] == [[1], [2], [1, 2], [1]]
    assert frames[2].targets.boxes.tolist() == [[6, 4, 31, 33], [40, 10, 50, 20]]
    expected = np.zeros(HW, dtype=bool)
    expected[4:33, 6:31] = True
    assert np.array_equal(frames[2].targets.masks.tensor[0].numpy(), expected)
    assert frames[2].targets.has_mask.tolist() == [True, True]
    picture = cv2.imread(str(dataset.image_folder / "walk/00002.png"))[..., ::-1]
    assert np.array_equal(frames[2].image.permute(1, 2, 0).numpy(), picture)
    assert (frames[2].image_id, frames[2].file_name, frames[2].original_hw) == (2, "walk/00002.png", HW)


def test_a_given_box_is_kept_and_a_missing_one_made_from_the_mask(make):
    boxes = [[5, 4, 20, 20.5], None, [55, 30, 20, 20], None]
    dataset = make([_everywhere(bboxes=boxes)], num_frames=1)
    found = [dataset.load(index).targets.boxes[0].tolist() for index in range(4)]
    assert found == [[5, 4, 25, 24.5], [5, 4, 30, 33], [55, 30, 60, 40], [5, 4, 30, 33]]


@pytest.mark.parametrize(
    ("item", "fields", "kept"),
    [
        (None, {}, False),
        ([], {}, False),
        (polygon(*BOX), {"areas": [0, 9]}, False),
        (polygon(*BOX), {"areas": [0.5, 9]}, True),
        (polygon(*BOX), {"bboxes": [[5, 4, 0.5, 20], None]}, False),
        (polygon(*BOX), {"bboxes": [[5, 4, 20, 0.5], None]}, False),
        (runs(0, 0, 0, 0), {}, False),  # an empty mask
        (runs(0, 0, 0, 0), {"bboxes": [[5, 4, 20, 20], None]}, False),
        (compressed(3, 3, 4, 4), {}, True),  # one pixel
        (None, {"bboxes": [[5, 4, 20, 20], None]}, True),  # a box without a mask
        (None, {"bboxes": [[0, 0, 0, 0], None]}, False),
        (polygon(*BOX), {"iscrowd": 1}, False),
        (polygon(*BOX), {"category_id": 7}, False),  # none of the classes
    ],
)
def test_which_frames_are_used(make, item, fields, kept):
    others = {"segmentations": [None, polygon(*BOX)]}
    dataset = make([{"segmentations": [item, None]} | fields, others], videos=[("walk", 2)], classes=("person",), num_frames=1)
    assert [dataset.load(index).file_name for index in range(len(dataset))] == ["walk/00000.png", "walk/00001.png"][not kept :]


def test_crowd_regions_are_targets_of_frames_with_objects(make):
    dataset = make([_everywhere(iscrowd=1), {"segmentations": [None, polygon(1, 1, 9, 9), None, None]}])
    assert len(dataset) == 1
    targets = dataset[0].frames[0].targets
    assert targets.is_crowd.tolist() == [True, False]
    assert targets.track_ids.tolist() == [1, 2]


def test_without_training_every_frame_is_there(make):
    dataset = make([{"segmentations": [None, polygon(*BOX), None, None]}], training=False, videos=[("walk", 4), ("run", 2)])
    assert len(dataset) == 6
    empty = dataset.load(5).targets
    assert (len(empty), len(empty.track_ids)) == (0, 0)


def test_small_frames_are_no_training_frames(make):
    with pytest.raises(DatasetError, match="no frame of at least 32 pixels shows any of the classes"):
        make([{"segmentations": [polygon(1, 1, 9, 9)] * 4}], hw=(31, 60))


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        ({"segmentations": [None, compressed(1, 1, 9, 9, hw=(20, 60)), None, None]}, r"size \[20, 60\] is not that of the image"),
        ({"segmentations": [None, {"size": [40, 60], "counts": [3, 9]}, None, None]}, "cover 12 pixels"),
        ({"segmentations": [None, {"size": [40, 60], "counts": [2399.5, 0.5]}, None, None]}, "whole numbers"),
        ({"segmentations": [None, {"size": [40, 60], "counts": []}, None, None]}, "whole numbers"),
        ({"segmentations": [None, {"size": [40, 60]}, None, None]}, "counts must be a list of numbers or a text"),
        ({"segmentations": [None, [[1, 2, 3, 4, 5, float("nan")]], None, None]}, "a polygon is made of numbers"),
        ({"segmentations": [None, [[1, 2, 3, 4, 5, 1e300]], None, None]}, "a polygon is made of numbers"),
        ({"segmentations": [None, [[1, 2, 3, 4, 5, "x"]], None, None]}, "a polygon is made of numbers"),
    ],
)
def test_a_mask_that_does_not_fit_is_named_when_the_file_is_opened(make, annotation, message):
    with pytest.raises(DatasetError, match=r"annotations.json: video 0 \(walk\): annotation 101, frame 1: .*" + message) as error:
        make([_everywhere(), annotation])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("box", "message"), [([60, 0, 5, 5], "lies outside the image of 60 x 40"), ([1, 1, float("inf"), 5], "must be finite")]
)
def test_a_box_that_makes_no_sense_is_named(make, box, message):
    with pytest.raises(DatasetError, match=r"annotation 100 of video 0 \(walk\), frame 3: bbox .*" + message):
        make([_everywhere(bboxes=[None, None, None, box])])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.unlink(), "no such image"),
        (lambda path: path.write_bytes(b""), "not an image that can be decoded"),
        (lambda path: cv2.imwrite(str(path), np.zeros((20, 20, 3), np.uint8)), "is 20 x 20 pixels, the annotations say 60 x 40"),
    ],
)
def test_a_bad_picture_is_named(make, change, message):
    dataset = make([_everywhere()], num_frames=1)
    change(dataset.image_folder / "walk/00003.png")
    dataset[0]
    with pytest.raises(DatasetError, match=r"walk/00003.png \(video 0 \(walk\), frame 3 of .*annotations.json\): " + message):
        dataset[3]


def test_classes(make, tmp_path):
    annotations = [_everywhere(category_id=category_id) for category_id in (7, 0, 40)]
    assert make(annotations, classes=("car", "person")).load(0).targets.labels.tolist() == [1, 0]
    paths = {"annotations": tmp_path / "annotations.json", "images": tmp_path / "images"}
    assert YtvisDataset(**paths, classes=("car", "person")).load(0).targets.track_ids.tolist() == [2, 3]  # whatever the classes
    with pytest.raises(DatasetError, match=r"annotations.json: has no category 'zebra', only \['car', 'dog', 'person'\]"):
        YtvisDataset(**paths, classes=("car", "zebra"))
    with pytest.raises(DatasetError, match="classes must be a list of different names"):
        YtvisDataset(**paths, classes="car")
    labelled = YtvisDataset(**paths, classes=("zebra", "car"), annotated_classes=("car",)).load(0)
    assert labelled.targets.annotated_classes.tolist() == [False, True]


def test_two_categories_of_one_name(tmp_path):
    content = copy.deepcopy(ytvis_content([_everywhere()]))
    content["categories"][1]["name"] = "dog"
    with pytest.raises(DatasetError, match="two categories are called 'dog'"):
        YtvisDataset(**write_ytvis(tmp_path, content))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_frames": 0}, "num_frames must be a whole number from 1, got 0"),
        ({"num_frames": 2.0}, "num_frames must be"),
        ({"max_distance": 0}, "max_distance must be a whole number from 1, or None"),
    ],
)
def test_a_clip_that_makes_no_sense(make, options, message):
    with pytest.raises(DatasetError, match=message):
        make([_everywhere()], **options)


def test_missing_folder_and_index(make, tmp_path):
    dataset = make([_everywhere()])
    for bad in (4, -1):
        with pytest.raises(IndexError):
            dataset[bad]
    with pytest.raises(DatasetError, match="nowhere: no such folder of images"):
        YtvisDataset(tmp_path / "annotations.json", "nowhere")


def _frames(dataset, index, count=60):
    """Which frames the clips of one key frame are made of."""
    names = [[frame.file_name for frame in dataset[SampleKey(0, epoch, index)].frames] for epoch in range(count)]
    assert {clip[0] for clip in names} == {dataset.load(index).file_name}
    return [[int(name[-9:-4]) for name in clip[1:]] for clip in names]


LONG = [("other", 3), ("walk", 12), ("more", 3)]


def _long(**fields):
    return {"video_id": 1, "segmentations": [polygon(*BOX)] * 12} | fields


def test_any_frame_of_the_video_is_the_reference(make):
    dataset = make([_long(), _everywhere(3)], videos=LONG)
    references = _frames(dataset, 3 + 5, count=200)
    assert {frame for clip in references for frame in clip} == {*range(12)} - {5}


@pytest.mark.parametrize(("key", "near"), [(0, {1, 2}), (5, {3, 4, 6, 7}), (11, {9, 10})])
def test_a_reference_within_the_distance(make, key, near):
    dataset = make([_long()], videos=LONG, max_distance=2)
    assert {frame for clip in _frames(dataset, key) for frame in clip} == near


def test_a_reference_has_objects_that_are_no_crowd(make):
    shown = [polygon(*BOX) if frame in (2, 5, 9) else None for frame in range(12)]
    crowd = [polygon(*BOX) if frame == 7 else None for frame in range(12)]
    dataset = make([_long(segmentations=shown), _long(segmentations=crowd, iscrowd=1)], videos=LONG)
    assert len(dataset) == 3
    assert {frame for clip in _frames(dataset, 1) for frame in clip} == {2, 9}


@pytest.mark.parametrize("options", [{}, {"max_distance": 1}])
def test_a_frame_without_a_reference_is_its_own(make, options):
    dataset = make([_everywhere(1, segmentations=[polygon(*BOX), None, None])], videos=[("one", 3)], **options)
    key, reference = dataset[0].frames
    assert key.file_name == reference.file_name
    assert key.targets.track_ids.tolist() == reference.targets.track_ids.tolist()


def test_longer_clips_do_not_repeat_frames_until_they_have_to(make):
    dataset = make([_long()], videos=LONG, num_frames=5)
    clips = _frames(dataset, 4)
    assert all(len({*clip, 4}) == 5 for clip in clips)
    assert any(clip != sorted(clip) for clip in clips)
    few = make([_everywhere(3)], videos=LONG, num_frames=5)
    assert all(sorted(set(clip)) == [0, 2] and len(clip) == 4 for clip in _frames(few, 1))


TRANSFORMS = [
    RandomColour(),
    RandomChoice([[RandomScale([(60, 40), (90, 48)])], [RandomScaleRange(longs=(64, 96), shorts=(36, 48)), RandomCrop(20, 30)]]),
    RandomFlip(),
]


def test_all_frames_of_a_clip_are_augmented_alike(make):
    """The pictures are made equal on disk: what differs between the frames of a clip would be the augmentation."""
    dataset = make([_everywhere()], transforms=TRANSFORMS, num_frames=3)
    picture = (dataset.image_folder / "walk/00000.png").read_bytes()
    for path in dataset.image_folder.rglob("*.png"):
        path.write_bytes(picture)
    sizes = set()
    for epoch in range(20):
        frames = dataset[SampleKey(0, epoch, 1)].frames
        sizes.add(frames[0].image_hw)
        for other in frames[1:]:
            assert torch.equal(frames[0].image, other.image)
            assert torch.equal(frames[0].targets.boxes, other.targets.boxes)
            assert torch.equal(frames[0].targets.masks.tensor, other.targets.masks.tensor)
    assert len(sizes) > 5


def test_a_key_always_gives_the_same_clip(make):
    dataset = make([_long()], videos=LONG, transforms=TRANSFORMS)
    first = dataset[SampleKey(5, 2, 3)]
    others = [dataset[key] for key in (SampleKey(5, 2, 4), SampleKey(5, 3, 3), SampleKey(6, 2, 3), 3)]
    again = pickle.loads(pickle.dumps(dataset))[SampleKey(5, 2, 3)]
    assert [frame.file_name for frame in first.frames] == [frame.file_name for frame in again.frames]
    assert all(torch.equal(a.image, b.image) for a, b in zip(first.frames, again.frames, strict=True))
    assert not any(torch.equal(first.frames[0].image, other.frames[0].image) for other in others)


def test_the_choice_of_frames_does_not_depend_on_the_transforms(make):
    plain = _frames(make([_long()], videos=LONG), 3)
    assert plain == _frames(make([_long()], videos=LONG, transforms=TRANSFORMS), 3)


def test_a_crop_carries_no_hidden_pixels(make):
    dataset = make([_everywhere()], transforms=[RandomResizedCrop((8, 8), zoom=(2, 2))])
    assert all(frame.image.untyped_storage().nbytes() == 3 * 8 * 8 for frame in dataset[0].frames)


def test_clips_of_several_datasets(make):
    wide = make([_everywhere()])
    joined = JoinedDataset([wide, wide])
    assert isinstance(joined[7], Clip)
    assert joined.aspect_ratios.tolist() == [1.5] * 8


@pytest.mark.parametrize("classes", [None, ("car", "zebra", "person")])
def test_videos(tmp_path, classes):
    content = ytvis_content([], videos=[("walk", 4), ("run", 2)], first_id=3)
    del content["annotations"]
    paths = write_ytvis(tmp_path, content)
    videos = YtvisVideos(**paths, classes=classes, fps=30)
    assert len(videos) == 2
    assert videos.category_ids == ((0, 7, 40) if classes is None else (40, None, 0))
    video = pickle.loads(pickle.dumps(videos[SampleKey(0, 0, 1)]))
    assert isinstance(video, VideoSample)
    assert (video.video_id, video.name, video.image_hw, len(video), video.fps) == (4, "run", HW, 2, 30)
    frames = list(video.frames())
    assert [(frame.index, frame.time) for frame in frames] == [(0, 0.0), (1, 1 / 30)]
    assert np.array_equal(frames[1].image, cv2.imread(f"{paths['images']}/run/00001.png")[..., ::-1])
    with pytest.raises(IndexError):
        videos[2]


def test_video_with_a_bad_frame(tmp_path):
    paths = write_ytvis(tmp_path, ytvis_content([]))
    Path(paths["images"], "walk/00002.png").unlink()
    frames = YtvisVideos(**paths)[0].frames()
    assert [next(frames).index, next(frames).index] == [0, 1]  # decoded one by one
    with pytest.raises(DatasetError, match=r"00002.png \(video 0 \(walk\) of .*annotations.json\): no such image"):
        next(frames)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": ("zebra",)}, r"none of its categories .* is among the classes \['zebra'\]"),
        ({"fps": 0}, "fps must be above 0"),
        ({"images": "nowhere"}, "no such folder"),
    ],
)
def test_videos_that_cannot_be_opened(tmp_path, options, message):
    paths = write_ytvis(tmp_path, ytvis_content([]))
    with pytest.raises(DatasetError, match=message):
        YtvisVideos(**paths | options)


def test_the_example_of_the_documents(tmp_path, repo_root):
    example = re.search(r"```json\n(.*?)```", (repo_root / "docs/datasets.md").read_text(), re.DOTALL)
    dataset = YtvisDataset(**write_ytvis(tmp_path, json.loads(example.group(1))))
    assert (len(dataset), dataset.classes) == (1, ("bolt",))


def test_real_masks_are_those_of_pycocotools(shared_data):
    content = json.loads((shared_data / "davis_vis.json").read_text())
    dataset = YtvisDataset(shared_data / "davis_vis.json", shared_data / "davis_vis", num_frames=1)
    assert dataset.classes == ("person", "vehicle", "animal")
    starts = np.cumsum([0] + [video["length"] for video in content["videos"]])
    for index in range(0, len(dataset), 40):
        sample = dataset.load(index)
        video = int(np.searchsorted(starts, sample.image_id, side="right")) - 1
        shown = [
            annotation["segmentations"][sample.image_id - starts[video]]
            for annotation in content["annotations"]
            if annotation["video_id"] == content["videos"][video]["id"]
        ]
        height, width = sample.image_hw
        masks = [coco_mask.decode(coco_mask.frPyObjects(code, height, width)) for code in shown if code]
        masks = [mask for mask in masks if mask.any()]
        assert np.array_equal(sample.targets.masks.tensor.numpy(), np.stack(masks).astype(bool))


def test_categories_count_as_classes_of_another_name(make):
    dataset = make([_everywhere(category_id=7)], classes=("cat", "wolf"), renamed={"dog": "wolf"}, annotated_classes=["wolf"])
    assert dataset.load(0).targets.labels.tolist() == [1]
    with pytest.raises(DatasetError, match="has no category 'zebra' to rename"):
        make([_everywhere()], renamed={"zebra": "horse"})
