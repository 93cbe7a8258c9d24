"""YouTube-VIS JSON: everything that can be wrong in a file is named with its video."""

import copy
import json

import pytest
from ytvis_files import CATEGORIES, polygon, ytvis_content

from queryinst_vis.data.json_tables import DatasetError
from queryinst_vis.data.ytvis_json import check_ytvis, read_ytvis, sound_ytvis

FOUR = [polygon(1, 1, 9, 9), None, polygon(2, 1, 9, 9), None]


def test_a_sound_file(tmp_path):
    content = ytvis_content([{"segmentations": FOUR}, {"segmentations": FOUR, "bboxes": None, "areas": [3, None, 2.5, 1]}])
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    tables = read_ytvis(path)
    assert {key: len(rows) for key, rows in tables.items()} == {"videos": 1, "annotations": 2, "categories": 3}
    assert tables["videos"][0]["id"] == 0  # zero is an id like any other


@pytest.mark.parametrize("annotations", ["missing", None, []])
def test_a_test_set_has_no_annotations(annotations):
    content = ytvis_content([]) | {"annotations": annotations}
    if annotations == "missing":
        del content["annotations"]
    assert check_ytvis(content, name="x.json")["annotations"] == []


def test_fields_of_an_annotation_that_official_files_get_wrong_are_not_looked_at():
    annotation = {"segmentations": FOUR, "length": 1, "width": 3, "height": None}
    assert check_ytvis(ytvis_content([annotation]), name="x.json")


ANNOTATION = {"segmentations": FOUR}
PROBLEMS = [
    (
        {"annotations": {"segmentations": FOUR[:3]}},
        r"video 0 \(walk\): annotation 100: its segmentations are 3 items, .* 4",
    ),
    ({"annotations": ANNOTATION | {"bboxes": [None] * 5}}, r"video 0 \(walk\): annotation 100: its bboxes are 5 items"),
    ({"annotations": ANNOTATION | {"areas": 3}}, r"video 0 \(walk\): annotation 100: its areas are no list"),
    ({"annotations": {"segmentations": None}}, r"video 0 \(walk\): annotation 100: its segmentations are no list"),
    ({"annotations": {"segmentations": [3, None, None, None]}}, r"annotation 100: frame 0: segmentation must be"),
    ({"annotations": {"segmentations": [["x"], None, None, None]}}, r"annotation 100: frame 0: segmentation must be"),
    ({"annotations": ANNOTATION | {"bboxes": [None, [1, 2, 3], None, None]}}, r"frame 1: bbox must be \[x, y, width, height\]"),
    ({"annotations": ANNOTATION | {"bboxes": [None, [1, 2, 3, "4"], None, None]}}, r"frame 1: bbox must be"),
    ({"annotations": ANNOTATION | {"areas": [None, "x", None, None]}}, r"frame 1: area must be a number or null, got 'x'"),
    ({"annotations": ANNOTATION | {"iscrowd": 2}}, r"video 0 \(walk\): annotation 100: iscrowd must be 0 or 1, got 2"),
    ({"annotations": ANNOTATION | {"video_id": 5}}, r"annotation 100 of video 5: the file lists no video of that id"),
    ({"annotations": ANNOTATION | {"category_id": 5}}, r"annotation 100 of video 0: unknown category 5, .* \[0, 7, 40\]"),
    ({"annotations": ANNOTATION | {"category_id": "0"}}, r"category_id must be a whole number, got '0'"),
    ({"annotations": ANNOTATION | {"id": "a"}}, r"entry 0 of 'annotations': the id must be a whole number, got 'a'"),
    ({"annotations": ANNOTATION | {"id": True}}, r"entry 0 of 'annotations': the id must be a whole number, got True"),
    ({"annotations": {}}, r"entry 0 of 'annotations' \(id 100\) has no 'segmentations'"),
    ({"videos": {"length": 3}}, r"video 0 \(walk\): its length is 3, but it has 4 file_names"),
    ({"videos": {"file_names": []}}, r"video 0: file_names must be a list of one text or more"),
    ({"videos": {"file_names": "walk"}}, r"video 0: file_names must be a list"),
    ({"videos": {"file_names": [1, 2, 3, 4]}}, r"video 0: file_names must be a list"),
    ({"videos": {"width": 0}}, r"video 0 \(walk\): width and height must be whole numbers above 0"),
    ({"videos": {"height": 40.5}}, r"video 0 \(walk\): width and height must be whole numbers"),
    ({"categories": {"name": 3}}, r"entry 0 of 'categories' \(id 7\): name must be text, got 3"),
    ({"categories": {"id": 40}}, r"the id 40 occurs twice in 'categories'"),
]


@pytest.mark.parametrize(("changes", "message"), PROBLEMS)
def test_what_is_wrong_is_named(changes, message):
    content = copy.deepcopy(ytvis_content([ANNOTATION]))
    for table, fields in changes.items():
        content[table][0].update(fields)
        if fields == {}:
            del content[table][0]["segmentations"]
    with pytest.raises(DatasetError, match=message) as error:
        check_ytvis(content, name="x.json")
    assert str(error.value).startswith("x.json: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "not YouTube-VIS annotations"),
        ({}, "expected a list of objects under 'videos'"),
        ({"videos": [], "categories": []}, "lists no video"),
        ({"videos": [1], "categories": []}, "entry 0 is none"),
        ({"videos": {}, "categories": []}, "expected a list of objects under 'videos'"),
        ({"images": [], "annotations": [], "categories": CATEGORIES}, "'videos'"),  # a file of COCO's
    ],
)
def test_not_such_a_file(content, message):
    with pytest.raises(DatasetError, match=message):
        check_ytvis(content, name="x.json")


def test_all_problems_are_found_not_only_the_first():
    content = ytvis_content(
        [{"segmentations": FOUR[:2]}, {"segmentations": FOUR}, {"segmentations": FOUR, "bboxes": [3] * 4, "areas": []}],
        videos=(("walk", 4), ("run", 2)),
    )
    content["videos"][1]["length"] = 9
    content["annotations"].append(5)
    tables, problems = sound_ytvis(content)
    assert len(problems) == 8
    assert sum("annotation 102" in problem for problem in problems) == 5
    assert [video["id"] for video in tables["videos"]] == [0]
    assert [annotation["id"] for annotation in tables["annotations"]] == [101]


def test_videos_without_a_folder_are_called_by_their_id():
    content = ytvis_content([{"segmentations": FOUR[:3]}])
    content["videos"][0]["file_names"] = ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    assert sound_ytvis(content)[1][0].startswith("video 0 (0): annotation 100")


@pytest.mark.parametrize("text", ["", "[" * 100_000, "\x80"])
def test_no_json(tmp_path, text):
    path = tmp_path / "bad.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(DatasetError, match="not a JSON file"):
        read_ytvis(path)


def test_no_file():
    with pytest.raises(DatasetError, match=r"nowhere\.json: cannot be read: No such file"):
        read_ytvis("nowhere.json")


def test_real_file(shared_data):
    content = read_ytvis(shared_data / "davis_vis.json")
    assert (len(content["videos"]), len(content["annotations"])) == (11, 14)
