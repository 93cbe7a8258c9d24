"""Annotations of videos taken apart into annotations of frames, as COCO's JSON would have them.

All masks are checked here, so that a file that does not fit its frames is refused before a training, not in its middle.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from queryinst_vis.data.coco_json import encode_mask, has_mask, usable_box
from queryinst_vis.data.json_tables import DatasetError, Rows
from queryinst_vis.data.ytvis_json import describe_video
from queryinst_vis.ops import rle as rle_ops


@dataclass(slots=True, eq=False)
class FrameTable:
    """The F frames of V videos, one video after the other; those of video v are frames starts[v] : starts[v + 1]."""

    names: list[str]  # of each video, for messages
    starts: np.ndarray  # int64 [V + 1]
    image_hws: np.ndarray  # int64 [F, 2], height and width
    file_names: list[str]

    @classmethod
    def of(cls, videos: Rows) -> "FrameTable":
        lengths = [len(video["file_names"]) for video in videos]
        sizes = np.array([(video["height"], video["width"]) for video in videos], dtype=np.int64).reshape(-1, 2)
        return cls(
            names=[describe_video(video) for video in videos],
            starts=np.cumsum([0, *lengths]),
            image_hws=np.repeat(sizes, lengths, axis=0),
            file_names=[file_name for video in videos for file_name in video["file_names"]],
        )

    def __len__(self) -> int:
        return len(self.file_names)

    def video_of(self, frame: int) -> int:
        """Position of the video a frame belongs to."""
        return int(np.searchsorted(self.starts, frame, side="right")) - 1

    def place(self, frame: int) -> str:
        """What a frame is called in messages."""
        video = self.video_of(frame)
        return f"{self.names[video]}, frame {frame - self.starts[video]}"


def annotations_by_frame(content: dict[str, Rows], category_ids: set[int], *, name: str) -> list[Rows]:
    """The annotations of each frame, of some categories, in COCO's form with a `track_id`: the object's number in its video.

    content: as `read_ytvis` gives it; name: the file, for messages. Empty masks are left out; boxes that are not given are made
    from masks; a box without a mask stays one. Raises DatasetError for a mask that cannot be read or does not fit its video.
    """
    by_video: dict[int, Rows] = {video["id"]: [] for video in content["videos"]}
    for annotation in content["annotations"]:
        by_video[annotation["video_id"]].append(annotation)
    frames: list[Rows] = []
    for video in content["videos"]:
        groups: list[Rows] = [[] for _ in video["file_names"]]
        for track_id, annotation in enumerate(by_video[video["id"]], start=1):
            if annotation["category_id"] in category_ids:
                for frame, row in _appearances(annotation, video, name):
                    groups[frame].append(row | {"track_id": track_id})
        frames.extend(groups)
    return frames


def _appearances(annotation: dict[str, Any], video: dict[str, Any], name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """(frame, row) of each frame an object is annotated in."""
    for frame, mask, box, area in items_by_frame(annotation):
        try:
            row = _row(mask, box, area, (video["height"], video["width"]))
        except (ValueError, TypeError) as error:
            raise DatasetError(f"{name}: {_place(video, annotation, frame)}: its segmentation cannot be read: {error}") from None
        if row is not None:
            yield frame, {key: annotation.get(key) for key in ("id", "category_id", "iscrowd", "ignore")} | row


def frame_problems(content: dict[str, Rows]) -> Iterator[str]:
    """A line about every mask that does not fit its video and every box that makes no sense; content: as `sound_ytvis` has it."""
    videos = {video["id"]: video for video in content["videos"]}
    for annotation in content["annotations"]:
        video = videos[annotation["video_id"]]
        image_hw = video["height"], video["width"]
        for frame, mask, box, area in items_by_frame(annotation):
            where = _place(video, annotation, frame)
            try:
                if row := _row(mask, box, area, image_hw):
                    usable_box(row, image_hw, where=where)
            except DatasetError as error:
                yield str(error)
            except (ValueError, TypeError) as error:
                yield f"{where}: its segmentation cannot be read: {error}"


def _place(video: dict[str, Any], annotation: dict[str, Any], frame: int) -> str:
    return f"{describe_video(video)}: annotation {annotation['id']}, frame {frame}"


def items_by_frame(annotation: dict[str, Any]) -> Iterator[tuple[int, Any, Any, Any]]:
    """(frame, segmentation, bbox, area) of each frame; None for what is not given."""
    masks = annotation["segmentations"]
    nothing = [None] * len(masks)
    yield from zip(range(len(masks)), masks, annotation.get("bboxes") or nothing, annotation.get("areas") or nothing, strict=True)


def _row(mask: Any, box: Any, area: Any, image_hw: tuple[int, int]) -> dict[str, Any] | None:
    """What a frame's annotation says of mask and box; None when it shows nothing."""
    row: dict[str, Any] = {} if area is None else {"area": area}
    if not has_mask(mask):
        return None if box is None else row | {"bbox": box}
    code = encode_mask(mask, image_hw)
    num_pixels = int(coco_mask.area(code))
    if num_pixels == 0:
        return None
    made = {"bbox": coco_mask.toBbox(code).tolist() if box is None else box, "segmentation": rle_ops.to_json(code)}
    return {"area": num_pixels} | row | made
