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

    is_crowd: G bools; is_ignored: bool [A, G], those that need not be found among the objects of each size.
    """

    tubes: list[Tube]
    is_crowd: list[bool]
    is_ignored: np.ndarray


def annotated_objects(content: Mapping[str, Any], *, name: str) -> dict[tuple[int, int], AnnotatedObjects]:
    """By video and category id; content as read_ytvis gives it, name: of the file. DatasetError: a mask that cannot be read."""
    annotations: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for annotation in content["annotations"]:
        annotations[annotation["video_id"]].append(annotation)
    objects = {}
    for video in content["videos"]:
        rows = annotations[video["id"]]
        tubes = _tubes(rows, (video["height"], video["width"]), f"{name}: {describe_video(video)}")
        for category_id in {row["category_id"] for row in rows}:
            chosen = [(row, tube) for row, tube in zip(rows, tubes, strict=True) if row["category_id"] == category_id]
            objects[video["id"], category_id] = _group(*zip(*chosen, strict=True))
    return objects


def _group(annotations: _Rows, tubes: Sequence[Tube]) -> AnnotatedObjects:
    is_crowd = [bool(annotation.get("iscrowd")) for annotation in annotations]
    mean_areas = np.array([_mean_area(annotation, tube) for annotation, tube in zip(annotations, tubes, strict=True)])
    return AnnotatedObjects(list(tubes), is_crowd, is_outside(mean_areas) | is_crowd)


def _mean_area(annotation: Mapping[str, Any], tube: Tube) -> float:
    """Over the frames with an area; as the masks have it where the file says nothing."""
    if annotation.get("areas") is None:
        return tube.mean_area
    areas = [area for area in annotation["areas"] if area]
    return float(np.mean(areas)) if areas else 0.0


def _tubes(annotations: _Rows, image_hw: tuple[int, int], where: str) -> list[Tube]:
    try:
        tracks = [_codes(annotation, place, image_hw) for place, annotation in enumerate(annotations)]
        return tubes_of(tracks, image_hw)
    except MaskError as error:
        place = f"{where}: annotation {annotations[error.track]['id']}: frame {error.frame}"
        raise DatasetError(f"{place}: its mask cannot be read: {error}") from None


def _codes(annotation: Mapping[str, Any], place: int, image_hw: tuple[int, int]) -> list[Any]:
    """Compressed codes of all frames, None for no mask. place: of the annotation, for errors."""
    codes = []
    for frame, item in enumerate(annotation["segmentations"]):
        try:
            codes.append(_code(item, image_hw))
        except ValueError as error:
            raise MaskError(str(error), place, frame) from None
    return codes


def _code(item: Any, image_hw: tuple[int, int]) -> Any:
    if isinstance(item, dict) and isinstance(item.get("counts"), str):
        return item
    return encode_mask(item, image_hw) if has_mask(item) else None
