"""csv: a table with a row for each object in each frame, for spreadsheets and data frames (docs/result_formats.md)."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from queryinst_vis.data.json_tables import DatasetError
from queryinst_vis.ops.rle import area
from queryinst_vis.results import checks
from queryinst_vis.results.base import Hints, Part, ReadResult
from queryinst_vis.results.lines import LineFormat, lined_format
from queryinst_vis.results.records import FrameRecord, Header, ObjectRecord, in_frames

COLUMNS = ("frame", "time", "id", "category", "score", "left", "top", "width", "height", "area")
HOLDS = frozenset({Part.BOXES, Part.SCORES, Part.IDS, Part.CATEGORIES, Part.FRAME_CATEGORIES, Part.TIMES})
_Row = dict[str, str]


def _begin(header: Header) -> str:
    return ",".join(COLUMNS) + "\n"


def _frame(record: FrameRecord, header: Header) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(_values(record, item, header) for item in record.objects)
    return text.getvalue()


def _values(record: FrameRecord, item: ObjectRecord, header: Header) -> list[Any]:
    """None is an empty cell."""
    code = item.code(header.image_hw)
    pixels = None if code is None else area(code)
    name = header.classes[item.label]
    return [record.index, record.time, item.track_id, name, item.score, *item.box, pixels]


LINES = LineFormat(begin=_begin, frame=_frame)


def read(path: Path, hints: Hints) -> ReadResult:
    """DatasetError: it is none; UserError: the size of the pictures is not given."""
    width, height = hints.size_or_error(path, "a table")
    rows = _table(path)
    names = tuple(hints.classes or dict.fromkeys(row["category"] for _, row in rows))
    header = hints.header(path.stem, (width, height), names)
    return ReadResult(FORMAT.kind, header, HOLDS, in_frames(_rows(rows, checks.labels(names), hints), str(path)))


def _table(path: Path) -> list[tuple[str, _Row]]:
    """(place for messages, cells by column) of each row."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in COLUMNS[:-1] if name not in (reader.fieldnames or ())]
            if missing:
                raise DatasetError(f"{path}: is no table of results: has no column {missing[0]!r}")
            rows = [(f"{path}: line {reader.line_num}", row) for row in reader]
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    short = [where for where, row in rows if any(row[name] is None for name in COLUMNS[:-1])]
    if short:
        raise DatasetError(f"{short[0]}: has fewer cells than there are columns")
    return rows


def _rows(rows: list[tuple[str, _Row]], labels: dict[str, int], hints: Hints) -> Iterator[tuple[int, float | None, ObjectRecord]]:
    for where, row in rows:
        index = checks.frame_index(checks.parse_whole(row["frame"], f"{where}: the frame"), where)
        time = hints.time_of(index)
        if row["time"]:
            time = checks.maybe_number(checks.parse_float(row["time"], f"{where}: the time"), f"{where}: the time")
        track_id = checks.track_id(checks.parse_whole(row["id"], f"{where}: the id"), where)
        names = ("score", "left", "top", "width", "height")
        score, left, top, width, height = (checks.parse_float(row[name], f"{where}: {name}") for name in names)
        label = checks.label(row["category"], labels, where)
        yield index, time, ObjectRecord(track_id, label, score, (left, top, width, height), None)


FORMAT = lined_format("csv", "a table, one row per object and frame", HOLDS, LINES, read)
