"""What formats that know less than ours need: names for classes that are only numbers, objects of masks alone."""

from collections.abc import Collection, Sequence

from queryinst_vis.data.json_tables import DatasetError
from queryinst_vis.ops.rle import RLE, area, tight_box
from queryinst_vis.results.records import ObjectRecord

UNKNOWN_SCORE = 1.0  # of formats without scores
UNKNOWN_CLASS = "object"  # of formats without classes
_MOST_NAMES = 1000  # as many classes are listed so that their ids stay


def object_of_mask(
    track_id: int, label: int, counts: str | None, image_hw: tuple[int, int], *, score: float
) -> ObjectRecord | None:
    """The box is the one around the mask. None for an empty mask or none."""
    if counts is None:
        return None
    code = RLE(size=list(image_hw), counts=counts.encode("ascii"))
    return ObjectRecord(track_id, label, score, tight_box(code), counts) if area(code) else None


def names_of_ids(ids: Collection[int], classes: Sequence[str] | None, where: str) -> dict[int, str]:
    """Names of category ids, which count from 1, in order of label. classes: their names, if somebody gave them."""
    if classes is not None:
        if ids and max(ids) > len(classes):
            raise DatasetError(f"{where}: has the category {max(ids)}, --classes names {len(classes)}")
        return dict(enumerate(classes, start=1))
    top = max(ids, default=0)
    known = range(1, top + 1) if top <= _MOST_NAMES else sorted(ids)
    return {number: f"class {number}" for number in known}
