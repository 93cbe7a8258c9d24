"""jsonl: a line of JSON for each frame as it happens (docs/json_format.md), to a file, a pipe or standard output."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from queryinst_vis.data.json_tables import DatasetError
from queryinst_vis.results import checks
from queryinst_vis.results.base import EVERYTHING, Hints, ReadResult
from queryinst_vis.results.lines import LineFormat, lined_format
from queryinst_vis.results.records import EventLike, FrameRecord, Header, ObjectRecord, check_unique


def _line(kind: str, **values: Any) -> str:
    return json.dumps({"type": kind} | values, separators=(",", ":")) + "\n"


def _begin(header: Header) -> str:
    return _line("video", **header.facts(), categories=header.categories())


def _frame(record: FrameRecord, header: Header) -> str:
    objects = [
        {
            "id": item.track_id,
            "category": header.classes[item.label],
            "score": item.score,
            "box": item.box,
            "segmentation": item.rle(header.image_hw),
        }
        for item in record.objects
    ]
    return _line("frame", index=record.index, time=record.time, objects=objects)


def _events(events: Iterable[EventLike], header: Header) -> str:
    return "".join(
        _line(
            "event",
            event=event.kind,
            id=event.track_id,
            category=header.classes[event.label],
            index=event.frame_index,
            time=round(event.time, 6),
        )
        for event in events
    )


def _end(num_frames: int, is_complete: bool) -> str:
    return _line("end", frames=num_frames, complete=is_complete)


LINES = LineFormat(begin=_begin, frame=_frame, events=_events, end=_end, at_once=True)


def read(path: Path, hints: Hints) -> ReadResult:
    """A file that a kill has cut short is read as far as it goes. DatasetError: it is none."""
    lines = _parsed(path)
    where, facts, _ = next(lines, (f"{path}", None, True))
    if not isinstance(facts, dict) or facts.get("type") != "video":
        raise DatasetError(f"{where}: expected a line of type video first")
    names = checks.category_names(checks.field(facts, "categories", where), where)
    header = checks.header(facts, names, where)
    problems: list[str] = []
    return ReadResult("jsonl", header, EVERYTHING, _frames(lines, header, path, problems), problems)


def _parsed(path: Path) -> Iterator[tuple[str, Any, bool]]:
    """(place for messages, content, whether the line ends) of each line; content None: it cannot be read."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    yield f"{path}: line {number}", json.loads(line), line.endswith(b"\n")
                except (ValueError, RecursionError):
                    yield f"{path}: line {number}", None, line.endswith(b"\n")
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from None


def _frames(lines: Iterator[tuple[str, Any, bool]], header: Header, path: Path, problems: list[str]) -> Iterator[FrameRecord]:
    labels = checks.labels(header.classes)
    last, kind = -1, None
    for where, content, is_whole_line in lines:
        if content is None and not is_whole_line:
            break
        kind = checks.field(content, "type", where)
        if kind == "frame":
            record = check_unique(_record(content, header, labels, where), where)
            if record.index <= last:
                raise DatasetError(f"{where}: frame {record.index} comes after frame {last}")
            last = record.index
            yield record
        elif kind not in ("event", "end"):
            raise DatasetError(f"{where}: unknown type {kind!r:.40}; there are video, frame, event and end")
    if kind != "end":
        problems.append(f"{path} has no end: the run that wrote it was cut short")


def _record(content: dict[str, Any], header: Header, labels: dict[str, int], where: str) -> FrameRecord:
    index = checks.frame_index(checks.field(content, "index", where), where)
    time = checks.maybe_number(content.get("time"), f"{where}: the time")
    rows = checks.rows(checks.field(content, "objects", where), where)
    return FrameRecord(index, time, [_object(row, header, labels, where) for row in rows])


def _object(row: Any, header: Header, labels: dict[str, int], where: str) -> ObjectRecord:
    return ObjectRecord(
        checks.track_id(checks.field(row, "id", where), where),
        checks.label(checks.field(row, "category", where), labels, where),
        checks.number(checks.field(row, "score", where), f"{where}: the score"),
        checks.box(checks.field(row, "box", where), where),
        checks.counts(row.get("segmentation"), header.image_hw, where),
    )


FORMAT = lined_format("jsonl", "a line of JSON per frame, as it happens", EVERYTHING, LINES, read)
