"""Results made of tracks, and read from files."""

import json
import zipfile

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from queryinst_vis.data.json_tables import DatasetError
from queryinst_vis.errors import UserError
from queryinst_vis.evaluation.ytvis_results import check_results, read_results, to_results
from queryinst_vis.structures import Track

HW = (20, 30)


def code(x: int, side: int = 5, hw: tuple[int, int] = HW) -> dict:
    bitmap = np.zeros(hw, dtype=np.uint8, order="F")
    bitmap[:side, x : x + side] = 1
    return coco_mask.encode(bitmap)


def track(label: int = 0, score: float = 0.5, frames: dict | None = None, *, id: int = 1, class_scores=None) -> Track:
    """frames: index -> code."""
    frames = {0: code(0)} if frames is None else frames
    count = len(frames)
    scores = None if class_scores is None else np.array(class_scores, dtype=np.float32)
    return Track(id, label, score, list(frames), np.zeros((count, 4)), np.ones(count), list(frames.values()), scores)


def results_of(tracks: list[Track], **options) -> list[dict]:
    options = {"video_id": 7, "num_frames": 4, "image_hw": HW, "category_ids": [3, 9, None]} | options
    return to_results(tracks, **options)


def test_one_track():
    (result,) = results_of([track(1, 0.25, {1: code(2), 3: code(4)})])
    assert result == {
        "video_id": 7,
        "category_id": 9,
        "score": 0.25,
        "segmentations": [
            None,
            *({"size": [20, 30], "counts": c["counts"].decode()} if c else None for c in (code(2), None, code(4))),
        ],
    }
    assert json.loads(json.dumps(result)) == result
    assert type(result["score"]) is float


def test_no_tracks_and_tracks_without_a_pixel_or_a_category():
    assert results_of([]) == []
    assert results_of([track(frames={}), track(frames={0: code(0, side=0)}), track(2)]) == []
    (result,) = results_of([track(frames={0: code(0, side=0), 2: code(1)})])
    assert [item is None for item in result["segmentations"]] == [True, True, False, True]


def test_the_best_of_each_category_are_kept_best_first():
    tracks = [track(n % 2, score, id=n) for n, score in enumerate([0.1, 0.2, 0.9, 0.8, 0.5, 0.2, 0.5])]
    results = results_of(tracks, max_per_category=2)
    assert [(r["category_id"], r["score"]) for r in results] == [(3, 0.9), (9, 0.8), (3, 0.5), (9, 0.2)]
    assert len(results_of([track()] * 150)) == 100


def test_several_classes_per_track():
    tracks = [track(1, 0.6, class_scores=[0.3, 0.6, 0.4]), track(0, 0.2)]
    assert [(r["category_id"], r["score"]) for r in results_of(tracks)] == [(9, 0.6), (3, 0.2)]
    several = [(r["category_id"], r["score"]) for r in results_of(tracks, num_classes_per_track=3)]
    assert several == [(9, pytest.approx(0.6)), (3, pytest.approx(0.3)), (3, 0.2)]  # the last knows no other class
    two = results_of(tracks[:1], num_classes_per_track=2)
    assert [r["category_id"] for r in two] == [9]  # the second likeliest has no category
    assert two[0]["segmentations"][0]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (track(frames={0: None}), "no masks"),
        (track(frames={4: code(0)}), r"frame 4; the video has 4 frames of \[20, 30\]"),
        (track(frames={0: code(0, hw=(30, 20))}), r"mask of \[30, 20\]"),
        (track(score=float("nan")), "video 7: track 1 has a score of nan"),
    ],
)
def test_tracks_that_make_no_result(broken, message):
    with pytest.raises(UserError, match=message):
        results_of([track(), broken])


@pytest.fixture
def results() -> list[dict]:
    return results_of([track(), track(1)])


def test_files(results, tmp_path):
    plain, packed = tmp_path / "results.json", tmp_path / "submission.zip"
    plain.write_text(json.dumps(results))
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(plain, "results.json")
    assert read_results(plain) == read_results(packed) == results


def test_files_that_cannot_be_read(tmp_path):
    archive, broken, text = tmp_path / "a.zip", tmp_path / "b.zip", tmp_path / "c.json"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("folder/results.json", "[]")
    with zipfile.ZipFile(broken, "w") as file:
        file.writestr("results.json", "[1,")
    text.write_text("no JSON")
    for path, message in (
        (archive, "a.zip: holds no results.json at its root"),
        (broken, "b.zip: its results.json cannot be read: Expecting value"),
        (text, "c.json: not a JSON file"),
        (tmp_path / "missing.json", "missing.json: cannot be read: No such file"),
        (tmp_path, "cannot be read: Is a directory"),
    ):
        with pytest.raises(DatasetError, match=message):
            read_results(path)


def test_check_names_the_file_the_entry_and_the_video(results):
    videos = [{"id": 7, "height": 20, "width": 30, "file_names": [f"walk/{n}.jpg" for n in range(4)]}]
    content = {"videos": videos, "annotations": [], "categories": [{"id": 3, "name": "a"}, {"id": 9, "name": "b"}]}
    check_results(results, content)
    results[1]["segmentations"].pop()
    with pytest.raises(
        DatasetError, match=r"^r.json: entry 1 of video 7 \(walk\): has 3 segmentations, the video has 4 frames; "
    ):
        check_results(results, content, name="r.json")
