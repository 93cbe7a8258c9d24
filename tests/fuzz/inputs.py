"""The small sound files that are damaged: made once, each by its name."""

import json
import zipfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from blobs import BlobModel, two_discs, write_video
from tiny_queryinst import tiny_model
from tiny_submission import VIDEOS, entry, second_entry
from ytvis_files import compressed, polygon, runs

from queryinst_vis.checkpoint import save_weights
from queryinst_vis.evaluation.detection_cache import save_detections
from queryinst_vis.masks import BitMasks
from queryinst_vis.results import open_result
from queryinst_vis.structures import Frame, Instances, VideoInfo

HW = (40, 60)  # of the annotated picture
_VIDEOS = {
    "mp4": {"sound": "aac"},
    "mkv": {"sound": "aac"},
    "webm": {"codec": "libvpx", "sound": "libopus"},
    "ts": {"codec": "mpeg2video", "time_base": Fraction(1, 25)},
    "avi": {"codec": "mpeg4", "time_base": Fraction(1, 25)},
}
_RESULTS = {
    "json": "json",
    "jsonl": "jsonl",
    "csv": "csv",
    "mot": "mot",
    "mots": "mots",
    "coco.json": "coco",
    "ytvis.json": "ytvis",
    "killed": "json",
}


def make_inputs(folder: Path) -> None:
    """All of them."""
    images = [two_discs(index) for index in range(8)]
    for suffix, options in _VIDEOS.items():
        write_video(folder / f"video.{suffix}", images, **options)
    fragments = {"movflags": "frag_keyframe+empty_moov"}
    write_video(folder / "fragments.mp4", images, container_options=fragments)
    _make_pictures(folder)
    _make_annotations(folder)
    _make_results(folder)
    _make_weights(folder)
    _make_archives(folder)


def _make_pictures(folder: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (*HW, 3), dtype=np.uint8)
    for suffix in ("png", "jpg", "webp", "tiff", "bmp"):
        cv2.imwrite(str(folder / f"picture.{suffix}"), picture)
    ids = np.zeros(HW, dtype=np.uint16)
    ids[5:20, 5:20], ids[20:30, 30:50] = 26_001, 7  # a car, and road
    cv2.imwrite(str(folder / "ids.png"), ids)


def _make_annotations(folder: Path) -> None:
    boxes = [[5, 5, 15, 15], [20, 10, 20, 20], [30, 5, 20, 30]]
    masks: list[Any] = [polygon(5, 5, 20, 20), compressed(20, 10, 40, 30), runs(30, 5, 50, 35)]
    annotations = [
        {"id": number, "image_id": 1, "category_id": 1 + number % 2, "bbox": box, "segmentation": mask, "area": 99, "iscrowd": 0}
        for number, (box, mask) in enumerate(zip(boxes, masks, strict=True), start=1)
    ]
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    coco = {"images": [{"id": 1, "file_name": "picture.png", "width": HW[1], "height": HW[0]}], "annotations": annotations}
    _write(folder / "coco.json", coco | {"categories": categories})
    areas = [225, 400]
    video = {"id": 1, "name": "walk", "width": HW[1], "height": HW[0], "length": 2, "file_names": ["picture.png"] * 2}
    tracks = [
        {
            "id": 1,
            "video_id": 1,
            "category_id": 1,
            "segmentations": [masks[0], masks[1]],
            "bboxes": boxes[:2],
            "areas": areas,
        },
        {"id": 2, "video_id": 1, "category_id": 2, "segmentations": [masks[2], None], "iscrowd": 0},
    ]
    _write(folder / "ytvis.json", {"videos": [video], "annotations": tracks, "categories": categories})
    code = compressed(6, 5, 20, 22)
    _write(
        folder / "results.json",
        [{"video_id": 1, "category_id": 1, "score": 0.7, "segmentations": [code, None]} for _ in range(2)],
    )
    _write(folder / "detections.json", [{"image_id": 1, "category_id": 1, "score": 0.7, "bbox": boxes[0], "segmentation": code}])
    _write(folder / "mask.json", {"masks": masks})
    polygons = [{"label": label, "polygon": [[5, 5], [20, 5], [20, 20]]} for label in ("car", "road", "persongroup")]
    _write(folder / "polygons.json", {"imgWidth": HW[1], "imgHeight": HW[0], "objects": polygons})
    truth = {"frames": [{"index": 0, "objects": [{"id": 1, "category": "dog", "box": [1, 2, 30, 40]}], "ignore": [[0, 0, 5, 5]]}]}
    _write(folder / "truth.json", {"clips": {"video.mp4": truth}})
    counts = code["counts"]
    (folder / "mots.txt").write_text(f"0 1001 1 {HW[0]} {HW[1]} {counts}\n1 1001 1 {HW[0]} {HW[1]} {counts}\n")


def _make_results(folder: Path) -> None:
    """Of a video of three frames with two objects, in all formats that are a file; a spool is what a killed run leaves."""
    info = VideoInfo(HW[1], HW[0], Fraction(25), Fraction(1, 25), 3, 0.12)
    for name, kind in _RESULTS.items():
        path = folder / f"tracks_{name}"
        writer = open_result(kind, path, video_name="video.mp4", info=info, classes=("cat", "dog"))
        for index in range(3):
            writer.add(Frame(np.zeros((*HW, 3), np.uint8), index, index, Fraction(1, 25)), _two_objects(index))
        if name == "killed":
            writer.suspend()
        else:
            writer.close()


def _two_objects(index: int) -> Instances:
    bitmaps = torch.zeros(2, *HW, dtype=torch.bool)
    bitmaps[0, 5 : 10 + index, 5:20], bitmaps[1, 20:30, 30 + index : 50] = True, True
    masks = BitMasks(bitmaps)
    found = Instances(HW, masks.boxes(), torch.tensor([0.5, 0.75]), torch.tensor([0, 1]), None, masks)
    found.track_ids = torch.tensor([1, 2])
    return found


def _make_weights(folder: Path) -> None:
    torch.manual_seed(0)
    model = tiny_model()
    small = torch.nn.Linear(4, 3)
    save_weights(model, folder / "model.safetensors")
    torch.save({"state_dict": small.state_dict(), "meta": {"CLASSES": ("cat",)}, "numbers": np.arange(3)}, folder / "zip.pth")
    torch.save({"state_dict": small.state_dict()}, folder / "old.pth", _use_new_zipfile_serialization=False)
    detections = BlobModel().eval().predict([two_discs(3)])
    save_detections(folder / "cache.detections", {"model": "blobs"}, [(0.5, found) for found in detections])


def _make_archives(folder: Path) -> None:
    _write(folder / "videos.json", VIDEOS)
    with zipfile.ZipFile(folder / "submission.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("results.json", json.dumps([entry(), second_entry()]))
    with zipfile.ZipFile(folder / "results.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(folder / "results.json", "results.json")


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content))
