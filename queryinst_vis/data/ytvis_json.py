"""Reading the JSON of YouTube-VIS, which OVIS shares: every mistake a file can hold is found and named with its video.

https://youtube-vos.org/dataset/vis. One annotation is one object through its whole video: lists with an item, or null, for each
frame. An annotation's own `length`, `width` and `height` are not looked at: the lists count.
"""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from queryinst_vis.data.coco_json import compress_code, segmentation_problem
from queryinst_vis.data.json_tables import DatasetError, Format, Rows, file_name_problem, is_whole, read_json, size_problem

YTVIS_FORMAT = Format(
    name="YouTube-VIS",
    required={
        "videos": ("id", "width", "height", "file_names"),
        "annotations": ("id", "video_id", "category_id", "segmentations"),
        "categories": ("id", "name"),
    },
    texts={"categories": ("name",)},
)


def read_ytvis(path: str | Path) -> dict[str, Rows]:
    """Lists of `videos`, `annotations` and `categories`, with the keys that are needed, unique ids and valid references.

    Every annotation's `segmentations` (and `bboxes`, `areas`, where given) are as long as its video. A file without annotations
    (a test set) gives an empty list. Run-length codes of numbers come as text. Raises DatasetError.
    """
    return check_ytvis(read_json(path, change=compress_code), name=str(path))


def check_ytvis(content: Any, *, name: str) -> dict[str, Rows]:
    """The same for content already parsed; `name` stands for the file in messages."""
    tables, problems = sound_ytvis(content)
    if problems:
        raise DatasetError(f"{name}: {problems[0]}")
    return tables


def sound_ytvis(content: Any) -> tuple[dict[str, Rows], list[str]]:
    """The tables without rows that are wrong, and a line about each thing that is. Whether masks fit is not looked at."""
    if not isinstance(content, dict):
        return {}, ["not YouTube-VIS annotations: expected an object with videos, annotations and categories"]
    tables, problems = YTVIS_FORMAT.sound_tables(content)
    if not tables["videos"]:
        problems.append("lists no video")
    video_problems = {video["id"]: _video_problem(video) for video in tables["videos"]}
    videos = {video["id"]: video for video in tables["videos"] if not video_problems[video["id"]]}
    problems += filter(None, video_problems.values())
    category_ids = {category["id"] for category in tables["categories"]}
    annotations = []
    for annotation in tables["annotations"]:
        found = list(_annotation_problems(annotation, videos, video_problems.keys(), category_ids))
        problems += found
        if not found and annotation["video_id"] in videos:
            annotations.append(annotation)
    return tables | {"videos": list(videos.values()), "annotations": annotations}, problems


def video_name(video: Mapping[str, Any]) -> str:
    """What people call it: its `name`, else the folder of its first frame, else its id."""
    name = video.get("name")
    return name if name and isinstance(name, str) else PurePosixPath(video["file_names"][0]).parent.name or str(video["id"])


def describe_video(video: Mapping[str, Any]) -> str:
    """Id and name, for messages."""
    return f"video {video['id']} ({video_name(video)})"


def _video_problem(video: dict[str, Any]) -> str | None:
    names = video["file_names"]
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        return f"video {video['id']}: file_names must be a list of one text or more"
    if video.get("length", len(names)) != len(names):
        return f"{describe_video(video)}: its length is {video['length']!r}, but it has {len(names)} file_names"
    problem = size_problem(video) or next(filter(None, map(file_name_problem, names)), None)
    return problem and f"{describe_video(video)}: {problem}"


def _annotation_problems(
    annotation: dict[str, Any], videos: dict[int, dict[str, Any]], video_ids: Collection[int], category_ids: set[int]
) -> Iterator[str]:
    """videos: the sound ones by id; what belongs to others is not looked at."""
    if problem := _reference_problem(annotation, video_ids, category_ids):
        yield f"annotation {annotation['id']} of video {annotation['video_id']}: {problem}"
    elif video := videos.get(annotation["video_id"]):
        for problem in _track_problems(annotation, len(video["file_names"])):
            yield f"{describe_video(video)}: annotation {annotation['id']}: {problem}"


def _reference_problem(annotation: dict[str, Any], video_ids: Collection[int], category_ids: set[int]) -> str | None:
    for field in ("video_id", "category_id"):
        if not is_whole(annotation[field]):
            return f"{field} must be a whole number, got {annotation[field]!r}"
    if annotation["video_id"] not in video_ids:
        return "the file lists no video of that id"
    if annotation["category_id"] not in category_ids:
        return f"unknown category {annotation['category_id']}, the file lists {sorted(category_ids)}"
    return None


def _track_problems(annotation: dict[str, Any], num_frames: int) -> Iterator[str]:
    for field, item_problem in (("segmentations", segmentation_problem), ("bboxes", _box_problem), ("areas", _area_problem)):
        items = annotation.get(field)
        if items is None and field != "segmentations":
            continue
        if not isinstance(items, list) or len(items) != num_frames:
            count = f"{len(items)} items" if isinstance(items, list) else "no list"
            yield f"its {field} are {count}, its video has {num_frames} frames"
            continue
        for frame, item in enumerate(items):
            if item is not None and (problem := item_problem(item)):
                yield f"frame {frame}: {problem}"
    if annotation.get("iscrowd") not in (None, 0, 1):
        yield f"iscrowd must be 0 or 1, got {annotation['iscrowd']!r}"


def _box_problem(item: Any) -> str | None:
    if isinstance(item, list) and len(item) == 4 and all(isinstance(value, int | float) for value in item):
        return None
    return f"bbox must be [x, y, width, height] or null, got {item!r}"


def _area_problem(item: Any) -> str | None:
    return None if isinstance(item, int | float) else f"area must be a number or null, got {item!r}"
