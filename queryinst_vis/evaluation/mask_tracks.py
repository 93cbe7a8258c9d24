"""Objects through videos as run-length codes by frame: from YouTube-VIS annotations, and from result entries of the same form.

An empty mask counts as none: the object is not to be seen in that frame.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from pycocotools import mask as coco_mask

from queryinst_vis.data.coco_json import DatasetError, encode_mask, has_mask
from queryinst_vis.data.ytvis_json import describe_video
from queryinst_vis.ops.rle import RLE

MIN_SHARE = 0.5  # of a mask that has to lie in a region to belong there


class MaskTrack(NamedTuple):
    """One object in one video. masks: frame index -> code, of the frames that show it."""

    category_id: int
    masks: dict[int, RLE]
    is_crowd: bool = False


def annotated_tracks(content: Mapping[str, Any]) -> dict[int, list[MaskTrack]]:
    """The objects of each video by its id; content as `read_ytvis` gives it. DatasetError: a mask that cannot be read."""
    videos = {video["id"]: video for video in content["videos"]}
    tracks: dict[int, list[MaskTrack]] = {video_id: [] for video_id in videos}
    for annotation in content["annotations"]:
        video = videos[annotation["video_id"]]
        masks = _visible(_encoded(annotation, video))
        tracks[video["id"]].append(MaskTrack(annotation["category_id"], masks, bool(annotation.get("iscrowd"))))
    return tracks


def reported_tracks(content: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> dict[int, list[MaskTrack]]:
    """The result entries of each video by its id, in their order; the same object under two categories is two tracks.

    As in the official evaluation, frames that an entry does not list are without a mask, those beyond the video are left out.
    DatasetError: an entry of an unknown video or category, or a mask of another size than its video.
    """
    videos = {video["id"]: video for video in content["videos"]}
    category_ids = {category["id"] for category in content["categories"]}
    tracks: dict[int, list[MaskTrack]] = defaultdict(list)
    for position, entry in enumerate(results):
        video = videos.get(entry["video_id"])
        if video is None or entry["category_id"] not in category_ids:
            field = "category_id" if video else "video_id"
            raise DatasetError(f"result {position}: {field} {entry[field]} is not in the annotations")
        masks = {frame: code for frame, code in enumerate(entry["segmentations"][: len(video["file_names"])]) if code}
        for frame, code in masks.items():
            if code["size"] != [video["height"], video["width"]]:
                size = f"{code['size']} is not that of {describe_video(video)}, {[video['height'], video['width']]}"
                raise DatasetError(f"result {position}: frame {frame}: the mask's size {size}")
        tracks[entry["video_id"]].append(MaskTrack(entry["category_id"], _visible(masks)))
    return tracks


def drop_unannotated(content: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The results without the masks of which less than half lies on annotated objects, of whatever category.

    For data sets in which bystanders are not annotated, as DAVIS: what is found there is neither right nor wrong. Entries of
    which nothing is left are dropped; scores stay.
    """
    regions = {video_id: _united(tracks) for video_id, tracks in annotated_tracks(content).items()}
    reported = reported_tracks(content, results)
    numbers = {video_id: iter(tracks) for video_id, tracks in reported.items()}
    kept = []
    for entry in results:
        masks = next(numbers[entry["video_id"]]).masks
        annotated = regions[entry["video_id"]]
        on_it = {t for t, code in masks.items() if t in annotated and share_inside([code], annotated[t])[0] >= MIN_SHARE}
        if on_it:
            segmentations = [item if t in on_it else None for t, item in enumerate(entry["segmentations"])]
            kept.append({**entry, "segmentations": segmentations})
    return kept


def mask_areas(codes: Iterable[RLE]) -> list[int]:
    """Pixels of each mask, one by one: pycocotools 2.0.11 cannot count more than 255 masks at a time."""
    return [int(coco_mask.area(code)) for code in codes]


def share_inside(codes: Sequence[RLE], region: RLE) -> np.ndarray:
    """Share of each mask's pixels that lie in a region: float64 [N]."""
    return np.asarray(coco_mask.iou(list(codes), [region], [1])).reshape(len(codes))


def _united(tracks: Sequence[MaskTrack]) -> dict[int, RLE]:
    """Frame index -> the pixels of any of the objects."""
    by_frame: dict[int, list[RLE]] = defaultdict(list)
    for track in tracks:
        for frame, code in track.masks.items():
            by_frame[frame].append(code)
    return {frame: coco_mask.merge(codes) for frame, codes in by_frame.items()}


def _visible(masks: Mapping[int, RLE]) -> dict[int, RLE]:
    return {frame: code for (frame, code), area in zip(masks.items(), mask_areas(masks.values()), strict=True) if area > 0}


def _encoded(annotation: Mapping[str, Any], video: Mapping[str, Any]) -> dict[int, RLE]:
    codes = {}
    for frame, item in enumerate(annotation["segmentations"]):
        if has_mask(item):
            try:
                codes[frame] = encode_mask(item, (video["height"], video["width"]))
            except (ValueError, TypeError) as error:
                raise DatasetError(
                    f"{describe_video(video)}: annotation {annotation['id']}: frame {frame}: its mask cannot be read: {error}"
                ) from None
    return codes
