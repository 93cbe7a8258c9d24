"""The text files of MOTS (https://www.vision.rwth-aachen.de/page/mots).

A sequence is a file; a line is `frame object_id class_id height width code`, the object's id its class times 1000 plus a number
of its own. Class 10 are regions to be ignored.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pycocotools import mask as coco_mask

from queryinst_vis.data.coco_json import encode_mask
from queryinst_vis.data.json_tables import DatasetError
from queryinst_vis.ops.bounds import PIXELS

IGNORE_CLASS = 10
PER_CLASS = 1000  # object ids of a class
_MOST_DIGITS = 18  # of a number


@dataclass(frozen=True, slots=True)
class MotsLine:
    """One object in one frame. code: compressed run-length code as text."""

    frame: int
    object_id: int
    class_id: int
    image_hw: tuple[int, int]
    code: str

    def __str__(self) -> str:
        height, width = self.image_hw
        return f"{self.frame} {self.object_id} {self.class_id} {height} {width} {self.code}"


def parse_mots(text: str, *, name: str) -> list[MotsLine]:
    """The lines of a file; `name` stands for it in messages. DatasetError: a line is none, or two are of one object and frame."""
    lines: dict[tuple[int, int], MotsLine] = {}
    for number, row in enumerate(text.splitlines(), start=1):
        if row.strip():
            line = _parse_line(row, f"{name}: line {number}")
            if (line.frame, line.object_id) in lines:
                raise DatasetError(f"{name}: line {number}: object {line.object_id} has a line in frame {line.frame} already")
            lines[line.frame, line.object_id] = line
    sizes = sorted({line.image_hw for line in lines.values()})
    if len(sizes) > 1:
        raise DatasetError(f"{name}: has lines of different sizes (height, width): {sizes[0]} and {sizes[1]}")
    return list(lines.values())


def _parse_line(row: str, where: str) -> MotsLine:
    fields = row.split()
    if len(fields) != 6 or not all(field.isdecimal() and len(field) <= _MOST_DIGITS for field in fields[:5]):
        raise DatasetError(f"{where}: expected `frame object_id class_id height width code`, got {row[:60]!r}")
    frame, object_id, class_id, height, width = map(int, fields[:5])
    if not height or not width:
        raise DatasetError(f"{where}: height and width must be above 0")
    if problem := PIXELS.problem(height * width):
        raise DatasetError(f"{where}: {problem}")
    if object_id // PER_CLASS != class_id:
        raise DatasetError(f"{where}: object {object_id} is not of class {class_id}: its id is the class times {PER_CLASS} + ...")
    try:
        encode_mask({"size": [height, width], "counts": fields[5]}, (height, width))
    except ValueError as error:
        raise DatasetError(f"{where}: its code cannot be read: {error}") from None
    return MotsLine(frame, object_id, class_id, (height, width), fields[5])


def num_overlapping(lines: Sequence[MotsLine]) -> int:
    """Frames in which masks overlap, which MOTS's evaluation refuses."""
    count = 0
    for frame in {line.frame for line in lines}:
        codes = [{"size": list(line.image_hw), "counts": line.code} for line in lines if line.frame == frame]
        count += coco_mask.area(coco_mask.merge(codes)) < sum(map(int, coco_mask.area(codes)))
    return count
