"""json, the document of tracks: what docs/json_format.md says, never half a file."""

import json
from functools import partial
from pathlib import Path

import pytest
from found_objects import CLASSES, HW, frame, instances, write
from pycocotools import mask as coco_mask

from queryinst_vis.errors import UserError
from queryinst_vis.structures import Instances

log = partial(write, "json")


def test_document(tmp_path: Path):
    with log(tmp_path / "a.json") as tracks:
        tracks.add(frame(0), instances([2]))
        tracks.add(frame(1), instances([]))
        tracks.add(frame(2), instances([1, 2]))
    document = json.loads((tmp_path / "a.json").read_text())
    assert document["video"] == {
        "file_name": "in.mp4",
        "width": 32,
        "height": 24,
        "fps": 25.0,
        "duration": 0.12,
        "num_frames": 3,
    }
    assert document["categories"] == [{"id": 1, "name": "cat"}, {"id": 2, "name": CLASSES[1]}]
    assert [(t["id"], t["category_id"], t["score"], [f["index"] for f in t["frames"]]) for t in document["tracks"]] == [
        (1, 1, 0.8, [2]),
        (2, 1, 0.8, [0, 2]),
    ]
    entry = document["tracks"][1]["frames"][1]
    assert (entry["time"], entry["box"], entry["score"]) == (0.08, [6.0, 4.0, 4.0, 6.0], 0.8)
    mask = coco_mask.decode(entry["segmentation"])
    assert mask.shape == HW
    assert mask[4:10, 6:10].all()
    assert mask.sum() == 24
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_category_is_that_of_the_mean_distribution(tmp_path: Path):
    with log(tmp_path / "a.json") as tracks:
        for index, scores in enumerate([[0.5, 0.4], [0.5, 0.4], [0.0, 0.9]]):
            tracks.add(frame(index), instances([1], class_scores=[scores]))
    (track,) = json.loads((tmp_path / "a.json").read_text())["tracks"]
    assert track["category_id"] == 2


def test_no_frame_and_no_object(tmp_path: Path):
    with log(tmp_path / "a.json"):
        pass
    assert json.loads((tmp_path / "a.json").read_text())["tracks"] == []


def test_boxes_without_masks(tmp_path: Path):
    found = instances([1])
    found.masks = None
    with log(tmp_path / "a.json") as tracks:
        tracks.add(frame(0), found)
    assert json.loads((tmp_path / "a.json").read_text())["tracks"][0]["frames"][0]["segmentation"] is None


def test_after_an_exception_what_was_added_is_a_whole_document(tmp_path: Path):
    with pytest.raises(ValueError, match="track_ids"), log(tmp_path / "a.json") as tracks:  # noqa: PT012
        tracks.add(frame(0), instances([1]))
        tracks.add(frame(1), Instances.empty(HW))
    assert [path.name for path in tmp_path.iterdir()] == ["a.json.part"]
    assert len(json.loads((tmp_path / "a.json.part").read_text())["tracks"]) == 1


def test_never_overwrites_unasked(tmp_path: Path):
    (tmp_path / "a.json").write_text("precious")
    with pytest.raises(UserError, match="exists"):
        log(tmp_path / "a.json")
    with log(tmp_path / "a.json", overwrite=True):
        pass
    assert (tmp_path / "a.json").read_text() != "precious"


def test_category_is_the_one_seen_most_where_a_model_gives_no_distribution(tmp_path: Path):
    with log(tmp_path / "a.json") as tracks:
        tracks.add(frame(0), instances([1], label=1))
        tracks.add(frame(1), instances([1], label=1))
        tracks.add(frame(2), instances([1], label=0))
    (track,) = json.loads((tmp_path / "a.json").read_text())["tracks"]
    assert track["category_id"] == 2


def test_frames_in_the_wrong_order_and_an_object_twice_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="frame 1 comes after frame 1"), log(tmp_path / "a.json") as tracks:  # noqa: PT012
        tracks.add(frame(1), instances([1]))
        tracks.add(frame(1), instances([1]))
    with pytest.raises(UserError, match="frame 0 has object 7 twice"), log(tmp_path / "b.json") as tracks:
        tracks.add(frame(0), instances([7, 7]))
