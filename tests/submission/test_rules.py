"""Each rule by an entry that breaks it and no other."""

from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from tiny_submission import entry, mask, second_entry

from queryinst_vis.submission.report import Report
from queryinst_vis.submission.rules import Rules, code_faults


def check(videos: dict, *entries: Any, **options: bool) -> Report:
    report = Report()
    rules = Rules(videos["videos"], [category["id"] for category in videos["categories"]], report)
    for item in entries:
        rules.check(item, **options)
    rules.finish()
    return report


def test_what_is_fine(videos: dict):
    report = check(videos, entry(), entry(score=1), entry(category_id=1), second_entry(score=-2.5))
    assert not report.counts
    assert list(report.lines()) == []


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in entry().items() if name != key}


RLE = mask(5, 8)
UNCOMPRESSED = {"size": [5, 8], "counts": [6, 2, 32]}


def masks(item: Any) -> dict[str, Any]:
    """An entry with such a mask in its second frame."""
    return entry(segmentations=[RLE, item, None])


def code(counts: list[int], height: int = 5, width: int = 8) -> dict[str, Any]:
    text = coco_mask.frPyObjects({"size": [height, width], "counts": counts}, height, width)["counts"].decode()
    return {"size": [5, 8], "counts": text}


BROKEN = [
    (None, "not_an_object", "is None"),
    ([entry()], "not_an_object", "is ["),
    ("text", "not_an_object", "is 'text'"),
    (without("video_id"), "missing_key", "has no 'video_id'"),
    (without("category_id"), "missing_key", "has no 'category_id'"),
    (without("score"), "missing_key", "has no 'score'"),
    (without("segmentations") | {"segmentation": []}, "missing_key", "'segmentation' is for pictures"),
    (entry(video_id=99), "video_id", "video_id 99 is not in the videos' file"),
    (entry(video_id=True), "video_id", "is True, must be a whole number"),
    (entry(video_id="7"), "video_id", "is '7', must be a whole number"),
    (entry(video_id=7.0), "video_id", "is 7.0, must be a whole number"),
    (entry(video_id=[7]), "video_id", "is [7], must be a whole number"),
    (entry(category_id=2), "category_id", "category_id 2 is not in the videos' file"),
    (entry(category_id=True), "category_id", "is True, must be"),
    (entry(category_id=None), "category_id", "is None, must be"),
    (entry(category_id={}), "category_id", "is {}, must be"),
    (entry(score=True), "score", "is True, must be a number"),
    (entry(score="0.5"), "score", "is '0.5', must be a number"),
    (entry(score=None), "score", "is None, must be a number"),
    (entry(score=float("nan")), "score", "is nan, must be finite"),
    (entry(score=float("inf")), "score", "is inf, must be finite"),
    (entry(score=-float("inf")), "score", "is -inf, must be finite"),
    (entry(score=10**400), "score", "must be finite"),
    (entry(segmentations=None), "segmentations", "are None, must be a list"),
    (entry(segmentations={"0": RLE}), "segmentations", "must be a list"),
    (entry(segmentations=[RLE, None]), "length", "2 segmentations, the video has 3 frames"),
    (entry(segmentations=[RLE] * 4), "length", "4 segmentations, the video has 3 frames"),
    (entry(segmentations=[None] * 3), "all_null", "all segmentations are null"),
    (masks([[1, 1, 3, 1, 3, 3]]), "polygons", "frame 1: is a list of polygons"),
    (masks([]), "polygons", "frame 1"),
    (masks(UNCOMPRESSED), "uncompressed", "frame 1: counts are a list of numbers"),
    (masks("text"), "mask_type", "frame 1: is 'text', must be null or {size, counts}"),
    (masks(0), "mask_type", "is 0"),
    (masks({"size": [5, 8]}), "mask_type", "must be null or {size, counts}"),
    (masks({"counts": RLE["counts"]}), "mask_type", "must be null or {size, counts}"),
    (masks(RLE | {"counts": None}), "mask_type", "counts are None, must be text"),
    (masks(RLE | {"counts": 5}), "mask_type", "counts are 5, must be text"),
    (masks(RLE | {"size": [8, 5]}), "mask_size", "(width and height are swapped)"),
    (masks(RLE | {"size": [360, 640]}), "mask_size", "size is [360, 640], the video's [height, width] is [5, 8]"),
    (masks(RLE | {"size": [5.0, 8]}), "mask_size", "size is [5.0, 8]"),
    (masks(RLE | {"size": None}), "mask_size", "size is None"),
    (masks(RLE | {"size": 40}), "mask_size", "size is 40"),
    (masks(RLE | {"counts": ""}), "mask_code", "frame 1: "),
    (masks(RLE | {"counts": "Q"}), "mask_code", "the code ends too early"),
    (masks(RLE | {"counts": RLE["counts"] + "\u00e4"}), "mask_code", "characters that no code has"),
    (masks(RLE | {"counts": RLE["counts"] + "\n"}), "mask_code", "characters that no code has"),
    (masks(RLE | {"counts": "b'61'"}), "mask_code", "characters that no code has"),
    (masks(RLE | {"counts": "o" * 20 + "0"}), "mask_code", "more than"),
    (masks(code([6, 2, 31])), "mask_code", "its runs cover 39 pixels, a frame has 40"),
    (masks(code([6, 2, 33])), "mask_code", "its runs cover 41 pixels, a frame has 40"),
    (masks(RLE | {"counts": "6\\1F"}), "mask_code", "a run of a negative length"),
    (masks(code([40])), "empty_mask", "frame 1: has no pixel"),
    (masks(code([10, 0, 30])), "empty_mask", "frame 1: has no pixel"),
]


@pytest.mark.parametrize(("broken", "kind", "text"), BROKEN)
def test_each_rule(videos: dict, broken: Any, kind: str, text: str):
    report = check(videos, second_entry(), broken, entry(score=0.75))
    assert dict(report.counts) == {kind: 1} | ({"other_keys": 1} if isinstance(broken, dict) and "segmentation" in broken else {})
    (problem,) = report.examples[kind]
    assert problem.entry == 1
    assert text in problem.text
    knows_video = isinstance(broken, dict) and broken.get("video_id") in (7,) and kind != "video_id"
    assert str(problem).startswith("entry 1, video 7 (ant): " if knows_video else "entry 1: ")


@pytest.mark.parametrize("counts", [[0, 40], [39, 1], [0, 1, 39], [1, 39], [3, 1, 2, 3, 31], [0, 5, 5, 30, 0]])
def test_codes_that_fill_their_picture(videos: dict, counts: list[int]):
    assert not check(videos, masks(code(counts)), second_entry()).counts


def test_faults_of_codes_beside_others():
    good, short, empty = (code(counts)["counts"] for counts in ([6, 2, 32], [6, 2, 31], [40]))
    assert code_faults([], 40) == {}
    assert code_faults([good] * 3, 40) == {}
    assert {index: kind for index, (kind, _) in code_faults([good, short, good, empty], 40).items()} == {
        1: "mask_code",
        3: "empty_mask",
    }
    assert list(code_faults([good, "Q", good], 40)) == [1]


def test_codes_of_real_masks():
    """As pycocotools writes them, also of large pictures with many runs."""
    rng = np.random.default_rng(0)
    for height, width in [(1, 1), (1, 300), (720, 1280), (37, 53)]:
        pictures = rng.random((height, width, 3)) < [0.01, 0.5, 0.99]
        pictures[0, 0] = True
        codes = [code["counts"].decode() for code in coco_mask.encode(np.asfortranarray(pictures, dtype=np.uint8))]
        assert code_faults(codes, height * width) == {}
        assert set(code_faults(codes, height * width + 1)) == {0, 1, 2}


def test_a_fault_of_many_frames_is_one_problem(videos: dict):
    report = check(videos, entry(segmentations=[RLE | {"size": [1, 1]}, UNCOMPRESSED, RLE | {"size": [2, 2]}]), second_entry())
    assert report.counts == {"mask_size": 1, "uncompressed": 1}
    assert report.examples["mask_size"][0].text.startswith("frame 0 and in 1 more frames: size is [1, 1]")


def test_other_keys_are_a_warning(videos: dict):
    report = check(videos, entry(bbox=[], id=3), second_entry())
    assert (report.num_errors, report.num_warnings) == (0, 1)
    assert report.examples["other_keys"][0].text == "'bbox', 'id'"


def test_constants_elsewhere_are_named(videos: dict):
    assert check(videos, entry(bbox=[float("nan")]), has_constants=True).counts["not_a_number"] == 1


def test_many_entries_of_a_category(videos: dict):
    many = [entry(score=number / 200) for number in range(103)]
    report = check(videos, *many[:100], *(entry(category_id=1, score=s / 200) for s in range(100)), second_entry())
    assert not report.counts
    report = check(videos, *many, second_entry())
    assert report.counts == {"too_many": 1}
    text = "entry 100, video 7 (ant): is number 101 of 103 of category 3; only 100 are looked at"
    assert str(report.examples["too_many"][0]) == text


def test_entries_that_come_again(videos: dict):
    report = check(videos, entry(), second_entry(), entry(score=0.25), entry(), dict(reversed(entry().items())))
    assert report.counts == {"duplicate": 2}
    assert [str(p) for p in report.examples["duplicate"]] == [f"entry {n}, video 7 (ant): is the same as entry 0" for n in (3, 4)]


def test_the_same_masks_in_other_frames_are_no_duplicate(videos: dict):
    first, second = ([RLE, None, None], [None, RLE, None])
    assert not check(videos, entry(segmentations=first), entry(segmentations=second), second_entry()).counts


def test_videos_without_entries_are_a_warning(videos: dict):
    report = check(videos, entry())
    assert (report.num_errors, report.num_warnings) == (0, 1)
    assert str(report.examples["no_entry"][0]) == "video 0 (bee): none"


def test_an_empty_list_is_an_error(videos: dict):
    assert check(videos).counts == {"no_entries": 1}


def test_examples_are_few(videos: dict):
    report = check(videos, *[entry(score=str(number)) for number in range(9)], second_entry())
    first, *examples, last = report.lines()
    assert first == "error: scores that are no finite numbers: 9"
    assert len(examples) == 5
    assert last == "    and 4 more"
    assert report.to_dict()["problems"][0]["count"] == 9
