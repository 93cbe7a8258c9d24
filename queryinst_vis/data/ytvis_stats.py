"""What is in annotated videos, in numbers. An object is shown in a frame when its mask has a pixel (or it has a box only)."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from queryinst_vis.data.json_tables import Rows
from queryinst_vis.data.ytvis_frames import FrameTable, annotations_by_frame

_SMALL, _MEDIUM = 128**2, 256**2  # pixels, the limits of YouTube-VIS's evaluation


def ytvis_stats(content: dict[str, Rows], *, name: str) -> dict[str, Any]:
    """Counts, as JSON can hold them; content: as `read_ytvis` gives it; name: the file, for messages.

    Crowd regions are counted once and left out of everything else. `shown` counts an object once a frame, with a mask or
    (`boxes_only`) without one; `nulls` are frames of an object's video in which it is not
    shown, `returns` its appearances after the first; `areas` sorts objects by their mean area as the evaluation does. Raises
    DatasetError for a mask that cannot be read.
    """
    frames = annotations_by_frame(content, {category["id"] for category in content["categories"]}, name=name)
    table = FrameTable.of(content["videos"])
    shown: dict[int, dict[int, float]] = {a["id"]: {} for a in content["annotations"] if not a.get("iscrowd")}
    rows = [[row for row in frame_rows if not row["iscrowd"]] for frame_rows in frames]
    for frame, frame_rows in enumerate(rows):
        for row in frame_rows:
            shown[row["id"]][frame] = row.get("area", 0.0)
    lengths = np.diff(table.starts).tolist()
    video_lengths = {video["id"]: length for video, length in zip(content["videos"], lengths, strict=True)}
    objects = [annotation for annotation in content["annotations"] if annotation["id"] in shown]
    in_video = Counter(annotation["video_id"] for annotation in objects)
    return {
        "videos": len(content["videos"]),
        "frames": len(table),
        "objects": len(objects),
        "shown": sum(map(len, shown.values())),
        "boxes_only": sum("segmentation" not in row for frame_rows in rows for row in frame_rows),
        "nulls": sum(video_lengths[annotation["video_id"]] - len(shown[annotation["id"]]) for annotation in objects),
        "returns": sum(_num_runs(list(found)) - 1 for found in shown.values() if found),
        "never_shown": sum(not found for found in shown.values()),
        "crowd": len(content["annotations"]) - len(objects),
        "video_length": _spread(lengths),
        "track_length": _spread([len(found) for found in shown.values() if found]),
        "objects_per_frame": _histogram(map(len, rows)),
        "objects_per_video": _histogram(in_video[video_id] for video_id in video_lengths),
        "sizes": dict(Counter(f"{video['width']}x{video['height']}" for video in content["videos"]).most_common()),
        "areas": _areas(shown),
        "categories": _categories(content["categories"], objects, shown),
    }


def _num_runs(frames: Sequence[int]) -> int:
    """Stretches without a gap; frames: increasing."""
    return len(list(groupby(enumerate(frames), key=lambda pair: pair[1] - pair[0])))


def _spread(values: Sequence[int]) -> dict[str, float]:
    if not values:
        return {}
    numbers = {"min": np.min(values), "median": np.median(values), "mean": np.mean(values), "max": np.max(values)}
    return {name: round(float(number), 3) for name, number in numbers.items()}


def _histogram(values: Iterable[int]) -> dict[str, int]:
    """Value -> how often, by value."""
    return {str(value): count for value, count in sorted(Counter(values).items())}


def _areas(shown: Mapping[int, Mapping[int, float]]) -> dict[str, int]:
    areas = [[area for area in found.values() if area] for found in shown.values()]  # a box without a mask has none
    means = [float(np.mean(known)) for known in areas if known]
    small, medium = (sum(mean < limit for mean in means) for limit in (_SMALL, _MEDIUM))
    return {"small": small, "medium": medium - small, "large": len(means) - medium}


def _categories(categories: Rows, objects: Rows, shown: Mapping[int, Mapping[int, float]]) -> list[dict[str, Any]]:
    """Of each category, by id: videos and objects it occurs in, and frames its objects are shown in."""
    rows = []
    for category in sorted(categories, key=lambda category: category["id"]):
        held = [annotation for annotation in objects if annotation["category_id"] == category["id"]]
        counts = {"videos": len({annotation["video_id"] for annotation in held}), "objects": len(held)}
        total = sum(len(shown[annotation["id"]]) for annotation in held)
        rows.append({"id": category["id"], "name": category["name"], **counts, "shown": total})
    return rows
