"""MOTS text files: to YouTube-VIS JSON and back, line by line the same."""

import json

import cv2
import numpy as np
import pytest
from command_line import error_line, exit_code
from ytvis_files import compressed, polygon, runs, ytvis_content

from queryinst_vis.data.json_tables import DatasetError
from queryinst_vis.data.mots import frame_numbers, mots_to_ytvis, ytvis_to_mots
from queryinst_vis.data.mots_text import num_overlapping, parse_mots
from queryinst_vis.data.ytvis import YtvisDataset
from queryinst_vis.data.ytvis_json import check_ytvis

CLASSES = {1: "car", 2: "pedestrian"}


def _line(frame, object_id, box, hw=(40, 60)):
    return f"{frame} {object_id} {object_id // 1000} {hw[0]} {hw[1]} {compressed(*box, hw=hw)['counts']}\n"


FIRST = "".join(
    [
        _line(0, 1001, (1, 1, 9, 9)),
        _line(0, 2000, (20, 1, 29, 9)),
        _line(0, 10000, (40, 30, 60, 40)),
        _line(2, 1001, (3, 1, 12, 9)),
        _line(2, 1005, (20, 10, 25, 19)),
        _line(5, 10000, (0, 0, 60, 2)),
    ]
)
SECOND = _line(7, 2003, (1, 1, 9, 9), hw=(30, 50))


def _images(folder, name, numbers, hw=(40, 60), suffix="png"):
    (folder / name).mkdir(parents=True)
    for number in numbers:
        cv2.imwrite(str(folder / name / f"{number:06d}.{suffix}"), np.zeros((*hw, 3), np.uint8))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "txt").mkdir()
    (tmp_path / "txt/0000.txt").write_text(FIRST)
    (tmp_path / "txt/0001.txt").write_text(SECOND)
    return tmp_path


def _convert(*arguments):
    return exit_code(["convert-mots", *map(str, arguments)])


@pytest.mark.parametrize("with_images", [False, True])
def test_round_trip(folder, capsys, with_images):
    images = []
    if with_images:
        _images(folder / "images", "0000", range(9))
        _images(folder / "images", "0001/img1", range(1, 9), hw=(30, 50), suffix="jpg")
        images = ["--images", folder / "images"]
    assert _convert(folder / "txt", "--output", folder / "out.json", *images) == 0
    assert _convert(folder / "out.json", "--output", folder / "back") == 0
    assert {p.name: p.read_text() for p in (folder / "back").iterdir()} == {"0000.txt": FIRST, "0001.txt": SECOND}
    content = check_ytvis(json.loads((folder / "out.json").read_text()), name="out.json")
    lengths = [(video["name"], video["length"]) for video in content["videos"]]
    assert lengths == ([("0000", 9), ("0001", 8)] if with_images else [("0000", 6), ("0001", 7)])
    assert "2 videos, 6 annotations" in capsys.readouterr().out


def test_what_a_dataset_makes_of_it(folder):
    _images(folder / "images", "0000", range(9))
    (folder / "txt/0001.txt").unlink()
    _convert(folder / "txt", "--output", folder / "out.json", "--images", folder / "images")
    dataset = YtvisDataset(folder / "out.json", folder / "images", num_frames=1)
    assert dataset.classes == ("car", "pedestrian")
    assert [dataset.load(index).file_name for index in range(len(dataset))] == ["0000/000000.png", "0000/000002.png"]
    first = dataset.load(0).targets
    assert first.labels.tolist() == [0, 1, 0, 1]  # the region to be ignored is one of each class
    assert first.is_crowd.tolist() == [False, False, True, True]
    assert first.boxes.tolist() == [[1, 1, 9, 9], [20, 1, 29, 9], [40, 30, 60, 40], [40, 30, 60, 40]]


def test_other_classes(folder):
    assert _convert(folder / "txt", "--output", folder / "out.json", "--classes", "1=bike,2=bus,9=tram") == 0
    categories = json.loads((folder / "out.json").read_text())["categories"]
    assert [(c["id"], c["name"]) for c in categories] == [(1, "bike"), (2, "bus"), (9, "tram")]


def test_random_lines_survive():
    rng = np.random.default_rng(0)
    for _ in range(20):
        text = ""
        for frame in np.flatnonzero(rng.random(12) < 0.7).tolist():
            ids = rng.choice([1000, 1001, 1999, 2000, 2017, 10000], rng.integers(1, 6), replace=False)
            for object_id in sorted(ids.tolist()):
                x, y = rng.integers(0, 30, 2).tolist()
                text += _line(frame, object_id, (x, y, x + int(rng.integers(1, 20)), y + int(rng.integers(1, 10))))
        lines = parse_mots(text, name="x")
        content = mots_to_ytvis({"x": lines}, {"x": {n: f"x/{n:06d}.png" for n in range(12)}}, classes=CLASSES)
        assert "".join(f"{line}\n" for line in ytvis_to_mots(json.loads(json.dumps(content)), name="y")["x"]) == text


def test_videos_that_never_were_mots():
    annotations = [
        {"segmentations": [polygon(1, 1, 9, 9), None, runs(2, 2, 9, 9), None], "category_id": 40},
        {"segmentations": [None, compressed(1, 1, 3, 3), None, runs(0, 0, 0, 0)], "category_id": 40},
        {"segmentations": [polygon(30, 1, 39, 9)] + [None] * 3, "category_id": 7},
        {"segmentations": [compressed(50, 1, 55, 9)] + [None] * 3, "iscrowd": 1, "category_id": 7},
        {"segmentations": [compressed(50, 20, 55, 29)] + [None] * 3, "iscrowd": 1},
    ]
    content = ytvis_content(annotations)
    content["videos"][0]["file_names"] = [f"walk/frame_{number}.jpg" for number in (0, 5, 10, 15)]
    (lines,) = ytvis_to_mots(content, name="x").values()
    assert [(line.frame, line.object_id, line.class_id) for line in lines] == [
        (0, 7001, 7),
        (0, 10000, 10),
        (0, 40001, 40),
        (5, 40002, 40),
        (10, 40001, 40),
    ]
    assert lines[0].code == compressed(30, 1, 39, 9)["counts"]
    merged = parse_mots(str(lines[1]), name="x")[0]
    assert (
        num_overlapping([merged, *parse_mots(_line(0, 1001, (50, 1, 52, 2)) + _line(0, 1002, (54, 28, 57, 30)), name="x")]) == 1
    )


def test_overlapping_masks_are_told(tmp_path, capsys):
    annotations = [{"segmentations": [polygon(1, 1, 9, 9)] * 4, "category_id": 7}] * 2
    (tmp_path / "a.json").write_text(json.dumps(ytvis_content(annotations)))
    assert _convert(tmp_path / "a.json", "--output", tmp_path / "out") == 0
    assert "walk: masks overlap in 4 frames" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (["a/000003.png", "a/000007.png"], [3, 7]),
        (["a/img_0000001.jpg", "a/img_0000002.jpg"], [1, 2]),
        (["a/x.jpg", "a/y1.jpg"], [0, 1]),
        (["a/1.jpg", "a/01.jpg"], [0, 1]),
    ],
)
def test_frame_numbers(names, numbers):
    assert frame_numbers(names) == numbers


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 1001 1 40 60", "x: line 1: expected `frame object_id class_id height width code`"),
        ("0 1001 car 40 60 abc", "x: line 1: expected"),
        ("\n-1 1001 1 40 60 abc", "x: line 2: expected"),
        ("0 2001 1 40 60 abc", "x: line 1: object 2001 is not of class 1"),
        ("0 1001 1 0 60 0", "x: line 1: height and width must be above 0"),
        ("0 1001 1 40 60 522", "x: line 1: its code cannot be read: the mask's runs cover"),
        (FIRST + _line(2, 1001, (1, 1, 9, 9)), "x: line 7: object 1001 has a line in frame 2 already"),
        (FIRST + SECOND, r"x: has lines of different sizes \(height, width\): \(30, 50\) and \(40, 60\)"),
    ],
)
def test_lines_that_are_none(text, message):
    with pytest.raises(DatasetError, match=message):
        parse_mots(text, name="x")


@pytest.mark.parametrize(
    ("annotations", "message"),
    [
        ([{"segmentations": [None] * 4}], "annotation 100: category 0 can be no class of MOTS"),
        ([{"segmentations": [None] * 4, "category_id": 7}] * 1000, "more than 999 objects of class 7"),
        (
            [{"segmentations": [compressed(1, 1, 9, 9, hw=(9, 9))] * 4, "category_id": 7}],
            "annotation 100, frame 0: the mask's size",
        ),
    ],
)
def test_videos_that_cannot_be_mots(annotations, message):
    with pytest.raises(DatasetError, match=r"a.json: video 0 \(walk\): .*" + message):
        ytvis_to_mots(ytvis_content(annotations), name="a.json")


def test_two_videos_of_one_name():
    with pytest.raises(DatasetError, match="two videos are called walk"):
        ytvis_to_mots(ytvis_content([], videos=[("walk", 2), ("walk", 2)]), name="a.json")


@pytest.mark.parametrize(
    ("prepare", "arguments", "message"),
    [
        (lambda f: None, ["txt", "--output", "nowhere/a.json"], "there is no folder"),
        (lambda f: (f / "out.json").write_text("mine"), ["txt", "--output", "out.json"], "exists; --overwrite replaces it"),
        (lambda f: (f / "e").mkdir(), ["e", "--output", "out.json"], "holds no text file of a sequence"),
        (lambda f: None, ["txt", "--output", "out.json", "--images", "e"], "e/0000: no such folder of images"),
        (
            lambda f: [_images(f / "i", "0000", range(3)), _images(f / "i", "0001", [7])],
            ["txt", "--output", "out.json", "--images", "i"],
            "0000: frame 5 of object 10000 has no image",
        ),
        (lambda f: None, ["txt", "--output", "out.json", "--classes", "1=car"], "object 2000 is of class 2, which has no name"),
        (lambda f: None, ["txt", "--output", "out.json", "--classes", "car"], "expected ID=NAME"),
        (lambda f: (f / "txt/0000.txt").write_bytes(b"\xff"), ["txt", "--output", "out.json"], "no text file of MOTS"),
        (lambda f: (f / "txt/0000.txt").write_text(""), ["txt", "--output", "out.json"], "0000: has no line"),
        (lambda f: None, ["a.json", "--output", "out"], "a.json: cannot be read"),
        (lambda f: None, ["a.json", "--output", "out", "--classes", "1=car"], "are for a FOLDER of text files"),
    ],
)
def test_mistakes_are_one_line(folder, monkeypatch, capsys, prepare, arguments, message):
    monkeypatch.chdir(folder)
    prepare(folder)
    assert _convert(*arguments) == 2
    assert message in error_line(capsys)
