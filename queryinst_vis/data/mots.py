"""MOTS text files to YouTube-VIS JSON and back.

Regions to be ignored are crowd regions here, one of each category, as crowd regions have a category in the JSON. Codes are kept
as they are, so that text becomes the same text again, its lines sorted by frame and object.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from pycocotools import mask as coco_mask

from queryinst_vis.data.coco_json import encode_mask
from queryinst_vis.data.json_tables import DatasetError, Rows
from queryinst_vis.data.mots_text import IGNORE_CLASS, PER_CLASS, MotsLine
from queryinst_vis.data.ytvis_frames import items_by_frame
from queryinst_vis.data.ytvis_json import describe_video, video_name
from queryinst_vis.ops import rle as rle_ops

MOTS_CLASSES = {1: "car", 2: "pedestrian"}


def mots_to_ytvis(
    sequences: Mapping[str, Sequence[MotsLine]], file_names: Mapping[str, Mapping[int, str]], *, classes: Mapping[int, str]
) -> dict[str, Any]:
    """YouTube-VIS JSON of sequences by name. file_names: of each sequence, frame number -> image; classes: class id -> name.

    Annotations remember their object as `mots_object_id`. DatasetError: a class has no name, or a frame no image.
    """
    categories = [{"id": class_id, "name": name} for class_id, name in sorted(classes.items())]
    content: dict[str, Any] = {"videos": [], "annotations": [], "categories": categories}
    for video_id, (name, lines) in enumerate(sorted(sequences.items()), start=1):
        frames = sorted(file_names[name])
        if not lines or not frames:
            raise DatasetError(f"{name}: has {'no image' if lines else 'no line, so that nothing tells its size'}")
        shape = {"height": lines[0].image_hw[0], "width": lines[0].image_hw[1], "length": len(frames)}
        content["videos"].append(
            {"id": video_id, "name": name, **shape, "file_names": [file_names[name][frame] for frame in frames]}
        )
        positions = {frame: position for position, frame in enumerate(frames)}
        for tracked in _tracks(lines, positions, name):
            for category_id in _categories_of(tracked, classes, name):
                identity = {"id": len(content["annotations"]) + 1, "video_id": video_id, "category_id": category_id}
                content["annotations"].append(identity | shape | tracked)
    return content


def _tracks(lines: Sequence[MotsLine], positions: Mapping[int, int], name: str) -> Iterator[dict[str, Any]]:
    """Everything but ids and category of each object's annotation, by object id."""
    for object_id in sorted({line.object_id for line in lines}):
        items: dict[str, list[Any]] = {key: [None] * len(positions) for key in ("segmentations", "bboxes", "areas")}
        for line in (line for line in lines if line.object_id == object_id):
            if line.frame not in positions:
                raise DatasetError(f"{name}: frame {line.frame} of object {object_id} has no image")
            code = {"size": list(line.image_hw), "counts": line.code}
            position = positions[line.frame]
            items["segmentations"][position] = code
            items["bboxes"][position] = coco_mask.toBbox(code).tolist()
            items["areas"][position] = int(coco_mask.area(code))
        yield items | {"iscrowd": int(object_id // PER_CLASS == IGNORE_CLASS), "mots_object_id": object_id}


def _categories_of(tracked: Mapping[str, Any], classes: Mapping[int, str], name: str) -> list[int]:
    if tracked["iscrowd"]:
        return sorted(classes)
    class_id = tracked["mots_object_id"] // PER_CLASS
    if class_id not in classes:
        raise DatasetError(f"{name}: object {tracked['mots_object_id']} is of class {class_id}, which has no name")
    return [class_id]


def ytvis_to_mots(content: Mapping[str, Rows], *, name: str) -> dict[str, list[MotsLine]]:
    """Lines of each video by its name; content: as `check_ytvis` accepts it; name: the file, for messages.

    Class ids are category ids; frames have the number in their file's name. Crowd regions of a frame become one ignored region.
    DatasetError: a category's id is 0 or 10, a class has too many objects, two videos have one name, or a mask does not fit.
    """
    sequences: dict[str, list[MotsLine]] = {}
    for video in content["videos"]:
        if video_name(video) in sequences:
            raise DatasetError(f"{name}: two videos are called {video_name(video)}")
        tracks = [annotation for annotation in content["annotations"] if annotation["video_id"] == video["id"]]
        lines = _lines(video, tracks, f"{name}: {describe_video(video)}")
        sequences[video_name(video)] = sorted(lines, key=lambda line: (line.frame, line.object_id))
    return sequences


def _lines(video: dict[str, Any], tracks: Rows, where: str) -> Iterator[MotsLine]:
    numbers, image_hw = frame_numbers(video["file_names"]), (video["height"], video["width"])
    ignored: dict[int, dict[str, rle_ops.RLE]] = {}  # frame -> code -> the same; regions of several categories are equal
    for annotation, object_id in zip(tracks, _object_ids(tracks, where), strict=True):
        for position, mask, _, _ in items_by_frame(annotation):
            try:
                rle = None if mask is None else encode_mask(mask, image_hw)
            except (ValueError, TypeError) as error:
                raise DatasetError(f"{where}: annotation {annotation['id']}, frame {position}: {error}") from None
            if rle is None or coco_mask.area(rle) == 0:
                continue
            code = rle_ops.to_json(rle)["counts"]
            if object_id // PER_CLASS == IGNORE_CLASS:
                ignored.setdefault(numbers[position], {})[code] = rle
            else:
                yield MotsLine(numbers[position], object_id, object_id // PER_CLASS, image_hw, code)
    for frame, rles in ignored.items():
        codes = list(rles) if len(rles) == 1 else [rle_ops.to_json(coco_mask.merge(list(rles.values())))["counts"]]
        yield MotsLine(frame, IGNORE_CLASS * PER_CLASS, IGNORE_CLASS, image_hw, codes[0])


def _object_ids(tracks: Rows, where: str) -> list[int]:
    """Those an annotation remembers, else the next free one of its class."""
    taken = {annotation["mots_object_id"] for annotation in tracks if "mots_object_id" in annotation}
    ids = []
    for annotation in tracks:
        class_id = annotation["category_id"]
        if annotation.get("iscrowd"):
            ids.append(IGNORE_CLASS * PER_CLASS)
        elif "mots_object_id" in annotation:
            ids.append(annotation["mots_object_id"])
        elif class_id < 1 or class_id == IGNORE_CLASS:
            raise DatasetError(
                f"{where}: annotation {annotation['id']}: category {class_id} can be no class of MOTS; give it another id"
            )
        else:
            free = (i for i in range(class_id * PER_CLASS + 1, (class_id + 1) * PER_CLASS) if i not in taken)
            if (object_id := next(free, None)) is None:
                raise DatasetError(f"{where}: has more than {PER_CLASS - 1} objects of class {class_id}")
            taken.add(object_id)
            ids.append(object_id)
    return ids


def frame_numbers(file_names: Sequence[str]) -> list[int]:
    """The number at the end of each file's name; positions when one has none or two have the same."""
    found = [re.search(r"\d+$", PurePosixPath(file_name).stem) for file_name in file_names]
    numbers = [int(match.group()) for match in found if match]
    return numbers if len(set(numbers)) == len(file_names) else list(range(len(file_names)))
