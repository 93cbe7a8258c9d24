"""The rules of COCO's detection server, one entry after the other: https://cocodataset.org/#format-results, and pycocotools.

An entry is {image_id, category_id, score, bbox} or {image_id, category_id, score, segmentation}: a box is [x, y, width, height]
in pixels, a mask a compressed run-length code {size: [height, width], counts: text}, both of the image at its own size.
"""

import math
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from queryinst_vis.data.json_tables import Rows, is_whole
from queryinst_vis.evaluation.coco_ap import MAX_DETECTIONS, IouType
from queryinst_vis.submission.report import Kinds, Problem, Report, shown, some
from queryinst_vis.submission.rules import Fault, code_faults, mask_fault, score_faults

COCO = Kinds(
    errors={
        "not_a_zip": "not a zip",
        "damaged_zip": "the zip cannot be read",
        "no_results": "no results of the expected name at the root of the zip",
        "other_files": "other files beside the results",
        "not_json": "the results are not JSON",
        "not_a_list": "the results are not a list",
        "no_entries": "no entry at all",
        "not_an_object": "entries that are no objects",
        "missing_key": "entries without a key they need",
        "image_id": "unknown images",
        "category_id": "unknown categories",
        "score": "scores that are no finite numbers",
        "not_a_number": "NaN or Infinity, which JSON does not have",
        "box": "boxes that are not [x, y, width, height]",
        "box_beside_mask": "masks with a box beside them, by which their sizes would be judged",
        "mask_type": "masks that are no run-length code",
        "polygons": "masks given as polygons",
        "uncompressed": "masks as uncompressed codes",
        "mask_size": "masks not of their image's size",
        "mask_code": "codes that do not describe a picture of their size",
        "too_many": f"images with more than {MAX_DETECTIONS} entries, of which the server drops the rest",
    },
    warnings={
        "other_keys": "keys that are not looked at",
        "empty_mask": "masks without a pixel",
        "no_entry": "images without any entry",
        "compression": "unusual compression",
    },
    size="{num_entries} entries for {num_images} images",
)
_COMMON_KEYS = ("image_id", "category_id", "score")
_BY_KIND: dict[IouType, str] = {"bbox": "bbox", "segm": "segmentation"}


class CocoRules:
    """Checks entries in the order of their list; what is wrong goes into `report`.

    images: as read_coco gives them; iou_type: "bbox" for boxes, "segm" for masks. Of entries it keeps a count per image.
    """

    def __init__(self, images: Rows, category_ids: Collection[int], report: Report, *, iou_type: IouType) -> None:
        self._sizes = {image["id"]: [image["height"], image["width"]] for image in images}
        self._category_ids = frozenset(category_ids)
        self._report = report
        self._keys = (*_COMMON_KEYS, _BY_KIND[iou_type])
        self._has_masks = iou_type == "segm"
        self._per_image: Counter[int] = Counter()
        self._codes: list[tuple[int, str]] = []  # position and code of sound masks of the image at hand, not looked into yet
        self._image_id: int | None = None
        self.num_entries = 0

    def check(self, entry: Any, *, has_constants: bool = False) -> None:
        """The next entry. has_constants: NaN or Infinity stood somewhere in its text."""
        position, self.num_entries = self.num_entries, self.num_entries + 1
        image_id = entry.get("image_id") if isinstance(entry, dict) else None
        known = image_id if is_whole(image_id) and image_id in self._sizes else None
        if known != self._image_id:
            self._look_into_codes()
            self._image_id = known
        for kind, text in self._faults(entry, position, has_constants=has_constants):
            self._report.add(Problem(kind, text, position, image_id=known))

    def finish(self) -> None:
        """When all entries were checked."""
        self._look_into_codes()
        if not self.num_entries:
            self._report.add(Problem("no_entries", "the list is empty; the server's evaluator fails on it"))
        for image_id, count in self._per_image.items():
            if count > MAX_DETECTIONS:
                self._report.add(Problem("too_many", f"has {count} entries", image_id=image_id))
        for image_id in self._sizes:
            if self.num_entries and image_id not in self._per_image:
                self._report.add(Problem("no_entry", "none", image_id=image_id))

    def _faults(self, entry: Any, position: int, *, has_constants: bool) -> Iterator[Fault]:
        if not isinstance(entry, dict):
            yield "not_an_object", f"is {shown(entry)}, not an object with {', '.join(self._keys)}"
            return
        for key in self._keys:
            if key not in entry:
                hint = "; 'segmentations' is for videos" if key == "segmentation" and "segmentations" in entry else ""
                yield "missing_key", f"has no {key!r}{hint}"
        if self._has_masks and "bbox" in entry:
            yield "box_beside_mask", "has a 'bbox'; leave it out"
        if others := sorted(set(entry) - {*self._keys, "bbox"}):
            yield "other_keys", some([shown(key) for key in others])
        yield from score_faults(entry, has_constants=has_constants)
        yield from self._id_faults(entry)
        if self._has_masks and "segmentation" in entry:
            yield from self._mask_faults(entry["segmentation"], position)
        if not self._has_masks and "bbox" in entry:
            yield from _box_faults(entry["bbox"])

    def _id_faults(self, entry: Mapping[str, Any]) -> Iterator[Fault]:
        for key, known in (("image_id", self._sizes), ("category_id", self._category_ids)):
            value = entry.get(key)
            if key in entry and not is_whole(value):
                yield key, f"{key} is {shown(value)}, must be a whole number"
            elif key in entry and value not in known:
                yield key, f"{key} {shown(value)} is not in the images' file"
        if self._image_id is not None:
            self._per_image[self._image_id] += 1

    def _mask_faults(self, mask: Any, position: int) -> Iterator[Fault]:
        """All but what is inside of a code, which is looked at for all masks of an image together."""
        size = None if self._image_id is None else self._sizes[self._image_id]
        if fault := mask_fault(mask, size, of="image", instead=""):
            yield fault
        elif size:
            self._codes.append((position, mask["counts"]))

    def _look_into_codes(self) -> None:
        if not self._codes or self._image_id is None:
            return
        positions, codes = zip(*self._codes, strict=True)
        num_pixels = math.prod(self._sizes[self._image_id])
        for index, (kind, text) in code_faults(codes, num_pixels, of="the image").items():
            self._report.add(Problem(kind, text, positions[index], image_id=self._image_id))
        self._codes.clear()


def _box_faults(box: Any) -> Iterator[Fault]:
    if not isinstance(box, list) or len(box) != 4 or not all(_is_number(side) for side in box):
        yield "box", f"bbox is {shown(box)}, must be four finite numbers"
    elif min(box[2:]) < 0:
        yield "box", f"bbox is {shown(box)}, its width and height must not be negative"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
