"""Results in YouTube-VIS's form: made of tracks, read from files, checked against the videos they are for.

A result is {video_id, category_id, score, segmentations}: as many items as the video has frames, each null or a compressed
run-length code {size: [height, width], counts: text} in the video's own pixels.
"""

import json
import lzma
import math
import sys
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from queryinst_vis.data.json_tables import DatasetError, is_whole, read_json
from queryinst_vis.data.ytvis_json import describe_video
from queryinst_vis.errors import UserError
from queryinst_vis.ops.bounds import UNPACKED
from queryinst_vis.ops.rle import to_json
from queryinst_vis.structures import Track

MAX_PER_CATEGORY = 100  # results of one video and category that are looked at
ARCHIVED = "results.json"  # name inside the zip of a submission
_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError, OSError, RuntimeError)  # some of them by bz2
_FIELDS = ("video_id", "category_id", "score", "segmentations")

Result = dict[str, Any]


def to_results(
    tracks: Sequence[Track],
    *,
    video_id: int,
    num_frames: int,
    image_hw: tuple[int, int],
    category_ids: Sequence[int | None],
    max_per_category: int = MAX_PER_CATEGORY,
    num_classes_per_track: int = 1,
) -> list[Result]:
    """Results of one video, best first.

    category_ids: by label; tracks of a label with None are left out. max_per_category: so many of each category are kept, those
    of the highest scores. num_classes_per_track: 1 gives each track its label and score; K gives it its K likeliest classes, each
    with the class's mean score, as offline methods do. Frames with an empty mask are null, and a track without any mask is no
    result. UserError: a track without masks, one of another size or outside the video, or a score that is not finite.
    """
    results = []
    for track in tracks:
        segmentations = _segmentations(track, num_frames, image_hw)
        if any(segmentations):
            for label, score in _classes(track, num_classes_per_track):
                if not math.isfinite(score):
                    raise UserError(f"video {video_id}: track {track.id} has a score of {score}")
                if (category_id := category_ids[label]) is not None:
                    entry = (video_id, category_id, score, list(segmentations))
                    results.append(dict(zip(_FIELDS, entry, strict=True)))
    return _best(results, max_per_category)


def read_results(path: str | Path) -> Any:
    """The content of a JSON of results, or of the results.json at the root of a zip. Raises DatasetError."""
    path = Path(path)
    if not path.is_file() or not zipfile.is_zipfile(path):
        return read_json(path)
    try:
        with zipfile.ZipFile(path) as archive:
            if problem := UNPACKED.problem(archive.getinfo(ARCHIVED).file_size):
                raise DatasetError(f"{path}: its {ARCHIVED} unpacked: {problem}")
            return json.loads(archive.read(ARCHIVED))
    except DatasetError:
        raise
    except KeyError:
        raise DatasetError(f"{path}: holds no {ARCHIVED} at its root") from None
    except _DAMAGE as error:
        raise DatasetError(f"{path}: its {ARCHIVED} cannot be read: {error}") from None


def check_results(results: Any, content: Mapping[str, Any], *, name: str = "results") -> None:
    """Whether results fit the videos of a file, `content` as read_ytvis gives it; what codes hold is not looked at.

    Raises DatasetError naming entry and video. `name` stands for the results' file.
    """
    if not isinstance(results, list | tuple):
        raise DatasetError(f"{name}: expected a list of results, got {type(results).__name__}")
    videos = {video["id"]: video for video in content["videos"]}
    category_ids = {category["id"] for category in content["categories"]}
    for position, result in enumerate(results):
        if problem := _problem(result, videos, category_ids):
            raise DatasetError(f"{name}: {describe_result(position, result, videos)}: {problem}")


def describe_result(position: int, result: Any, videos: Mapping[int, Mapping[str, Any]]) -> str:
    """Place in the list, from 0, and video, for messages."""
    video_id: Any = result.get("video_id") if isinstance(result, Mapping) else None
    is_known = is_whole(video_id) and video_id in videos
    return f"entry {position}" + (f" of {describe_video(videos[video_id])}" if is_known else "")


def _problem(result: Any, videos: Mapping[int, Mapping[str, Any]], category_ids: set[int]) -> str | None:
    if not isinstance(result, Mapping):
        return f"expected an object with {', '.join(_FIELDS)}"
    if missing := [field for field in _FIELDS if field not in result]:
        return f"has no {missing[0]!r}"
    for field, known in (("video_id", videos), ("category_id", category_ids)):
        if not is_whole(result[field]) or result[field] not in known:
            return f"the annotations have no {field} {result[field]!r}"
    if isinstance(result["score"], bool) or not isinstance(result["score"], int | float):
        return f"its score must be a number, got {result['score']!r}"
    if not abs(result["score"]) <= sys.float_info.max:  # nor NaN
        return f"its score must be finite, got {result['score']}"
    num_frames, masks = len(videos[result["video_id"]]["file_names"]), result["segmentations"]
    if not isinstance(masks, list | tuple):
        return f"its segmentations must be a list, got {type(masks).__name__}"
    if len(masks) != num_frames:
        return f"has {len(masks)} segmentations, the video has {num_frames} frames; write null for frames without the object"
    return None


def _segmentations(track: Track, num_frames: int, image_hw: tuple[int, int]) -> list[dict[str, Any] | None]:
    """One item for each frame of the video."""
    items: list[dict[str, Any] | None] = [None] * num_frames
    for frame, code in zip(track.frame_indices, track.rles, strict=True):
        if code is None:
            raise UserError("the model gives no masks, and YouTube-VIS measures nothing else")
        if tuple(code["size"]) != tuple(image_hw) or not 0 <= frame < num_frames:
            size = f"a mask of {code['size']} in frame {frame}"
            raise UserError(f"track {track.id} has {size}; the video has {num_frames} frames of {list(image_hw)}")
        if coco_mask.area(code):
            items[frame] = to_json(code)
    return items


def _classes(track: Track, count: int) -> Iterator[tuple[int, float]]:
    """Labels of a track with their scores."""
    if count == 1 or track.class_scores is None:
        yield track.label, float(track.score)
        return
    for label in np.argsort(-track.class_scores, kind="stable")[:count].tolist():
        yield label, float(track.class_scores[label])


def _best(results: Sequence[Result], max_per_category: int) -> list[Result]:
    counts: Counter[int] = Counter()
    best = []
    for result in sorted(results, key=lambda result: -result["score"]):
        counts[result["category_id"]] += 1
        if counts[result["category_id"]] <= max_per_category:
            best.append(result)
    return best
