"""What was found in a video, written and read in the formats people use (docs/result_formats.md). One file per format.

`open_result(kind, path, ...)` takes in frames as they come; `read_result(path)` gives them back; convert.py joins the two.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from queryinst_vis.errors import UserError
from queryinst_vis.results import coco, csv_table, json_tracks, jsonl, mot, mots, png, ytvis
from queryinst_vis.results.base import ClosedPipeError, Format, FullDiskError, Hints, ReadResult, ResultWriter
from queryinst_vis.results.convert import SPOOL, Conversion, convert, finish_spool, read_spool
from queryinst_vis.results.guess import guess_kind
from queryinst_vis.results.records import Header
from queryinst_vis.structures import VideoInfo

_MODULES = (json_tracks, jsonl, ytvis, coco, mots, mot, csv_table, png)
FORMATS: dict[str, Format] = {module.FORMAT.kind: module.FORMAT for module in _MODULES}
KINDS = tuple(FORMATS)


def open_result(
    kind: str,
    path: str | Path,
    *,
    video_name: str,
    info: VideoInfo,
    classes: Sequence[str],
    overwrite: bool = False,
    resume: dict[str, Any] | None = None,
) -> ResultWriter:
    """A writer of one of KINDS. classes: names by label; "-" as path is standard output (jsonl, csv, mot).

    resume: what `mark()` of an earlier writer of the same path gave, to go on from there; what came after it is forgotten.
    UserError: there is no such kind, or nothing may be written there.
    """
    return format_of(kind).open(path, Header.of(video_name, info, classes), overwrite=overwrite, resume=resume)


def read_result(path: str | Path, *, kind: str | None = None, hints: Hints | None = None) -> ReadResult:
    """A result, or the spool of a run that was cut short. kind: found out when it is not given.

    UserError: it is of no known kind, damaged, or does not say what it must (`hints`).
    """
    path = Path(path)
    kind = kind or guess_kind(path)
    return read_spool(path) if kind == SPOOL else format_of(kind).read(path, hints or Hints())


def convert_result(
    source: str | Path,
    target: str | Path,
    *,
    to: str,
    kind: str | None = None,
    hints: Hints | None = None,
    overwrite: bool = False,
) -> Conversion:
    """Write what `read_result` reads as another kind. UserError: it cannot be read or written."""
    source, target_format = Path(source), format_of(to)
    if (kind or guess_kind(source)) == SPOOL:
        return finish_spool(source, target_format, Path(target), overwrite=overwrite)
    return convert(read_result(source, kind=kind, hints=hints), target_format, Path(target), overwrite=overwrite)


def format_of(kind: str) -> Format:
    """UserError: there is none of that name."""
    if kind not in FORMATS:
        raise UserError(f"no result is called '{kind}'; there are: {', '.join(KINDS)}")
    return FORMATS[kind]


__all__ = [
    "FORMATS",
    "KINDS",
    "ClosedPipeError",
    "Conversion",
    "Format",
    "FullDiskError",
    "Hints",
    "ReadResult",
    "ResultWriter",
    "convert_result",
    "format_of",
    "guess_kind",
    "open_result",
    "read_result",
    "read_spool",
]
