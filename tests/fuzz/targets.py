"""What reads each kind of damaged file. A target returns, or raises a UserError; all else is a failure."""

import shutil
from fractions import Fraction
from itertools import islice
from pathlib import Path
from unittest import mock

from blobs import BlobModel
from command_line import exit_code
from fuzz.inputs import HW
from fuzz.mutations import mutate, mutate_json, mutate_safetensors
from fuzz.target import Target
from torch import nn

from queryinst_vis import checkpoint
from queryinst_vis.cli import model_options
from queryinst_vis.data.cityscapes_ids import draw_instance_ids, read_instance_ids
from queryinst_vis.data.coco import CocoDataset
from queryinst_vis.data.coco_json import decode_mask, segmentation_problem
from queryinst_vis.data.image_file import read_image as read_annotated_image
from queryinst_vis.data.json_tables import DatasetError, read_json
from queryinst_vis.data.ytvis import YtvisDataset
from queryinst_vis.evaluation.clips import load_truth
from queryinst_vis.evaluation.detection_cache import load_detections
from queryinst_vis.results import Hints, read_result
from queryinst_vis.video import open_video
from queryinst_vis.video.images import read_image

_MOST_FRAMES = 200  # of a damaged video of 8
_FINE = (0, 1, 2, 3)  # exit codes: done, differences found, bad input, done in part


def _video(path: Path) -> None:
    with open_video(path) as source:
        for frame in islice(source, _MOST_FRAMES):
            assert frame.image.shape == (source.info.height, source.info.width, 3)
        assert all("\n" not in line for line in source.problems)


def _command(*arguments: str) -> int:
    """A command line ends with an exit code, never with an exception."""
    with mock.patch.object(model_options, "load_model", return_value=BlobModel().eval()):
        code = exit_code(arguments)
    assert code in _FINE, code
    return code


def _track(path: Path) -> int:
    output = path.with_name("tracked.mp4")
    return _command("track", str(path), "--output", str(output), "--json", f"{output}.json", "--overwrite", "--max-frames", "20")


def _mots(path: Path) -> int:
    folder = path.with_name("mots")
    folder.mkdir(exist_ok=True)
    shutil.copy(path, folder / "walk.txt")
    return _command("convert-mots", str(folder), "--output", _beside(path, "mots.json"), "--overwrite", "--classes", "1=cat")


def _check_dataset(path: Path) -> int:
    return _command("check-dataset", "--annotations", str(path), "--images", str(path.parent), "--full")


def _coco(path: Path) -> None:
    dataset = CocoDataset(path, path.parent, classes=["cat", "dog"])
    for index in range(min(len(dataset), 3)):
        dataset.load(index)


def _ytvis(path: Path) -> None:
    dataset = YtvisDataset(path, path.parent)
    for index in range(min(len(dataset), 3)):
        dataset[index]


def _masks(path: Path) -> None:
    content = read_json(path)
    masks = content.get("masks") if isinstance(content, dict) else None
    for mask in masks if isinstance(masks, list) else []:
        if not segmentation_problem(mask):
            _decoded(mask)


def _decoded(mask: object) -> None:
    """The ways of reading a mask in the package turn a ValueError and a TypeError into a DatasetError with the mask's place."""
    try:
        assert decode_mask(mask, HW).shape == HW
    except (ValueError, TypeError) as error:
        raise DatasetError(str(error)) from error


def _result(path: Path) -> None:
    hints = Hints(size=(HW[1], HW[0]), fps=Fraction(25), classes=["cat", "dog"])
    read = read_result(path, hints=hints)
    for record in read.frames:
        assert len({item.track_id for item in record.objects}) == len(record.objects)
    assert all("\n" not in line for line in read.problems)


def _weights(path: Path) -> None:
    checkpoint.load_model(path, device="cpu")


def _checkpoint(path: Path) -> None:
    checkpoint.load_weights(nn.Linear(4, 3), path)


def _cache(path: Path) -> None:
    for _ in load_detections(path, {"model": "blobs"}):
        pass


def _beside(path: Path, name: str) -> str:
    return str(path.with_name(name))


TARGETS: dict[str, Target] = {
    "mp4": Target("video.mp4", _video, weight=2),
    "fragments": Target("fragments.mp4", _video),
    "mkv": Target("video.mkv", _video, weight=1.5),
    "webm": Target("video.webm", _video, weight=1.5),
    "ts": Target("video.ts", _video, weight=0.5),
    "avi": Target("video.avi", _video, weight=0.5),
    "track": Target("video.mp4", _track, weight=0.5),
    **{
        f"picture_{suffix}": Target(f"picture.{suffix}", read_image, weight=0.4)
        for suffix in ("png", "jpg", "webp", "tiff", "bmp")
    },
    "annotated_picture": Target("picture.png", lambda path: read_annotated_image(path, HW, where="x"), weight=0.4),
    "instance_ids": Target("ids.png", read_instance_ids, weight=0.5),
    "coco": Target("coco.json", _coco, mutate_json, weight=2),
    "ytvis": Target("ytvis.json", _ytvis, mutate_json, weight=2),
    "masks": Target("mask.json", _masks, mutate_json, weight=2),
    "polygons": Target("polygons.json", draw_instance_ids, mutate_json),
    "truth": Target("truth.json", load_truth, mutate_json),
    "results": Target("results.json", lambda p: _command("evaluate", _beside(p, "ytvis.json"), str(p)), mutate_json, weight=2),
    "annotations": Target("ytvis.json", lambda p: _command("evaluate", str(p), _beside(p, "results.json")), mutate_json),
    "mots": Target("mots.txt", _mots),
    "ytvis_to_mots": Target(
        "ytvis.json", lambda p: _command("convert-mots", str(p), "--output", _beside(p, "texts"), "--overwrite"), mutate_json
    ),
    "check_dataset": Target("ytvis.json", _check_dataset, mutate_json),
    "check_coco": Target("coco.json", _check_dataset, mutate_json),
    "submission": Target("submission.zip", lambda p: _command("check-submission", str(p), "--videos", _beside(p, "videos.json"))),
    "archive": Target("results.zip", lambda p: _command("evaluate", _beside(p, "ytvis.json"), str(p)), weight=0.5),
    **{
        f"result_{name}": Target(f"tracks_{name}", _result, mutate_json if name.endswith("json") else mutate, weight=0.7)
        for name in ("json", "jsonl", "csv", "mot", "mots", "coco.json", "ytvis.json", "killed.spool")
    },
    "safetensors": Target("model.safetensors", _weights, mutate_safetensors),
    "zip_pth": Target("zip.pth", _checkpoint),
    "old_pth": Target("old.pth", _checkpoint),
    "cache": Target("cache.detections", _cache),
}
