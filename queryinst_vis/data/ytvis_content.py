"""Making annotations of videos in YouTube-VIS's JSON, with masks as compressed run-length codes (the smallest of its forms)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from pycocotools import mask as coco_mask

from queryinst_vis.ops.rle import RLE, to_json


@dataclass(frozen=True, slots=True)
class FilmedObject:
    """One object through a video. rles: of each frame, None where it is not seen."""

    category_id: int
    rles: Sequence[RLE | None]
    is_crowd: bool = False


@dataclass(slots=True)
class YtvisContent:
    """Annotations that grow by a video at a time; ids count from 1."""

    categories: list[dict[str, Any]]
    info: dict[str, Any] = field(default_factory=dict)
    videos: list[dict[str, Any]] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)

    def add(self, name: str, num_frames: int, image_hw: tuple[int, int], objects: Sequence[FilmedObject]) -> list[str]:
        """Adds a video; gives the file names of its frames, relative to the folder of images."""
        file_names = [f"{name}/{frame:05d}.jpg" for frame in range(num_frames)]
        shape = {"height": image_hw[0], "width": image_hw[1], "length": num_frames}
        self.videos.append({"id": len(self.videos) + 1, **shape, "file_names": file_names})
        for filmed in objects:
            identity = {"id": len(self.annotations) + 1, "video_id": len(self.videos)}
            self.annotations.append({**identity, **shape, **_annotation(filmed)})
        return file_names

    def __str__(self) -> str:
        """Counts of everything, and how often an object is gone and comes back."""
        masks = [[item is not None for item in annotation["segmentations"]] for annotation in self.annotations]
        returns = sum(_num_returns(seen) for seen in masks)
        counts = f"{len(self.videos)} videos, {len(masks)} objects, {sum(map(sum, masks))} masks"
        return f"{counts}, {returns} returns of an object that was gone"

    def to_dict(self) -> dict[str, Any]:
        """What the JSON file holds."""
        return {"info": self.info, "videos": self.videos, "annotations": self.annotations, "categories": self.categories}


def _annotation(filmed: FilmedObject) -> dict[str, Any]:
    return {
        "category_id": filmed.category_id,
        "iscrowd": int(filmed.is_crowd),
        "segmentations": [None if rle is None else to_json(rle) for rle in filmed.rles],
        "bboxes": [None if rle is None else coco_mask.toBbox(rle).tolist() for rle in filmed.rles],
        "areas": [None if rle is None else int(coco_mask.area(rle)) for rle in filmed.rles],
    }


def _num_returns(seen: Sequence[bool]) -> int:
    """Frames in which something is seen that was not in the frame before, the first appearance not counted."""
    appearances = sum(now and not before for before, now in pairwise([False, *seen]))
    return max(appearances - 1, 0)
