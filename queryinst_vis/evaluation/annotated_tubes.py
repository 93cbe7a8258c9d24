"""The annotated objects of a YouTube-VIS file, as results are measured against them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from queryinst_vis.data.coco_json import encode_mask, has_mask
from queryinst_vis.data.json_tables import DatasetError
from queryinst_vis.data.ytvis_json import describe_video
from queryinst_vis.evaluation.average_precision import is_outside
from queryinst_vis.evaluation.tubes import MaskError, Tube, tubes_of

_Rows = Sequence[Mapping[str, Any]]


class AnnotatedObjects(NamedTuple):
    """G objects of one video and category, in the order of the file.

    is_crowd: [G]; sizes: which objects [G] need not be found -> the sizes of objects, by place, for which that is so.
    """

    tubes: list[Tube]
    is_crowd: list[bool]
    sizes: dict[tuple[bool, ...], list[int]]


def annotated_objects(content: Mapping[str, Any], *, name: str) -> dict[tuple[int, int], AnnotatedObjects]:
    """By video and category id; content as read_ytvis gives it, name: of the file. DatasetError: a mask that cannot be read."""
    videos = {video["id"]: video for video in content["videos"]}
    groups = defaultdict(list)
    for annotation, tube in zip(content["annotations"], _tubes(content["annotations"], videos, name), strict=True):
        groups[annotation["video_id"], annotation["category_id"]].append((annotation, tube))
    return {key: _objects(*zip(*group, strict=True)) for key, group in groups.items()}


def _objects(annotations: _Rows, tubes: Sequence[Tube]) -> AnnotatedObjects:
    is_crowd = [bool(annotation.get("iscrowd")) for annotation in annotations]
    mean_areas = np.array([_mean_area(annotation, tube) for annotation, tube in zip(annotations, tubes, strict=True)])
    sizes = defaultdict(list)
    for size, is_ignored in enumerate((is_outside(mean_areas) | is_crowd).tolist()):
        sizes[tuple(is_ignored)].append(size)
    return AnnotatedObjects(list(tubes), is_crowd, dict(sizes))


def _mean_area(annotation: Mapping[str, Any], tube: Tube) -> float:
    """Over the frames with an area; as the masks have it where the file says nothing."""
    if annotation.get("areas") is None:
        return tube.mean_area
    areas = [area for area in annotation["areas"] if area]
    return float(np.mean(areas)) if areas else 0.0


def _tubes(annotations: _Rows, videos: Mapping[int, Mapping[str, Any]], name: str) -> list[Tube]:
    image_hws = [(video["height"], video["width"]) for video in (videos[row["video_id"]] for row in annotations)]
    try:
        codes = [_codes(number, *row) for number, row in enumerate(zip(annotations, image_hws, strict=True))]
        return list(tubes_of(codes, image_hws))
    except MaskError as error:
        annotation = annotations[error.track]
        place = f"{describe_video(videos[annotation['video_id']])}: annotation {annotation['id']}: frame {error.frame}"
        raise DatasetError(f"{name}: {place}: its mask cannot be read: {error}") from None


def _codes(number: int, annotation: Mapping[str, Any], image_hw: tuple[int, int]) -> list[Any]:
    """Compressed codes of all frames, None for no mask. number: of the annotation, for errors."""
    codes = []
    for frame, item in enumerate(annotation["segmentations"]):
        try:
            codes.append(_code(item, image_hw) if item else None)
        except ValueError as error:
            raise MaskError(str(error), number, frame) from None
    return codes


def _code(item: Any, image_hw: tuple[int, int]) -> Any:
    if isinstance(item, dict) and isinstance(item.get("counts"), str | bytes):
        return item
    return encode_mask(item, image_hw) if has_mask(item) else None
