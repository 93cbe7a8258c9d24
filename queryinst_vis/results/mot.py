"""mot: the ten columns of MOTChallenge, boxes only: frame from 1, id, left, top, width, height, score, -1, -1, -1."""

from collections.abc import Iterator
from pathlib import Path

from queryinst_vis.data.json_tables import DatasetError
from queryinst_vis.results import checks
from queryinst_vis.results.base import Hints, Part, ReadResult
from queryinst_vis.results.lines import LineFormat, lined_format
from queryinst_vis.results.masks_only import UNKNOWN_CLASS
from queryinst_vis.results.records import FrameRecord, Header, ObjectRecord, in_frames

HOLDS = frozenset({Part.BOXES, Part.SCORES, Part.IDS})
_LEAST_COLUMNS = 7


def _frame(record: FrameRecord, header: Header) -> str:
    return "".join(
        f"{record.index + 1},{item.track_id},{','.join(f'{side:.12g}' for side in item.box)},{item.score},-1,-1,-1\n"
        for item in record.objects
    )


LINES = LineFormat(frame=_frame)


def read(path: Path, hints: Hints) -> ReadResult:
    """All objects are of one class. DatasetError: it is none; UserError: the size of the pictures is not given."""
    width, height = hints.size_or_error(path, "MOTChallenge's text")
    classes = tuple(hints.classes or (UNKNOWN_CLASS,))[:1]
    header = hints.header(path.stem, (width, height), classes)
    return ReadResult(FORMAT.kind, header, HOLDS, in_frames(_rows(path, hints), str(path)))


def _rows(path: Path, hints: Hints) -> Iterator[tuple[int, float | None, ObjectRecord]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    for number, line in enumerate(text.splitlines(), start=1):
        where, fields = f"{path}: line {number}", line.split(",")
        if not line.strip():
            continue
        if len(fields) < _LEAST_COLUMNS:
            raise DatasetError(f"{where}: expected frame,id,left,top,width,height,score,..., got {line[:60]!r}")
        index = checks.frame_index(checks.parse_whole(fields[0], f"{where}: the frame", least=1) - 1, where)
        track_id = checks.track_id(checks.parse_whole(fields[1], f"{where}: the id", least=1), where)
        left, top, wide, high, score = (checks.parse_float(field, f"{where}: a number") for field in fields[2:7])
        yield index, hints.time_of(index), ObjectRecord(track_id, 0, score, (left, top, wide, high), None)


FORMAT = lined_format("mot", "MOTChallenge's ten columns: boxes, without classes", HOLDS, LINES, read)
