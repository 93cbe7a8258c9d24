"""Values of files that anybody may have written, checked one by one. What is wrong is one line that says where."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from queryinst_vis.data.coco_json import encode_mask
from queryinst_vis.data.json_tables import DatasetError, is_whole
from queryinst_vis.ops.bounds import PIXELS
from queryinst_vis.ops.rle import to_json
from queryinst_vis.results.records import Box, Header

MAX_SIDE = 1 << 16  # pixels of a picture
MAX_FRAMES = 100_000_000  # a month at 30 frames per second


def field(row: Any, name: str, where: str) -> Any:
    """row[name]. DatasetError: it is no object, or has none."""
    if not isinstance(row, Mapping):
        raise DatasetError(f"{where}: expected an object with {name!r}, got {row!r:.40}")
    if name not in row:
        raise DatasetError(f"{where}: has no {name!r}")
    return row[name]


def rows(value: Any, where: str) -> list[Any]:
    """A list."""
    if not isinstance(value, list):
        raise DatasetError(f"{where}: expected a list, got {value!r:.40}")
    return value


def whole(value: Any, where: str, *, least: int = 0, most: int = (1 << 62)) -> int:
    """A whole number in a range."""
    if not is_whole(value) or not least <= value <= most:
        raise DatasetError(f"{where} must be a whole number from {least} to {most}, got {value!r:.40}")
    return value


def frame_index(value: Any, where: str) -> int:
    """Of a frame."""
    return whole(value, f"{where}: the frame's index", most=MAX_FRAMES)


def track_id(value: Any, where: str) -> int:
    """Of an object."""
    return whole(value, f"{where}: the id", least=1)


def number(value: Any, where: str) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e300:  # nor NaN
        raise DatasetError(f"{where} must be a number, got {value!r:.40}")
    return float(value)


def maybe_number(value: Any, where: str) -> float | None:
    """A finite number of at least 0, or null."""
    if value is None:
        return None
    if number(value, where) < 0:
        raise DatasetError(f"{where} must be at least 0, got {value!r}")
    return float(value)


def box(value: Any, where: str) -> Box:
    """[left, top, width, height]."""
    if not isinstance(value, list | tuple) or len(value) != 4:
        raise DatasetError(f"{where}: its box must be [left, top, width, height], got {value!r:.40}")
    left, top, width, height = (number(item, f"{where}: a number of its box") for item in value)
    return left, top, width, height


def counts(value: Any, image_hw: tuple[int, int], where: str) -> str | None:
    """The text of a mask: a run-length code or polygons; None for null."""
    if value is None:
        return None
    if not isinstance(value, Mapping | list) or (isinstance(value, list) and not all(isinstance(p, list) for p in value)):
        raise DatasetError(f"{where}: its mask must be a run-length code, polygons or null, got {value!r:.40}")
    try:
        return to_json(encode_mask(value, image_hw))["counts"]
    except (ValueError, TypeError, OverflowError) as error:
        raise DatasetError(f"{where}: its mask cannot be read: {error}") from None


def size(width: Any, height: Any, where: str) -> tuple[int, int]:
    """(width, height) of pictures."""
    for side in (width, height):
        whole(side, f"{where}: width and height", least=1, most=MAX_SIDE)
    if problem := PIXELS.problem(width * height):
        raise DatasetError(f"{where}: pictures of {width} x {height}: {problem}")
    return width, height


def category_names(value: Any, where: str) -> dict[int, str]:
    """COCO's list of classes: id -> name, in the order of the file."""
    names: dict[int, str] = {}
    for position, row in enumerate(rows(value, f"{where}: categories")):
        here = f"{where}: category {position}"
        number_of, name = whole(field(row, "id", here), f"{here}: the id"), field(row, "name", here)
        if not isinstance(name, str) or number_of in names:
            raise DatasetError(f"{here}: needs a name and an id of its own, got {row!r:.60}")
        names[number_of] = name
    return names


def labels(names: Iterable[Any]) -> dict[Any, int]:
    """Label by id or name, in order."""
    found: dict[Any, int] = {}
    for label, name in enumerate(names):
        found.setdefault(name, label)
    return found


def label(value: Any, known: Mapping[Any, int], where: str) -> int:
    """The label of a category's id or name."""
    try:
        return known[value]
    except (KeyError, TypeError):
        raise DatasetError(f"{where}: unknown category {value!r:.40}") from None


def header(facts: Any, names: Mapping[int, str], where: str) -> Header:
    """Of the facts of a video as our own formats have them."""
    width, height = size(field(facts, "width", where), field(facts, "height", where), where)
    name = facts.get("file_name")
    fps, duration = (maybe_number(facts.get(key), f"{where}: {key}") for key in ("fps", "duration"))
    return Header(name if isinstance(name, str) else Path(where).stem, width, height, fps, duration, tuple(names.values()))


def parse_float(text: Any, where: str) -> float:
    """A finite number in a text file."""
    try:
        value = float(text)
    except (TypeError, ValueError):
        value = math.nan
    return number(value if math.isfinite(value) else text, where)


def parse_whole(text: Any, where: str, *, least: int = 0) -> int:
    """A whole number in a text file; "12.0" is one too."""
    if isinstance(text, str) and text.isdecimal() and len(text) < 20:
        return whole(int(text), where, least=least)
    value = parse_float(text, where)
    return whole(int(value) if value == int(value) else text, where, least=least)
