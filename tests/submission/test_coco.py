"""Results that COCO's server would not take, and those it would."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from tiny_submission import mask, write_zip

from queryinst_vis.ops.rle import encode_window, to_json
from queryinst_vis.submission.coco import check_coco_results, pack_results, results_name
from queryinst_vis.submission.report import Report

NAME = "detections_test-dev2017_ours_results.json"
IMAGES = {
    "images": [
        {"id": 139, "file_name": "a.jpg", "height": 5, "width": 8},
        {"id": 0, "file_name": "b.jpg", "height": 4, "width": 6},
    ],
    "categories": [{"id": 1, "name": "person"}, {"id": 18, "name": "dog"}],
    "annotations": [],
}
RLE = mask(5, 8)


def box_entry(**changes: Any) -> dict[str, Any]:
    return {"image_id": 139, "category_id": 18, "score": 0.5, "bbox": [1.5, 2, 3, 2.25]} | changes


def mask_entry(**changes: Any) -> dict[str, Any]:
    return {"image_id": 139, "category_id": 1, "score": 0.5, "segmentation": RLE} | changes


BOX_OF_OTHER = box_entry(image_id=0)
MASK_OF_OTHER = mask_entry(image_id=0, segmentation=mask(4, 6))


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., Report]:
    """check(entries) -> what is found in a zip of them, or of a text."""

    def run(entries: Any, *, iou_type: str, name: str = NAME) -> Report:
        text = entries if isinstance(entries, str) else json.dumps(entries)
        return check_coco_results(write_zip(tmp_path / "out.zip", {name: text}), IMAGES, iou_type=iou_type, name=NAME)

    return run


@pytest.mark.parametrize(
    ("iou_type", "entries"), [("bbox", [box_entry(), BOX_OF_OTHER]), ("segm", [mask_entry(), MASK_OF_OTHER, mask_entry()])]
)
def test_what_is_fine(check: Callable[..., Report], iou_type: str, entries: list) -> None:
    report = check(entries, iou_type=iou_type)
    assert list(report.lines()) == []
    assert report.summary() == f"no problem found; {len(entries)} entries for 2 images, 0.0 MB"
    official = COCO()
    official.dataset = json.loads(json.dumps(IMAGES))
    official.createIndex()
    assert len(official.loadRes(copy.deepcopy(entries)).anns) == len(entries)


COMMON = [
    ({"image_id": 140}, "image_id", "image_id 140 is not in the images' file"),
    ({"image_id": "139"}, "image_id", "image_id is '139', must be a whole number"),
    ({"image_id": None}, "image_id", "must be a whole number"),
    ({"image_id": [1]}, "image_id", "must be a whole number"),
    ({"category_id": 2}, "category_id", "category_id 2 is not in the images' file"),
    ({"category_id": True}, "category_id", "must be a whole number"),
    ({"score": "0.5"}, "score", "score is '0.5', must be a number"),
    ({"score": None}, "score", "must be a number"),
    ({"score": float("nan")}, "score", "must be finite"),
    ({"score": 10**400}, "score", "must be finite"),
    ({"area": float("inf")}, "not_a_number", "holds NaN or Infinity"),
]
BOXES = [
    ({"bbox": [1, 2, 3]}, "box", "bbox is [1, 2, 3], must be four finite numbers"),
    ({"bbox": {"x": 1}}, "box", "must be four"),
    ({"bbox": [1, 2, "3", 4]}, "box", "must be four"),
    ({"bbox": [1, 2, True, 4]}, "box", "must be four"),
    ({"bbox": [1, 2, 3, float("inf")]}, "box", "must be four finite numbers"),
    ({"bbox": [10**400, 2, 3, 4]}, "box", "must be four finite numbers"),
    ({"bbox": [5, 5, -3, 4]}, "box", "must not be negative"),
    ({"id": 4, "segmentation": RLE}, "other_keys", "'id', 'segmentation'"),
]
MASKS = [
    ({"bbox": [1, 2, 3, 4]}, "box_beside_mask", "has a 'bbox'"),
    ({"segmentation": [[1, 1, 3, 1, 3, 3]]}, "polygons", "polygons"),
    ({"segmentation": None}, "mask_type", "is None, must be {size, counts}"),
    ({"segmentation": RLE | {"counts": [3, 4, 33]}}, "uncompressed", "must be a compressed code"),
    (
        {"segmentation": RLE | {"size": [8, 5]}},
        "mask_size",
        "the image's [height, width] is [5, 8] (width and height are swapped)",
    ),
    ({"segmentation": RLE | {"counts": RLE["counts"][:-1]}}, "mask_code", "the code ends too early"),
    ({"segmentation": RLE | {"counts": mask(4, 6)["counts"]}}, "mask_code", "its runs cover 24 pixels, the image has 40"),
    ({"segmentation": RLE | {"counts": "\x01"}}, "mask_code", "characters that no code has"),
    ({"segmentation": mask(5, 8, rows=0)}, "empty_mask", "has no pixel"),
]


@pytest.mark.parametrize(
    ("iou_type", "change", "kind", "text"),
    [("bbox", *case) for case in COMMON + BOXES] + [("segm", *case) for case in COMMON + MASKS],
)
def test_one_damaged_entry(check: Callable[..., Report], iou_type: str, change: dict, kind: str, text: str) -> None:
    good, other = (box_entry(), BOX_OF_OTHER) if iou_type == "bbox" else (mask_entry(), MASK_OF_OTHER)
    report = check([good, good | change, other, good], iou_type=iou_type)
    (problem,) = report.examples[kind]
    assert (problem.entry, problem.image_id) == (1, None if kind == "image_id" else 139)
    assert text in problem.text
    assert set(report.counts) <= {kind, "other_keys", "not_a_number"}
    place = "entry 1: " if kind == "image_id" else "entry 1, image 139: "
    assert any(line.startswith(f"    {place}") for line in report.lines())


@pytest.mark.parametrize("key", ["image_id", "category_id", "score", "bbox", "segmentation"])
def test_missing_keys(check: Callable[..., Report], key: str) -> None:
    iou_type = "bbox" if key == "bbox" else "segm"
    entry = {k: v for k, v in (box_entry() if iou_type == "bbox" else mask_entry()).items() if k != key}
    assert check([entry], iou_type=iou_type).examples["missing_key"][0].text == f"has no {key!r}"


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("[]", "no_entries", "the list is empty"),
        ("[3]", "not_an_object", "is 3, not an object with image_id, category_id, score, segmentation"),
        ('{"a": 1}', "not_a_list", "it is an object"),
        (json.dumps([mask_entry()])[:-1], "not_json", "(after 1 entries)"),
    ],
)
def test_other_content(check: Callable[..., Report], text: str, kind: str, message: str) -> None:
    assert message in check(text, iou_type="segm").examples[kind][0].text


def test_more_than_100_of_an_image(check: Callable[..., Report]) -> None:
    report = check([mask_entry(score=n / 200) for n in range(101)] + [MASK_OF_OTHER], iou_type="segm")
    assert list(report.lines())[1:] == ["    image 139: has 101 entries"]
    assert check([mask_entry()] * 100 + [MASK_OF_OTHER], iou_type="segm").num_errors == 0


def test_images_without_entry_are_worth_a_look(check: Callable[..., Report]) -> None:
    report = check([mask_entry()], iou_type="segm")
    assert (report.num_errors, report.num_warnings) == (0, 1)
    assert list(report.lines()) == ["warning: images without any entry: 1", "    image 0: none"]


def test_codes_of_images_that_take_turns(check: Callable[..., Report]) -> None:
    bad = mask_entry(segmentation=RLE | {"counts": "Q"})
    report = check([mask_entry(), MASK_OF_OTHER] * 3 + [bad, MASK_OF_OTHER], iou_type="segm")
    assert [(p.entry, p.image_id) for p in report.examples["mask_code"]] == [(6, 139)]


def test_another_name(check: Callable[..., Report]) -> None:
    report = check([box_entry(), BOX_OF_OTHER], iou_type="bbox", name="results.json")
    assert report.first_error.text == f"there is results.json, which must be called {NAME}"


@pytest.mark.parametrize(
    ("annotations", "algorithm", "name"),
    [
        ("data/annotations/image_info_test-dev2017.json", "ours", NAME),
        ("instances_val2017.json", "R-50 (300_q)", "detections_val2017_R-50-300-q_results.json"),
        ("coco_mini_val.json", "___", "detections_coco-mini-val_unnamed_results.json"),
    ],
)
def test_names(annotations: str, algorithm: str, name: str) -> None:
    assert results_name(annotations, algorithm) == name


def test_packing(tmp_path: Path) -> None:
    (tmp_path / "x.segm.json").write_text(json.dumps([mask_entry(), MASK_OF_OTHER]))
    path = pack_results(tmp_path / "x.segm.json", NAME)
    assert path == tmp_path / "x.segm.zip"
    assert not check_coco_results(path, IMAGES, iou_type="segm", name=NAME).counts


@pytest.mark.parametrize("seed", range(3))
def test_random_sound_codes_are_found_sound(check: Callable[..., Report], seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes = [to_json(encode_window(rng.random((5, 8)) < 0.5, 0, 0, (5, 8))) for _ in range(99)]
    assert check([mask_entry(segmentation=code) for code in codes] + [MASK_OF_OTHER], iou_type="segm").num_errors == 0
