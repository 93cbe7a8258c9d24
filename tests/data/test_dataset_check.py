"""check-dataset: what is missing or wrong is listed, all of it, in order, with the path where it is expected."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from ytvis_files import compressed, polygon, write_ytvis, ytvis_content

from queryinst_vis.cli.main import main
from queryinst_vis.data.dataset_check import check_files
from queryinst_vis.data.dataset_table import PUBLIC_DATASETS

SHOWN = [polygon(5, 4, 30, 33)] * 4


def _check(paths, **options):
    return check_files(Path(paths["annotations"]), Path(paths["images"]), **options)


@pytest.mark.parametrize("decode", [False, True])
def test_nothing_is_wrong(tmp_path, decode):
    report = _check(write_ytvis(tmp_path, ytvis_content([{"segmentations": SHOWN}])), decode=decode)
    assert report.problems == []
    assert "1 videos, 4 frames, 1 objects, 4 masks, 3 categories" in report.facts[0]
    assert "4 of 4 images are there" in report.facts[1]


def test_every_annotation_problem_is_listed(tmp_path):
    annotations = [
        {"segmentations": SHOWN[:3]},
        {"segmentations": SHOWN, "category_id": 99},
        {"segmentations": [None, compressed(1, 1, 9, 9, hw=(20, 20)), {"size": [40, 60], "counts": [3]}, None]},
        {"segmentations": SHOWN, "bboxes": [None, [99, 1, 5, 5], None, [1, 1, float("nan"), 5]]},
        {"segmentations": SHOWN},
    ]
    report = _check(write_ytvis(tmp_path, ytvis_content(annotations)))
    assert len(report.problems) == 6
    expected = [
        "video 0 (walk): annotation 100: its segmentations are 3 items",
        "annotation 101 of video 0: unknown category 99",
        "annotation 102, frame 1: its segmentation cannot be read: the mask's size [20, 20]",
        "annotation 102, frame 2: its segmentation cannot be read: the mask's runs cover 3 pixels",
        "annotation 103, frame 1: bbox [99, 1, 5, 5] lies outside",
        "annotation 103, frame 3: bbox must be finite",
    ]
    for problem, text in zip(report.problems, expected, strict=True):
        assert text in problem


def test_missing_broken_and_wrong_images(tmp_path):
    content = ytvis_content([{"segmentations": SHOWN}], videos=[("walk", 4), ("run", 5)])
    paths = write_ytvis(tmp_path, content)
    images = Path(paths["images"])
    (images / "walk/00001.png").unlink()
    (images / "run/00000.png").write_bytes(b"")
    (images / "run/00002.png").write_bytes(b"text")
    cv2.imwrite(str(images / "run/00003.png"), np.zeros((9, 9, 3), np.uint8))
    missing = [
        f"video 0 (walk): 1 of 4 images are missing or empty: {images}/walk/00001.png",
        f"video 1 (run): 1 of 5 images are missing or empty: {images}/run/00000.png",
    ]
    assert _check(paths).problems == missing
    problems = _check(paths, decode=True).problems
    assert problems[:2] == missing
    assert [text in problem for text, problem in zip(["can be decoded", "is 9 x 9 pixels"], problems[2:], strict=True)] == [
        True
    ] * 2
    assert "run/00002.png (video 1 (run), frame 2)" in problems[2]


def test_a_wrong_folder_is_one_line(tmp_path):
    paths = write_ytvis(tmp_path, ytvis_content([{"segmentations": SHOWN}]))
    (tmp_path / "empty").mkdir()
    report = _check(paths | {"images": str(tmp_path / "empty")})
    assert report.problems == [
        f"{tmp_path}/empty: holds none of the 4 images; the first should be {tmp_path}/empty/walk/00000.png"
    ]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"videos": 3}', '{"images": [{"id": 1}], "categories": []}'])
def test_files_that_are_none(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text)
    report = check_files(path, tmp_path / "nowhere")
    assert any("no such folder of images" in problem for problem in report.problems)
    assert any(str(path) in problem for problem in report.problems)


def test_coco(make_coco):
    annotations = [
        {"bbox": [5, 4, 20, 20], "segmentation": polygon(5, 4, 30, 33)},
        {"bbox": [60, 0, 5, 5]},
        {"bbox": [1, 1, 9, 9], "segmentation": {"size": [4, 4], "counts": [16]}},
        {"bbox": [1, 1, 9, 9], "image_id": 99},
    ]
    report = _check(make_coco(annotations, sizes=[(40, 60), (20, 20)]))
    assert "2 images, 3 objects, 2 masks, 3 categories" in report.facts[0]
    assert [p.partition(": ")[2][:28] for p in report.problems] == [
        "annotation 103 of image 99: ",
        "annotation 101 of image 10: ",
        "annotation 102 of image 10: ",
    ]


@pytest.fixture
def ovis(tmp_path, monkeypatch):
    """A small OVIS: two splits of one video of two frames each."""
    classes = PUBLIC_DATASETS["ovis"].classes
    categories = [{"id": number, "name": name} for number, name in enumerate(classes, start=1)]
    for split in ("train", "valid"):
        content = ytvis_content([{"segmentations": SHOWN[:2], "category_id": 1}], videos=[("walk", 2)], first_id=1)
        write_ytvis(tmp_path / split, content | {"categories": categories})
        (tmp_path / split / "annotations.json").rename(tmp_path / f"annotations_{split}.json")
        (tmp_path / split / "images" / "walk").rename(tmp_path / split / "walk")
    return tmp_path


def _run(capsys, *arguments):
    code = main(["check-dataset", *map(str, arguments)])
    return code, capsys.readouterr()


def test_public_data_set(ovis, capsys):
    code, output = _run(capsys, ovis, "--dataset", "ovis", "--full")
    assert code == 1
    assert output.out.splitlines() == [
        f"train: {ovis}/annotations_train.json: 1 videos, 2 frames, 1 objects, 2 masks, 25 categories",
        f"train: {ovis}/train: 2 of 2 images are there",
        f"train: PROBLEM: {ovis}/annotations_train.json: lists 1 videos, the data set has 607",
        f"valid: {ovis}/annotations_valid.json: 1 videos, 2 frames, 1 objects, 2 masks, 25 categories",
        f"valid: {ovis}/valid: 2 of 2 images are there",
        f"valid: PROBLEM: {ovis}/annotations_valid.json: lists 1 videos, the data set has 140",
        "test: is not there; only a test server asks for it",
        "2 problems found",
    ]


def test_missing_parts_are_named_with_their_place(ovis, capsys):
    (ovis / "annotations_train.json").unlink()
    (ovis / "valid").rename(ovis / "elsewhere")
    (ovis / "valid.zip").write_bytes(b"")
    code, output = _run(capsys, ovis, "--dataset", "ovis")
    assert code == 1
    assert f"train: PROBLEM: {ovis}/annotations_train.json: cannot be read: No such file or directory" in output.out
    assert f"valid: PROBLEM: {ovis}/valid: no such folder of images" in output.out
    assert f"valid: {ovis}/valid.zip is there and may hold what is missing: unpack it" in output.out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda names: [*names[1:], "Vehicle"],
            "its categories are not those of the data set: lacks ['Person'], has ['Vehicle']",
        ),
        (lambda names: names[::-1], "has them in another order"),
        (lambda names: ["Bird", *names[1:]], "two categories are called 'Bird'"),
    ],
)
def test_other_categories(ovis, capsys, change, message):
    path = ovis / "annotations_train.json"
    content = json.loads(path.read_text())
    names = change([category["name"] for category in content["categories"]])
    content["categories"] = [{"id": number, "name": name} for number, name in enumerate(names, start=1)]
    path.write_text(json.dumps(content))
    code, output = _run(capsys, ovis, "--dataset", "ovis", "--splits", "train")
    assert code == 1
    assert message in output.out
    assert "valid" not in output.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name a ROOT and its --dataset"),
        (["."], "name a ROOT and its --dataset"),
        (["nowhere", "--dataset", "coco"], "nowhere: no such folder; COCO 2017 comes from https://cocodataset.org"),
        ([".", "--dataset", "coco", "--splits", "valid"], "COCO 2017 has no split 'valid', only train, val, test"),
        (["--annotations", "a.json"], "with --annotations and --images"),
        ([".", "--annotations", "a.json", "--images", "."], "without ROOT"),
    ],
)
def test_arguments_that_do_not_fit(capsys, arguments, message):
    code, output = _run(capsys, *arguments)
    assert code == 2
    assert message in output.err
    assert output.err.count("\n") == 1


@pytest.mark.parametrize("name", sorted(PUBLIC_DATASETS))
def test_table(name):
    dataset = PUBLIC_DATASETS[name]
    assert len(set(dataset.classes)) == len(dataset.classes) == {"coco": 80, "cityscapes": 8, "ovis": 25}.get(name, 40)
    assert len({split.annotations[0] for split in dataset.splits}) == len(dataset.splits)


@pytest.mark.parametrize("name", ["coco_mini_train", "coco_mini_val", "coco_one_person", "coco_person_boxes", "davis_vis"])
def test_real_data(shared_data, capsys, name):
    code, output = _run(capsys, "--annotations", shared_data / f"{name}.json", "--images", shared_data / name)
    assert code == 0
    assert output.out.endswith("everything is there\n")
