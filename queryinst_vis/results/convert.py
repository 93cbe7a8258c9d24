"""From one kind of result to another, what gets lost on the way, and what a run that was cut short had found."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from queryinst_vis.data.json_tables import DatasetError
from queryinst_vis.errors import UserError
from queryinst_vis.results import checks
from queryinst_vis.results.base import EVERYTHING, Format, Part, ReadResult
from queryinst_vis.results.records import FrameRecord, Header, ObjectRecord
from queryinst_vis.results.spool import Spool, one_line
from queryinst_vis.results.spooled import write_document

SPOOL = "spool"


@dataclass(slots=True)
class Conversion:
    """What was done. lost: what was there and the new kind cannot hold; problems: what was wrong or left out, a line each."""

    num_frames: int
    lost: list[Part] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def convert(source: ReadResult, target: Format, path: Path, *, overwrite: bool = False) -> Conversion:
    """Write a result as another kind. UserError: it cannot be read or written."""
    with target.open(path, source.header, overwrite=overwrite) as writer:
        for record in source.frames:
            writer.add_record(record)
    lost = [part for part in Part if part in source.holds - target.holds]
    return Conversion(writer.num_frames, lost, source.problems + writer.problems)


def finish_spool(spool_path: Path, target: Format, path: Path, *, overwrite: bool = False) -> Conversion:
    """What a run that was cut short would have written. The spool stays. UserError: it is none, or cannot be written."""
    if target.document is None:
        return convert(read_spool(spool_path), target, path, overwrite=overwrite)
    with closing(Spool.open(spool_path)) as spool, _damage_told(spool_path):
        for _ in _checked_frames(spool):  # documents take its values as they are
            pass
        document = target.document(spool)
        write_document(path, document, overwrite=overwrite)
        lost = [part for part in Part if part not in target.holds]
        return Conversion(spool.num_frames, lost, document.problems)


def read_spool(path: Path) -> ReadResult:
    """All frames that were complete when a run was cut short. UserError: it is no spool, or a run is writing it."""
    spool = Spool.open(path)
    return ReadResult(SPOOL, spool.header, EVERYTHING, _frames(spool))


def _frames(spool: Spool) -> Iterator[FrameRecord]:
    with closing(spool), _damage_told(spool.path):
        yield from _checked_frames(spool)


def _checked_frames(spool: Spool) -> Iterator[FrameRecord]:
    labels = {label: label for label in range(len(spool.header.classes))}
    for record in spool.frames():
        for item in record.objects:
            _check(item, labels, spool.header, f"{spool.path}: frame {record.index}")
        yield record


def _check(item: ObjectRecord, labels: dict[int, int], header: Header, where: str) -> None:
    checks.track_id(item.track_id, where)
    checks.label(item.label, labels, where)
    checks.number(item.score, f"{where}: the score")
    checks.box(item.box, where)
    checks.counts(item.rle(header.image_hw), header.image_hw, where)


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    """As one line."""
    try:
        yield
    except UserError:
        raise
    except (sqlite3.Error, ValueError, TypeError, IndexError) as error:
        raise DatasetError(f"{path}: is damaged: {one_line(error)}") from None
