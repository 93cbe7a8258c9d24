"""The command `compare` on videos of two discs."""

import json

import cv2
import pytest
from blobs import CLASSES, two_discs
from pycocotools import mask as coco_mask

from queryinst_vis.cli.main import main
from queryinst_vis.ops.rle import to_json
from queryinst_vis.registry import TRACKERS, available
from queryinst_vis.trackers import IoUTracker

LENGTH = 12
COUNTS = ("IDSW", "Frag")


pytestmark = pytest.mark.usefixtures("model")


@pytest.fixture
def folder(tmp_path):
    """Two videos of the same discs, gt.json and the pictures."""
    videos, annotations = [], []
    for video_id, name in ((1, "first"), (2, "second")):
        (tmp_path / name).mkdir()
        images = [two_discs(i) for i in range(LENGTH)]
        names = [f"{name}/{i:05}.png" for i in range(LENGTH)]
        for file_name, image in zip(names, images, strict=True):
            cv2.imwrite(str(tmp_path / file_name), image[..., ::-1])
        videos.append({"id": video_id, "width": 128, "height": 96, "length": LENGTH, "file_names": names})
        for category_id, channel in ((1, 0), (2, 1)):
            masks = [(image[..., channel] > 200).astype("uint8", order="F") for image in images]
            annotation = {"id": len(annotations) + 1, "video_id": video_id, "category_id": category_id, "iscrowd": 0}
            annotation["segmentations"] = [to_json(coco_mask.encode(mask)) for mask in masks]
            annotations.append(annotation)
    categories = [{"id": i + 1, "name": name} for i, name in enumerate(CLASSES)]
    content = {"videos": videos, "annotations": annotations, "categories": categories}
    (tmp_path / "gt.json").write_text(json.dumps(content))
    return tmp_path


def compare(folder, *options) -> dict:
    """The measures that were written."""
    assert main(["compare", str(folder / "gt.json"), *options, "--json", str(folder / "out.json")]) == 0
    return json.loads((folder / "out.json").read_text())


def test_all_trackers_on_the_detections_of_a_model(folder, model, capsys):
    written = compare(folder, "--images", str(folder))
    assert model.images_seen == 2 * LENGTH
    assert written["simulated"] is False
    assert sorted(written["trackers"]) == available(TRACKERS)
    for measures in written["trackers"].values():
        assert [measures[name] for name in ("AP", "HOTA", "IDF1", "ids_per_object", *COUNTS)] == pytest.approx([1, 1, 1, 1, 0, 0])
        assert measures["ms_per_frame"] > 0
    title, _, header, *rows = capsys.readouterr().out.splitlines()
    assert title == "model default on gt.json: 2 videos, 24 frames; score threshold 0.5, for AP 0.05"
    assert header.split()[:5] == ["tracker", "AP", "AP50", "HOTA", "DetA"]
    assert [row.split()[0] for row in rows] == available(TRACKERS)
    assert len({len(line) for line in [header, *rows]}) == 1


def test_simulated_detections_need_neither_model_nor_pictures(folder, model, capsys):
    (folder / "first" / "00000.png").unlink()
    options = ["--trackers", "iou,query_match", "--simulate", "easy", "false_positives=0", "--seed", "3"]
    written = compare(folder, *options)
    assert model.images_seen == 0
    assert written["simulated"] is True
    assert list(written["trackers"]) == ["iou", "query_match"]
    assert capsys.readouterr().out.startswith("simulated detections (easy false_positives=0, seed 3) on gt.json")
    again, other = compare(folder, *options), compare(folder, *options, "--seed", "4")
    for content in (written, again, other):
        for measures in content["trackers"].values():
            del measures["ms_per_frame"]
    assert again == written
    assert other["trackers"] != written["trackers"]


def test_one_tracker_does_not_change_what_the_next_one_sees(folder):
    together = compare(folder, "--simulate", "hard")["trackers"]
    for name, measures in together.items():
        (alone,) = compare(folder, "--trackers", name, "--simulate", "hard")["trackers"].values()
        assert {**alone, "ms_per_frame": 0} == {**measures, "ms_per_frame": 0}


def test_the_cache_spares_the_model_and_changes_nothing(folder, model):
    options = ["--images", str(folder), "--cache", str(folder / "kept"), "--trackers", "iou"]
    first = compare(folder, *options, "--videos", "second")
    assert model.images_seen == LENGTH
    assert first["videos"] == [2]
    compare(folder, *options)
    assert model.images_seen == 2 * LENGTH
    second = compare(folder, *options, "--videos", "2")
    assert model.images_seen == 2 * LENGTH
    assert {**second["trackers"]["iou"], "ms_per_frame": 0} == {**first["trackers"]["iou"], "ms_per_frame": 0}


def test_a_cache_of_other_detections_is_refused(folder, capsys):
    kept = ["--cache", str(folder / "kept"), "--trackers", "iou"]
    compare(folder, *kept, "--simulate", "easy")
    assert main(["compare", str(folder / "gt.json"), *kept, "--simulate", "hard"]) == 2
    assert "use another folder" in capsys.readouterr().err


@pytest.fixture
def logits_only():
    """A tracker registered for one test."""

    @TRACKERS.register_module(name="logits_only")
    class LogitsOnly(IoUTracker):
        similarities = ("dot",)

    yield
    del TRACKERS.module_dict["logits_only"]


@pytest.mark.usefixtures("logits_only")
def test_a_tracker_for_other_embeddings_has_a_row_that_says_so(folder, capsys):
    options = ["--trackers", "logits_only,iou", "--markdown", "--simulate"]
    written = compare(folder, *options)["trackers"]
    assert written["logits_only"] == {"error": "needs embeddings for dot, these are for cosine"}
    assert written["iou"]["HOTA"] > 0
    title, _, header, rule, first, second, _, note = capsys.readouterr().out.splitlines()
    assert title.startswith("simulated")
    assert header.startswith("| tracker | AP | AP50 | HOTA |")
    assert rule == "|---" * 11 + "|"
    assert first == "| logits_only" + " | -" * 10 + " |"
    assert second.startswith("| iou | ")
    assert note == "logits_only: needs embeddings for dot, these are for cosine"
    assert "HOTA" in compare(folder, *options, "similarity=dot")["trackers"]["logits_only"]


def test_trackers_take_settings(folder):
    written = compare(folder, "--trackers", "iou,iou:min_iou=0.99:patience=0", "--simulate")["trackers"]
    assert written["iou:min_iou=0.99:patience=0"]["IDSW"] > written["iou"]["IDSW"]


def test_what_is_not_annotated_can_be_ignored(folder):
    content = json.loads((folder / "gt.json").read_text())
    content["annotations"] = [a for a in content["annotations"] if a["category_id"] == 1]
    (folder / "gt.json").write_text(json.dumps(content))
    options = ["--images", str(folder), "--trackers", "iou"]
    assert compare(folder, *options)["trackers"]["iou"]["DetA"] == pytest.approx(0.5)
    ignoring = compare(folder, *options, "--ignore-unmatched")["trackers"]["iou"]
    assert [ignoring[name] for name in ("AP", "DetA")] == pytest.approx([1, 1])


def test_classes_can_count_as_super_categories(folder, model, capsys):
    content = json.loads((folder / "gt.json").read_text())
    content["categories"] = [{"id": 1, "name": "vehicle"}, {"id": 2, "name": "animal"}]
    (folder / "gt.json").write_text(json.dumps(content))
    model.info.classes = ("car", "dog")
    options = ["--images", str(folder), "--trackers", "iou"]
    assert compare(folder, *options, "--super-categories")["trackers"]["iou"]["HOTA"] == pytest.approx(1)
    assert main(["compare", str(folder / "gt.json"), *options]) == 2
    assert "--super-categories" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "give --images DIR"),
        (["--simulate", "worst"], "no difficulty is called 'worst'"),
        (["--simulate", "--trackers", "io"], "did you mean 'iou'?"),
        (["--simulate", "--trackers", "iou:patients=1"], "has no setting 'patients'"),
        (["--simulate", "--trackers", "iou:1"], "NAME:SETTING=VALUE"),
        (["--simulate", "--videos", "secnd"], "has no video 'secnd'; did you mean 'second'?"),
        (["--simulate", "--fps", "0"], "--fps must be above 0"),
        (["--simulate", "--images", "."], "without a model, so --images would do nothing"),
        (["--simulate", "--model", "x.pth", "--size", "64"], "without a model, so --model, --size would do nothing"),
        (["--simulate", "--config", "x.py"], "so --config would"),
        (["--simulate", "--device", "cpu"], "so --device would"),
        (["--simulate", "--super-categories"], "so --super-categories would"),
        (["--classes", "dog", "--simulate"], "so --classes would"),
        (["--simulate", "--seed", "-1"], "--seed must be a whole number from 0"),
        (["--simulate", "--cache", __file__], "is a file, expected a folder"),
        (["--simulate", "--json", "nowhere/out.json"], "there is no folder nowhere"),
    ],
)
def test_bad_options_are_one_line(folder, capsys, options, message):
    assert main(["compare", str(folder / "gt.json"), *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_files_without_annotations_are_refused(folder, capsys):
    content = json.loads((folder / "gt.json").read_text())
    (folder / "gt.json").write_text(json.dumps({**content, "annotations": []}))
    assert main(["compare", str(folder / "gt.json"), "--simulate"]) == 2
    assert "has no annotations" in capsys.readouterr().err


def test_davis_with_simulated_detections(shared_data, tmp_path):
    out = tmp_path / "out.json"
    options = ["--videos", "schoolgirls", "--simulate", "easy", "--json", str(out)]
    assert main(["compare", str(shared_data / "davis_vis.json"), *options]) == 0
    for measures in json.loads(out.read_text())["trackers"].values():
        assert measures["HOTA"] > 0.3
