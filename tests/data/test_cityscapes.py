"""Cityscapes' own annotations to COCO JSON: what is drawn, from both sources, by the command, and unusable files."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from cityscapes_sets import HW, name_of, random_polygons, write_raw

from queryinst_vis.cli.main import main
from queryinst_vis.data.cityscapes import find_annotated, to_coco
from queryinst_vis.data.cityscapes_ids import draw_instance_ids, read_instance_ids
from queryinst_vis.data.coco import CocoDataset
from queryinst_vis.data.coco_json import decode_mask, read_coco
from queryinst_vis.data.dataset_check import check_files
from queryinst_vis.data.dataset_table import PUBLIC_DATASETS
from queryinst_vis.data.json_tables import DatasetError


def box(label: str, left: int, top: int, right: int, bottom: int, **more) -> dict:
    """Corners are part of it: Pillow draws a polygon's outline too."""
    return {"label": label, "polygon": [[left, top], [right, top], [right, bottom], [left, bottom]], **more}


SCENE = [
    box("road", 0, 30, 95, 63),
    box("car", 10, 10, 29, 29),
    box("cargroup", 20, 20, 39, 39),  # over a quarter of the first car
    box("car", 60, 10, 69, 19),
    box("person", 5, 40, 9, 59, deleted=1),
    box("person", 12, 40, 16, 59),
    box("caravan", 40, 0, 49, 9),
    box("persongroup", 70, 40, 79, 49),
    box("license plate", 12, 12, 14, 14),  # not drawn
    box("polegroup", 90, 0, 91, 20),  # a label of its own, no group of poles
    box("ego vehicle", 0, 60, 95, 63),
    box("out of roi", 85, 55, 200, 90),  # leaves the picture
    box("persongroup", 80, 40, 81, 41),
]


def polygons_of(objects: list[dict]) -> dict:
    return {"imgHeight": HW[0], "imgWidth": HW[1], "objects": objects}


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """A root with that scene as polygons, and an instance image drawn of it."""
    write_raw(tmp_path, [np.zeros(HW)], polygons=[polygons_of(SCENE)])
    stem = tmp_path / "gtFine" / "val" / name_of(0).removesuffix("_leftImg8bit.png")
    ids = draw_instance_ids(Path(f"{stem}_gtFine_polygons.json"))
    cv2.imwrite(f"{stem}_gtFine_instanceIds.png", ids.astype(np.uint16))
    return tmp_path


def convert(root: Path, *options: str, split: str = "val") -> int:
    return main(["convert-cityscapes", str(root), str(root / f"{split}.json"), "--split", split, *options])


def test_later_objects_cover_earlier_ones(scene: Path):
    ids = draw_instance_ids(next(scene.rglob("*_polygons.json")))
    expected = np.zeros(HW, dtype=np.int32)
    expected[30:] = 7
    expected[10:30, 10:30] = 26000
    expected[20:40, 20:40] = 26
    expected[10:20, 60:70] = 26001
    expected[40:60, 12:17] = 24000  # the deleted one has no number
    expected[0:10, 40:50] = 29000
    expected[40:50, 70:80] = 24
    expected[0:21, 90:92] = 18
    expected[60:] = 1
    expected[55:, 85:] = 3
    expected[40:42, 80:82] = 24
    assert ids.dtype == np.int32
    assert (ids == expected).all()
    assert (read_instance_ids(next(scene.rglob("*_instanceIds.png"))) == expected).all()


@pytest.mark.parametrize("source", ["polygons", "instance-ids"])
def test_objects_and_groups(scene: Path, source: str, capsys: pytest.CaptureFixture[str]):
    assert convert(scene, "--from", source) == 0
    assert "1 images, 3 objects and 2 groups, from *_gtFine_" in capsys.readouterr().out
    content = read_coco(scene / "val.json")
    names = {category["id"]: category["name"] for category in content["categories"]}
    rows = [(names[row["category_id"]], row["iscrowd"], row["area"], row["bbox"]) for row in content["annotations"]]
    assert rows == [
        ("person", 1, 104, [70, 40, 12, 10]),  # both groups of persons
        ("car", 1, 400, [20, 20, 20, 20]),
        ("person", 0, 100, [12, 40, 5, 20]),
        ("car", 0, 300, [10, 10, 20, 20]),
        ("car", 0, 100, [60, 10, 10, 10]),
    ]
    assert content["images"][0]["file_name"] == name_of(0)
    car = decode_mask(content["annotations"][3]["segmentation"], HW)
    assert car.sum() == 300
    assert car[10:20, 10:30].all()
    void = decode_mask(content["images"][0]["void"], HW)
    ids = draw_instance_ids(next(scene.rglob("*_polygons.json")))
    assert (void == np.isin(ids, [0, 1, 3, 18])).all()  # what nobody drew is void too; a single caravan is not


def test_both_sources_give_the_same(tmp_path: Path):
    rng = np.random.default_rng(1)
    polygons = [random_polygons(rng) for _ in range(30)]
    write_raw(tmp_path, [np.zeros(HW)] * 30, "train", polygons=polygons)
    for path in tmp_path.rglob("*_polygons.json"):
        ids = draw_instance_ids(path)
        cv2.imwrite(str(path).replace("_polygons.json", "_instanceIds.png"), ids.astype(np.uint16))
    contents = [to_coco(find_annotated(tmp_path, "train", source)) for source in ("polygons", "instance-ids")]
    assert contents[0] == contents[1] == to_coco(find_annotated(tmp_path, "train"))
    assert len(contents[0]["annotations"]) > 50


def test_the_file_trains(scene: Path):
    convert(scene)
    dataset = CocoDataset(scene / "val.json", scene / "leftImg8bit" / "val", classes=("car", "person"), training=True)
    targets = dataset.load(0).targets
    assert targets.labels.tolist() == [1, 0, 1, 0, 0]
    assert targets.is_crowd.tolist() == [True, True, False, False, False]
    assert targets.masks.areas().tolist() == [104, 400, 100, 300, 100]


def test_check_dataset_finds_nothing_wrong(scene: Path):
    convert(scene)
    classes = PUBLIC_DATASETS["cityscapes"].classes
    pictures = scene / "leftImg8bit" / "val"
    assert check_files(scene / "val.json", pictures, kind="coco", classes=classes, decode=True).problems == []


def test_polygons_are_taken_where_there_are_no_instance_images(scene: Path, capsys: pytest.CaptureFixture[str]):
    next(scene.rglob("*_instanceIds.png")).unlink()
    assert convert(scene) == 0
    assert "from *_gtFine_polygons.json" in capsys.readouterr().out


def test_missing_pictures_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write_raw(tmp_path, [np.full(HW, 26000)] * 3)
    (tmp_path / "leftImg8bit" / "val" / name_of(1)).unlink()
    (tmp_path / "gtFine" / "val" / name_of(2).replace("leftImg8bit", "gtFine_instanceIds")).unlink()
    assert convert(tmp_path) == 0
    first, *others = capsys.readouterr().out.splitlines()
    assert "2 images, 2 objects and 0 groups" in first
    assert others == [
        f"1 of 2 pictures are missing in {tmp_path}/leftImg8bit/val; the first is {name_of(1)}",
        f"1 more pictures have no annotations and were left out; the first is {name_of(2)}",
    ]


def test_of_test_images_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write_raw(tmp_path, [np.zeros(HW)] * 2, "test")
    assert convert(tmp_path, split="test") == 0
    assert "2 images, no annotations" in capsys.readouterr().out
    content = read_coco(tmp_path / "test.json")
    assert [image["file_name"] for image in content["images"]] == [name_of(0), name_of(1)]
    assert [(image["height"], image["width"]) for image in content["images"]] == [HW, HW]
    assert content["annotations"] == []
    assert convert(tmp_path, "--overwrite", "--from", "polygons", split="test") == 2
    assert "the test split has no annotations" in capsys.readouterr().err
    (tmp_path / "leftImg8bit" / "test" / name_of(0)).write_bytes(b"text")
    assert convert(tmp_path, "--overwrite", split="test") == 2
    assert f"{name_of(0)}: not an image that can be read" in capsys.readouterr().err


def _write(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(text)


def _objects(*objects: object) -> Callable[[Path], object]:
    return _write(json.dumps(polygons_of(list(objects))))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_write("{"), "not a JSON file"),
        (_write("[]"), "not polygons of Cityscapes: expected imgWidth as a whole number above 0, got None"),
        (_write('{"imgWidth": 9, "imgHeight": -1, "objects": []}'), "expected imgHeight as a whole number above 0, got -1"),
        (_write('{"imgWidth": 9, "imgHeight": 9}'), "expected a list of objects under 'objects'"),
        (_objects(5), "object 0: expected label and polygon, got 5"),
        (_objects(box("car", 1, 1, 5, 5), box("boat", 1, 1, 5, 5)), "object 1: Cityscapes has no label 'boat'"),
        (_objects(box("boatgroup", 1, 1, 5, 5)), "object 0: Cityscapes has no label 'boatgroup'"),
        (_objects({"polygon": [[1, 1], [2, 2]]}), "object 0: Cityscapes has no label None"),
        (_objects({"label": "car"}), "object 0: its polygon must be a list of two or more points"),
        (_objects({"label": "car", "polygon": [[1, 1]]}), "object 0: its polygon must be a list"),
        (_objects({"label": "car", "polygon": [[1, 1], [2]]}), "object 0: its polygon must be a list"),
        (_objects({"label": "car", "polygon": [["a", 1], [2, 3]]}), "object 0: its polygon must be a list"),
        (_objects({"label": "car", "polygon": [[1, float("nan")], [2, 3]]}), "object 0: its polygon must be a list"),
        (_objects(*[box("car", 1, 1, 5, 5)] * 1001), "object 1000: is car number 1000, an image can tell 1000 apart"),
    ],
)
def test_unusable_polygons_are_one_line(scene: Path, spoil: Callable, message: str, capsys: pytest.CaptureFixture[str]):
    path = next(scene.rglob("*_polygons.json"))
    spoil(path)
    assert convert(scene, "--from", "polygons") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {path}: ")
    assert message in line
    assert not (scene / "val.json").exists()


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (None, "not an image that can be decoded"),
        (np.zeros((*HW, 3), np.uint8), "is a colour image, expected one number per pixel"),
        (np.full(HW, 255, np.uint8), "holds the label 255, which Cityscapes has not"),
        (np.full(HW, 34000, np.uint16), "holds the label 34, which Cityscapes has not"),
    ],
)
def test_unusable_instance_images_are_one_line(
    scene: Path, image: np.ndarray | None, message: str, capsys: pytest.CaptureFixture[str]
):
    path = next(scene.rglob("*_instanceIds.png"))
    if image is None:
        path.write_bytes(b"")
    else:
        cv2.imwrite(str(path), image)
    assert convert(scene) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {path}: {message}")


def test_folders_that_are_not_there_are_one_line(scene: Path, capsys: pytest.CaptureFixture[str]):
    for root, options, message in (
        (scene / "nowhere", {"split": "val"}, "nowhere/gtFine/val: no such folder"),
        (scene, {"split": "train"}, "gtFine/train: no such folder; unpack gtFine_trainvaltest.zip in"),
        (scene, {"split": "test"}, "leftImg8bit/test: no such folder; unpack leftImg8bit_trainvaltest.zip in"),
    ):
        out = scene / "out.json"
        assert main(["convert-cityscapes", str(root), str(out), "--split", options["split"]]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line
    next(scene.rglob("*_polygons.json")).unlink()
    with pytest.raises(DatasetError, match=r"holds no CITY/\*_gtFine_polygons\.json"):
        find_annotated(scene, "val", "polygons")


def test_a_file_is_not_replaced_unasked(scene: Path, capsys: pytest.CaptureFixture[str]):
    assert [convert(scene), convert(scene), convert(scene, "--overwrite")] == [0, 2, 0]
    assert "exists; --overwrite replaces it" in capsys.readouterr().err
