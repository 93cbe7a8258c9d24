"""CocoDataset: what the JSON says comes out, and what is wrong in it is named."""

import json
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from pycocotools import coco as official_coco
from pycocotools import mask as coco_mask

from queryinst_vis.data.classes import COCO
from queryinst_vis.data.coco import CocoDataset
from queryinst_vis.data.coco_json import DatasetError, decode_mask
from queryinst_vis.data.loading import SampleKey
from queryinst_vis.data.transforms import RandomColour, RandomFlip, RandomResizedCrop

CLASSES = ("person", "car", "dog")
POLYGON = [[5.5, 4, 30, 6.2, 25.7, 33, 8, 28.4]]
BOX = [5, 4, 25, 29]


def _rle(*, compressed: bool) -> dict:
    """POLYGON as a code of the 40 x 60 picture."""
    code = coco_mask.merge(coco_mask.frPyObjects(POLYGON, 40, 60))
    if compressed:
        return {"size": code["size"], "counts": code["counts"].decode()}
    flat = np.concatenate([[0], coco_mask.decode(code).ravel(order="F"), [2]])
    edges = np.flatnonzero(np.diff(flat))
    return {"size": [40, 60], "counts": np.diff(edges, prepend=0).tolist()}


@pytest.mark.parametrize("segmentation", [POLYGON, _rle(compressed=True), _rle(compressed=False)], ids=["polygon", "rle", "runs"])
def test_mask_is_that_of_pycocotools(make_coco, segmentation):
    (sample,) = CocoDataset(**make_coco([{"bbox": BOX, "segmentation": segmentation}]), classes=CLASSES)
    expected = coco_mask.decode(coco_mask.frPyObjects(POLYGON, 40, 60))[..., 0]
    assert np.array_equal(sample.targets.masks.tensor[0].numpy(), expected.astype(bool))
    assert sample.targets.has_mask.tolist() == [True]


@pytest.mark.parametrize("seed", range(30))
def test_any_compressed_code_is_accepted(seed):
    """The lengths that the check reads from a code are those that pycocotools wrote into it."""
    rng = np.random.default_rng(seed)
    runs = rng.integers(1, 10 ** rng.integers(1, 6), rng.integers(1, 9)).tolist()
    code = coco_mask.frPyObjects({"size": [1, sum(runs)], "counts": runs}, 1, sum(runs))
    segmentation = {"size": code["size"], "counts": code["counts"].decode()}
    assert np.array_equal(decode_mask(segmentation, (1, sum(runs))), coco_mask.decode(code).astype(bool))


def test_image_and_boxes(make_coco):
    paths = make_coco([{"bbox": [50, 30, 30.5, 6]}])
    (sample,) = CocoDataset(**paths, classes=CLASSES)
    bgr = cv2.imread(f"{paths['images']}/10.png")
    assert np.array_equal(sample.image.permute(1, 2, 0).numpy(), bgr[..., ::-1])
    assert sample.image.is_contiguous()
    assert (sample.image_id, sample.file_name, sample.original_hw, sample.image_hw) == (10, "10.png", (40, 60), (40, 60))
    assert sample.targets.boxes.tolist() == [[50, 30, 60, 36]]  # clipped to the image
    assert "10.png" in repr(sample)


def test_labels_follow_the_class_list_and_ids_may_have_gaps(make_coco):
    paths = make_coco([{"bbox": BOX, "category_id": c} for c in (3, 7, 40)])
    assert CocoDataset(**paths, classes=CLASSES)[0].targets.labels.tolist() == [0, 2, 1]
    assert CocoDataset(**paths, classes=("dog",))[0].targets.labels.tolist() == [0]


def test_crowd_and_box_only_objects(make_coco):
    annotations = [
        {"bbox": BOX, "segmentation": []},
        {"bbox": BOX, "segmentation": _rle(compressed=False), "iscrowd": 1},
        {"bbox": BOX},
        {"bbox": BOX, "segmentation": [[1, 1, 2, 2]]},  # a polygon of two points is none
    ]
    targets = CocoDataset(**make_coco(annotations), classes=CLASSES)[0].targets
    assert targets.is_crowd.tolist() == [False, True, False, False]
    assert targets.has_mask.tolist() == [False, True, False, False]
    assert targets.masks.areas().tolist()[0::2] == [0, 0]
    assert targets.masks.areas()[1] > 400


def test_no_masks_at_all_and_no_objects_at_all(make_coco):
    dataset = CocoDataset(**make_coco([{"bbox": BOX}], sizes=[(40, 60), (30, 20)]), classes=CLASSES)
    assert [len(sample.targets) for sample in (dataset[0], dataset[1])] == [1, 0]
    assert dataset[0].targets.masks is None
    assert dataset[1].image_id == 11
    with pytest.raises(IndexError):
        dataset[2]
    assert dataset.aspect_ratios.tolist() == [1.5, 2 / 3]


def test_annotated_classes(make_coco):
    paths = make_coco([{"bbox": BOX}])
    assert CocoDataset(**paths, classes=CLASSES)[0].targets.annotated_classes is None
    classes = ("zebra", *CLASSES)  # zebras are not in the file at all
    sample = CocoDataset(**paths, classes=classes, annotated_classes=("person",))[0]
    assert sample.targets.annotated_classes.tolist() == [False, True, False, False]
    assert sample.targets.labels.tolist() == [1]
    with pytest.raises(DatasetError, match=r"no category 'zebra'.*annotated_classes"):
        CocoDataset(**paths, classes=classes)
    with pytest.raises(DatasetError, match="'horse' is not among the classes"):
        CocoDataset(**paths, classes=classes, annotated_classes=("horse",))


@pytest.mark.parametrize(
    ("annotation", "kept"),
    [
        ({"bbox": [1, 1, 1, 1]}, 1),
        ({"bbox": [1, 1, 0.9, 5]}, 0),
        ({"bbox": [1, 1, 5, 0.9]}, 0),
        ({"bbox": BOX, "area": 0}, 0),
        ({"bbox": BOX, "area": 0.5}, 1),
        ({"bbox": BOX, "ignore": True}, 0),
        ({"bbox": [500, 1, 5, 5], "ignore": 1}, 0),
        ({"bbox": BOX, "ignore": 0}, 1),
        ({"bbox": [-4, -4, 5, 5]}, 1),
        ({"bbox": [0, 0, 60, 40], "iscrowd": 1}, 1),
    ],
)
def test_annotations_left_out(make_coco, annotation, kept):
    assert len(CocoDataset(**make_coco([annotation]), classes=CLASSES)[0].targets) == kept


def test_training_leaves_out_small_and_empty_images(make_coco):
    annotations = [
        {"image_id": 10, "bbox": BOX},
        {"image_id": 11, "bbox": [1, 1, 5, 5]},  # 31 pixels high
        {"image_id": 13, "bbox": BOX, "category_id": 7},
        {"image_id": 14, "bbox": [1, 1, 5, 5]},
    ]
    paths = make_coco(annotations, sizes=[(40, 60), (31, 60), (40, 60), (40, 60), (32, 32)])
    assert CocoDataset(**paths, classes=("person",), training=True).image_ids.tolist() == [10, 14]
    assert len(CocoDataset(**paths, classes=("person",))) == 5


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        ({"bbox": [60, 0, 5, 5]}, r"annotation 100 of image 10: bbox .* lies outside the image of 60 x 40"),
        ({"bbox": [0, -9, 5, 9]}, r"annotation 100 of image 10: bbox .* lies outside"),
        ({"bbox": [0, 0, 5]}, r"annotation 100 of image 10: bbox must be \[x, y, width, height\]"),
        ({"bbox": [0, 0, "a", 5]}, r"annotation 100 of image 10: bbox must be"),
        ({"bbox": [0, 0, float("nan"), 5]}, r"annotation 100 of image 10: bbox must be finite"),
        ({"bbox": BOX, "category_id": 99}, r"annotation 100 of image 10: unknown category 99"),
        ({"bbox": BOX, "category_id": [3]}, r"annotation 100 of image 10: category_id must be a whole number, got \[3\]"),
        ({"bbox": BOX, "area": "x"}, r"annotation 100 of image 10: area must be a number, got 'x'"),
        ({"bbox": BOX, "image_id": 99}, r"annotation 100 of image 99: the file lists no image"),
        ({}, r"entry 0 of 'annotations' \(id 100\) has no 'bbox'"),
        (
            {"bbox": BOX, "segmentation": [1, 2, 3, 4, 5, 6]},
            r"annotation 100 of image 10: segmentation must be a list of polygons",
        ),
        ({"bbox": BOX, "segmentation": {"size": [4, 4], "counts": [16]}}, r"annotation 100: .* size \[4, 4\]"),
        ({"bbox": BOX, "segmentation": {"size": [40, 60], "counts": [3, 9]}}, r"annotation 100: .* cover 12 pixels"),
        ({"bbox": BOX, "segmentation": {"size": [40, 60], "counts": "52203"}}, r"annotation 100: .* cover 16 pixels"),
        ({"bbox": BOX, "segmentation": {"size": [40, 60], "counts": "Ph"}}, r"annotation 100: .* ends too early"),
        ({"bbox": BOX, "segmentation": {"size": [40, 60]}}, r"annotation 100: its segmentation cannot be read"),
    ],
)
def test_bad_annotation_is_named(make_coco, annotation, message):
    paths = make_coco([annotation])
    with pytest.raises(DatasetError, match=message) as error:
        CocoDataset(**paths, classes=CLASSES)[0]
    assert str(error.value).startswith(paths["annotations"])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a JSON file"),
        ("\x80", "not a JSON file"),
        ("[]", "not COCO annotations"),
        ("{}", "expected a list of objects under 'images'"),
        ('{"images": [], "annotations": [], "categories": []}', "lists no image"),
        ('{"images": [1], "annotations": [], "categories": []}', "expected a list of objects under 'images'"),
        (
            '{"images": [{"id": "a", "file_name": "a", "width": 1, "height": 1}], "categories": []}',
            "must be a whole number, got 'a'",
        ),
        (
            '{"images": [{"id": 1, "file_name": "a", "width": 0, "height": 1}], "categories": []}',
            "image 1: width and height must",
        ),
        (
            '{"images": [{"id": 1, "file_name": 4, "width": 1, "height": 1}], "categories": []}',
            r"\(id 1\): file_name must be text, got 4",
        ),
        ('{"images": [{"id": 1}], "annotations": [], "categories": []}', r"\(id 1\) has no 'file_name'"),
        (
            '{"images": [], "annotations": [], "categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}',
            "id 1 occurs twice",
        ),
    ],
)
def test_bad_file_is_named(tmp_path, text, message):
    path = tmp_path / "bad.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(DatasetError, match=message) as error:
        CocoDataset(path, tmp_path, classes=CLASSES)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("classes", ["person", ("person", "person"), (1, 2)])
def test_classes_are_different_names(make_coco, classes):
    with pytest.raises(DatasetError, match="classes must be a list of different names"):
        CocoDataset(**make_coco([{"bbox": BOX}]), classes=classes)


def test_nothing_to_train_on(make_coco):
    with pytest.raises(DatasetError, match="no image of at least 32 pixels"):
        CocoDataset(**make_coco([]), classes=CLASSES, training=True)


def test_missing_files(make_coco):
    paths = make_coco([{"bbox": BOX}])
    with pytest.raises(DatasetError, match="cannot be read: No such file"):
        CocoDataset("nowhere.json", paths["images"], classes=CLASSES)
    with pytest.raises(DatasetError, match="no such folder of images"):
        CocoDataset(paths["annotations"], "nowhere", classes=CLASSES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such image"),
        (b"", "not an image"),
        (b"text", "not an image"),
        ("small", "is 8 x 4 pixels, the annotations say 60 x 40"),
    ],
)
def test_bad_image_is_named(make_coco, content, message):
    paths = make_coco([{"bbox": BOX}])
    picture = Path(paths["images"], "10.png")
    picture.unlink()
    if content == "small":
        cv2.imwrite(str(picture), np.zeros((4, 8, 3), np.uint8))
    elif content is not None:
        picture.write_bytes(content)
    with pytest.raises(DatasetError, match=message) as error:
        CocoDataset(**paths, classes=CLASSES)[0]
    assert f"{picture} (image 10 of {paths['annotations']})" in str(error.value)


def test_a_key_always_gives_the_same_sample(make_coco):
    transforms = [RandomFlip(), RandomResizedCrop((32, 48)), RandomColour()]
    paths = make_coco([{"bbox": BOX, "segmentation": POLYGON}], sizes=[(40, 60), (50, 50)])
    dataset = CocoDataset(**paths, classes=CLASSES, transforms=transforms)
    first = dataset[SampleKey(5, 2, 0)]
    others = [dataset[key] for key in (SampleKey(5, 2, 1), SampleKey(5, 3, 0), SampleKey(6, 2, 0), 0)]
    again = pickle.loads(pickle.dumps(dataset))[SampleKey(5, 2, 0)]
    assert torch.equal(first.image, again.image)
    assert torch.equal(first.targets.boxes, again.targets.boxes)
    assert not any(torch.equal(first.image, other.image) for other in others)
    assert torch.equal(dataset[0].image, dataset[SampleKey(0, 0, 0)].image)


def test_a_crop_carries_no_hidden_pixels(make_coco):
    dataset = CocoDataset(
        **make_coco([{"bbox": BOX, "segmentation": POLYGON}]),
        classes=CLASSES,
        transforms=[RandomResizedCrop((8, 8), zoom=(2, 2))],
    )
    assert dataset[0].image.untyped_storage().nbytes() == 3 * 8 * 8


@pytest.mark.parametrize("name", ["coco_mini_train", "coco_mini_val", "coco_one_person"])
def test_real_masks_are_those_of_pycocotools(shared_data, name, capsys):
    path = shared_data / f"{name}.json"
    official = official_coco.COCO(str(path))
    classes = [category["name"] for category in json.loads(path.read_text())["categories"]]
    dataset = CocoDataset(path, shared_data / name, classes=classes, training=True)
    for index in range(0, len(dataset), len(dataset) // 15):
        sample = dataset[index]
        annotations = official.imgToAnns[sample.image_id]
        usable = [a for a in annotations if a["area"] > 0 and min(a["bbox"][2:]) >= 1]
        expected = np.stack([official.annToMask(a) for a in usable]).astype(bool)
        assert np.array_equal(sample.targets.masks.tensor.numpy(), expected)


def test_real_person_boxes(shared_data):
    dataset = CocoDataset(
        shared_data / "coco_person_boxes.json",
        shared_data / "coco_person_boxes",
        classes=COCO,
        annotated_classes=("person",),
        training=True,
    )
    targets = dataset[0].targets
    assert targets.masks is None
    assert targets.annotated_classes.nonzero().tolist() == [[0]]


def test_coco_classes_are_the_categories_in_order(shared_data):
    categories = json.loads((shared_data / "coco_mini_val.json").read_text())["categories"]
    assert [category["name"] for category in sorted(categories, key=lambda c: c["id"])] == list(COCO)
