"""Objects through videos as run-length codes by frame: from YouTube-VIS annotations, and from results of the same form.

An empty mask counts as none: the object is not to be seen in that frame.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from pycocotools import mask as coco_mask

from queryinst_vis.data.coco_json import encode_mask, has_mask
from queryinst_vis.data.json_tables import DatasetError
from queryinst_vis.data.ytvis_json import describe_video
from queryinst_vis.evaluation.tubes import tubes_of
from queryinst_vis.evaluation.ytvis_results import check_results, describe_result
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


def reported_tracks(
    content: Mapping[str, Any], results: Sequence[Mapping[str, Any]], *, min_score: float = -math.inf
) -> dict[int, list[MaskTrack]]:
    """The results of each video by its id, in their order, scored at least `min_score`; the same object under two categories is
    two tracks.

    DatasetError: results that do not fit the videos, or a mask that cannot be read.
    """
    check_results(results, content)
    videos = {video["id"]: video for video in content["videos"]}
    tracks: dict[int, list[MaskTrack]] = defaultdict(list)
    for position, result in enumerate(results):
        if result["score"] < min_score:
            continue
        video = videos[result["video_id"]]
        try:  # pycocotools would go on for ever over codes that do not fill their frame
            list(tubes_of([result["segmentations"]], [(video["height"], video["width"])]))
        except ValueError as error:
            raise DatasetError(f"results: {describe_result(position, result, videos)}: a mask cannot be read: {error}") from None
        masks = {frame: code for frame, code in enumerate(result["segmentations"]) if code}
        tracks[video["id"]].append(MaskTrack(result["category_id"], _visible(masks)))
    return tracks


def drop_unannotated(content: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The results without the masks of which less than half lies on annotated objects, of whatever category.

    For data sets in which bystanders are not annotated, as DAVIS: what is found there is neither right nor wrong. Results of
    which nothing is left are dropped; scores stay.
    """
    regions = {video_id: _united(tracks) for video_id, tracks in annotated_tracks(content).items()}
    tracks = {video_id: iter(tracks) for video_id, tracks in reported_tracks(content, results).items()}
    kept = []
    for result in results:
        masks, annotated = next(tracks[result["video_id"]]).masks, regions[result["video_id"]]
        on_it = {t for t, code in masks.items() if t in annotated and share_inside([code], annotated[t])[0] >= MIN_SHARE}
        if on_it:
            segmentations = [item if t in on_it else None for t, item in enumerate(result["segmentations"])]
            kept.append({**result, "segmentations": segmentations})
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
