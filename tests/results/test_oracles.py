"""Results are what others read: pycocotools, our evaluator of YouTube-VIS, TrackEval, MOTChallenge's columns, PIL."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from found_objects import CLASSES, HW, INFO, frame, instances, write
from PIL import Image
from pycocotools.coco import COCO

from queryinst_vis.cli.main import main
from queryinst_vis.errors import UserError
from queryinst_vis.masks import BitMasks
from queryinst_vis.results import Hints, read_result
from queryinst_vis.structures import Instances

HINTS = Hints(size=HW[::-1], classes=CLASSES)


def three_frames(kind: str, path: Path, **options) -> Path:
    with write(kind, path, **options) as log:
        log.add(frame(0), instances([1, 2]))
        log.add(frame(1), instances([]))
        log.add(frame(2), instances([2]))
    return path


def overlapping() -> Instances:
    """Two objects that share columns 8 to 12; the second has the higher score."""
    masks = torch.zeros((2, *HW), dtype=torch.bool)
    masks[0, 2:6, 4:12] = True
    masks[1, 2:6, 8:16] = True
    boxes = torch.tensor([[4.0, 2, 12, 6], [8, 2, 16, 6]])
    ids, labels = torch.tensor([1, 2]), torch.tensor([0, 1])
    return Instances(HW, boxes, torch.tensor([0.5, 0.9]), labels, masks=BitMasks(masks), track_ids=ids)


def test_coco_is_read_by_pycocotools(tmp_path: Path):
    coco = COCO(three_frames("coco", tmp_path / "a.json"))
    assert coco.getImgIds() == [1, 2, 3]
    assert coco.loadCats([2])[0]["name"] == CLASSES[1]
    rows = coco.loadAnns(coco.getAnnIds(imgIds=[1]))
    assert [(row["id"], row["track_id"], row["bbox"], row["area"], row["score"]) for row in rows] == [
        (1, 1, [0, 4, 4, 6], 24, 0.8),
        (2, 2, [6, 4, 4, 6], 24, 0.8),
    ]
    assert (coco.annToMask(rows[1])[4:10, 6:10] == 1).all()
    assert not coco.getAnnIds(imgIds=[2])


def test_coco_of_a_stranger_without_our_fields(tmp_path: Path):
    document = {
        "images": [{"id": number, "file_name": f"{number}.jpg", "width": 32, "height": 24} for number in (8, 3)],
        "categories": [{"id": 5, "name": "cow"}],
        "annotations": [
            {
                "id": 1,
                "image_id": 3,
                "category_id": 5,
                "bbox": [1, 1, 4, 4],
                "track_id": 6,
                "segmentation": [[1, 1, 5, 1, 5, 5, 1, 5]],
            }
        ],
    }
    (tmp_path / "a.json").write_text(json.dumps(document))
    result = read_result(tmp_path / "a.json")
    first, second = result.frames
    assert (result.kind, result.header.classes) == ("coco", ("cow",))
    assert (first.index, first.objects) == (0, [])
    assert (second.index, second.objects[0].track_id, second.objects[0].score) == (1, 6, 1.0)
    del document["annotations"][0]["track_id"]
    (tmp_path / "a.json").write_text(json.dumps(document))
    with pytest.raises(UserError, match="has no 'track_id'"):
        list(read_result(tmp_path / "a.json").frames)


def test_ytvis_is_measured_by_our_evaluator(tmp_path: Path, capsys: pytest.CaptureFixture):
    """Against annotations of the same masks: all found."""
    three_frames("ytvis", tmp_path / "results.json")
    results = json.loads((tmp_path / "results.json").read_text())
    annotations = [
        {"id": number, "video_id": 1, "category_id": 1, "iscrowd": 0, "segmentations": result["segmentations"]}
        | {"areas": [code and 24 for code in result["segmentations"]]}
        | {"bboxes": [code and [6, 4, 4, 6] for code in result["segmentations"]]}
        for number, result in enumerate(results, start=1)
    ]
    video = {"id": 1, "width": 32, "height": 24, "length": 3, "file_names": [f"a/{index:05d}.jpg" for index in range(3)]}
    truth = {"videos": [video], "categories": [{"id": 1, "name": "cat"}], "annotations": annotations}
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    assert main(["evaluate", str(tmp_path / "truth.json"), str(tmp_path / "results.json")]) == 0
    assert "100.0" in capsys.readouterr().out


def test_ytvis_of_several_videos_is_asked_for_one(tmp_path: Path):
    code = {
        "size": [24, 32],
        "counts": three_frames("jsonl", tmp_path / "a.jsonl").read_text().split('counts":"')[1].split('"')[0],
    }
    entries = [{"video_id": v, "category_id": 1, "score": 0.5, "segmentations": [None] * v + [code]} for v in (1, 2)]
    (tmp_path / "a.json").write_text(json.dumps(entries))
    with pytest.raises(UserError, match="--video-id chooses one"):
        read_result(tmp_path / "a.json")
    frames = list(read_result(tmp_path / "a.json", hints=Hints(video_id=2)).frames)
    assert [len(record.objects) for record in frames] == [0, 0, 1]


def test_mot_has_the_columns_of_motchallenge(tmp_path: Path):
    """<frame>, <id>, <bb_left>, <bb_top>, <bb_width>, <bb_height>, <conf>, <x>, <y>, <z>; frames count from 1."""
    lines = three_frames("mot", tmp_path / "a.txt").read_text().splitlines()
    assert lines == ["1,1,0,4,4,6,0.8,-1,-1,-1", "1,2,6,4,4,6,0.8,-1,-1,-1", "3,2,0,4,4,6,0.8,-1,-1,-1"]


def test_csv_is_a_table(tmp_path: Path):
    with write("csv", tmp_path / "a.csv") as log:
        log.add(frame(3), instances([5], label=1))
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = ("frame", "time", "id", "category", "score", "left", "top", "width", "height", "area")
    assert rows == [dict(zip(names, ("3", "0.12", "5", CLASSES[1], "0.8", "0.0", "4.0", "4.0", "6.0", "24"), strict=True))]


def test_mots_gives_shared_pixels_to_the_higher_score(tmp_path: Path):
    with write("mots", tmp_path / "a.txt") as log:
        log.add(frame(0), overlapping())
    assert [line.split()[:5] for line in (tmp_path / "a.txt").read_text().splitlines()] == [
        ["0", "1001", "1", "24", "32"],
        ["0", "2002", "2", "24", "32"],
    ]
    (record,) = read_result(tmp_path / "a.txt", hints=HINTS).frames
    assert [(item.track_id, item.box) for item in record.objects] == [(1, (4, 2, 4, 4)), (2, (8, 2, 8, 4))]


def test_mots_with_ids_beyond_its_own(tmp_path: Path):
    with write("mots", tmp_path / "a.txt") as log:
        log.add(frame(0), instances([1, 1000, 1007, 40_000]))
    objects = [line.split()[1] for line in (tmp_path / "a.txt").read_text().splitlines()]
    assert objects == ["1001", "1002", "1003", "1007"]


def test_mots_with_more_objects_than_it_holds(tmp_path: Path):
    with write("mots", tmp_path / "a.txt") as log:
        for index in range(202):
            log.add(frame(index), instances([5 * index + place for place in range(1, 6)]))
    assert log.problems == ["MOTS holds 999 objects of a class: 11 tracks more were left out"]
    assert len((tmp_path / "a.txt").read_text().splitlines()) == 999


@pytest.mark.slow
def test_mots_is_read_by_trackeval(tmp_path: Path):
    """With itself as ground truth: HOTA of 1, so objects and masks were understood. It refuses masks that overlap."""
    trackeval = pytest.importorskip("trackeval")
    truth, tracks = tmp_path / "gt", tmp_path / "trackers" / "ours" / "data"
    truth.mkdir(parents=True)
    tracks.mkdir(parents=True)
    for path in (truth / "0000.txt", tracks / "0000.txt"):
        with write("mots", path, classes=("car", "pedestrian")) as log:
            for index in range(4):
                log.add(frame(index), instances([1, 2, 3], label=1))
            log.add(frame(4), overlapping())
    dataset = trackeval.datasets.KittiMOTS(
        {"GT_FOLDER": str(truth), "TRACKERS_FOLDER": str(tmp_path / "trackers"), "PRINT_CONFIG": False}
        | {"SEQ_INFO": {"0000": 5}, "GT_LOC_FORMAT": "{gt_folder}/{seq}.txt", "CLASSES_TO_EVAL": ["pedestrian"]}
    )
    quiet = ("PRINT_CONFIG", "PRINT_RESULTS", "TIME_PROGRESS", "OUTPUT_SUMMARY", "OUTPUT_DETAILED", "PLOT_CURVES")
    evaluator = trackeval.Evaluator(dict.fromkeys(quiet, False) | {"BREAK_ON_ERROR": True})
    results, _ = evaluator.evaluate([dataset], [trackeval.metrics.HOTA()])
    hota = results["KittiMOTS"]["ours"]["COMBINED_SEQ"]["pedestrian"]["HOTA"]
    assert np.allclose(hota["HOTA"], 1)
    assert hota["HOTA_TP"].tolist() == [14] * 19  # the first track is a pedestrian in most frames


def test_png_masks_are_16_bit(tmp_path: Path):
    """More than 255 objects; each pixel is the id of its object."""
    masks = torch.zeros((300, *HW), dtype=torch.bool)
    masks.view(300, -1)[torch.arange(300), torch.arange(300)] = True
    ids = torch.arange(1, 301) + 200
    found = Instances(HW, torch.rand(300, 4), torch.ones(300), torch.zeros(300).long(), masks=BitMasks(masks), track_ids=ids)
    with write("png", tmp_path / "a") as log:
        log.add(frame(0), found)
    with Image.open(tmp_path / "a" / "000000.png") as image:
        assert image.mode == "I;16"
        pixels = np.array(image)
    assert pixels.ravel()[:300].tolist() == ids.tolist()
    assert not pixels.ravel()[300:].any()
    assert log.problems == []


def test_png_ids_beyond_16_bits_are_left_out_and_told(tmp_path: Path):
    with write("png", tmp_path / "a") as log:
        log.add(frame(0), instances([65_535, 65_536, 70_000]))
    assert log.problems == ["png holds ids up to 65535: 2 objects above that were left out"]
    (record,) = read_result(tmp_path / "a").frames
    assert [item.track_id for item in record.objects] == [65_535]


def test_png_folder_says_what_its_ids_are(tmp_path: Path):
    with write("png", tmp_path / "a") as log:
        log.add(frame(0), overlapping())
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["000000.png", "objects.csv", "video.json"]
    assert (tmp_path / "a" / "objects.csv").read_text() == 'id,category\n1,"cat"\n2,"a ""big"" dog, brown"\n'
    video = json.loads((tmp_path / "a" / "video.json").read_text())
    assert (video["width"], video["fps"], len(video["categories"])) == (INFO.width, 25.0, 2)


def test_png_folder_of_a_stranger_with_a_palette(tmp_path: Path):
    image = Image.fromarray(np.pad(np.full((2, 2), 9, dtype=np.uint8), 3)).convert("P")
    image.save(tmp_path / "00005.png")
    result = read_result(tmp_path)
    (record,) = result.frames
    assert (result.header.width, result.header.height, record.index) == (8, 8, 5)
    assert [(item.track_id, item.box) for item in record.objects] == [(int(np.array(image).max()), (3, 3, 2, 2))]


@pytest.mark.parametrize(("mode", "message"), [("RGB", "is a colour image"), ("LA", "is a colour image")])
def test_png_in_colour_is_refused(tmp_path: Path, mode: str, message: str):
    Image.new(mode, (4, 4)).save(tmp_path / "0.png")
    with pytest.raises(UserError, match=message):
        list(read_result(tmp_path).frames)


def test_png_images_of_different_sizes_are_refused(tmp_path: Path):
    for number, side in enumerate((4, 5)):
        Image.new("L", (side, side)).save(tmp_path / f"{number}.png")
    with pytest.raises(UserError, match="has 5 x 5 pixels, the video 4 x 4"):
        list(read_result(tmp_path).frames)
