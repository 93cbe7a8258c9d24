"""Writers of documents that can only be written at the end: frames go to a spool as they come."""

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from queryinst_vis.errors import UserError
from queryinst_vis.outputs import part_of
from queryinst_vis.results.base import Format, Part, Read, ResultWriter, check_masks, check_target, disk_error
from queryinst_vis.results.records import FrameRecord, Header
from queryinst_vis.results.spool import Document, Spool, SpoolInUseError, files_of


class SpooledWriter(ResultWriter):
    """The file appears under its name when it is complete.

    On leaving a `with` block by an exception, what was added, if anything, stays as a complete document in NAME.part. The spool
    is NAME.spool; after a kill, and when the disk is full, it holds all frames that were added.
    """

    def __init__(
        self,
        path: str | Path,
        header: Header,
        *,
        kind: str,
        document: Callable[[Spool], Document],
        needs_masks: bool = False,
        overwrite: bool = False,
        resume: dict[str, Any] | None = None,
    ) -> None:
        """needs_masks: the format holds nothing but masks. UserError: no file may be made there."""
        super().__init__(path, header)
        self.kind, self._document, self._needs_masks = kind, document, needs_masks
        if str(path) == "-":
            raise UserError(f"{kind} is written as a file; jsonl, csv and mot can go to standard output")
        self._spool_path = spool_of(self.path)
        if resume is not None:
            self._spool = Spool.open(self._spool_path)
            try:
                with self._errors_told():
                    self._spool.back_to(resume["mark"])
                    self.num_frames = self._spool.num_frames
            except BaseException:
                self._spool.close()
                raise
        else:
            check_target(self.path, overwrite=overwrite)
            check_no_run(self._spool_path, overwrite=overwrite)
            with self._errors_told():
                self._spool = Spool.create(self._spool_path, header, kind)
        self._is_open = True

    def _add(self, record: FrameRecord) -> None:
        if self._needs_masks:
            check_masks(record, self.kind)
        with self._errors_told():
            self._spool.add(record)

    def mark(self) -> dict[str, Any]:
        with self._errors_told():
            return {"mark": self._spool.mark()}

    def close(self) -> None:
        """Write the file and give it its name."""
        if self._is_open:
            self._write(self.path)

    def keep(self) -> None:
        if self._is_open and self.num_frames:
            self._write(part_of(self.path))
        elif self._is_open:
            self._is_open = False
            self._spool.discard()

    def suspend(self) -> None:
        if self._is_open:
            self._is_open = False
            self._spool.close()

    def _write(self, path: Path) -> None:
        document = self._document(self._spool)
        with self._errors_told():
            write_pieces(part_of(self.path), document)
            os.replace(part_of(self.path), path)
        self._is_open = False
        self._spool.discard()
        self.problems += document.problems

    @contextmanager
    def _errors_told(self) -> Iterator[None]:
        """A full or vanished disk as one line; the spool stays as it is, if there is something in it."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            if self._is_open:
                self._spool.close()
            self._is_open = False
            if self.num_frames:
                kept = f"its {self.num_frames} frames are kept in {self._spool_path}, for `queryinst-vis convert-tracks`"
            else:
                kept = "nothing was written"
                for file in files_of(self._spool_path):
                    file.unlink(missing_ok=True)
            raise disk_error(self.path, error, kept) from None


def spool_of(path: Path) -> Path:
    """Where the frames of a document are kept while it is made: NAME.spool beside it."""
    return path.with_name(path.name + ".spool")


def write_pieces(path: Path, pieces: Iterable[str]) -> None:
    """A text file that is complete or not there. OSError: the disk is full."""
    try:
        with path.open("w", encoding="utf-8") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def write_document(path: Path, document: Document, *, overwrite: bool) -> None:
    """A spool's document under another name; the spool stays. UserError: no file may be made there, or the disk is full.

    sqlite3.Error: the spool is damaged.
    """
    check_target(path, overwrite=overwrite)
    try:
        write_pieces(part_of(path), document)
        os.replace(part_of(path), path)
    except OSError as error:
        raise disk_error(path, error, f"{document.spool.path} is as it was") from None


def check_no_run(path: Path, *, overwrite: bool) -> None:
    """UserError: a spool holds what a run that was cut short had found, or a run is writing it."""
    if not path.exists():
        return
    try:
        spool = Spool.open(path)
    except SpoolInUseError:
        raise
    except UserError:
        if overwrite:
            return
        raise
    num_frames = spool.num_frames
    spool.close()
    if num_frames and not overwrite:
        raise UserError(
            f"{path} holds {num_frames} frames of a run that was cut short; `queryinst-vis convert-tracks` saves them, "
            "--overwrite drops them"
        )


def spooled_format(
    kind: str, about: str, holds: frozenset[Part], document: Callable[[Spool], Document], read: Read, *, needs_masks: bool = False
) -> Format:
    """A format that is written at the end. needs_masks: it holds nothing but masks."""
    open_writer = partial(SpooledWriter, kind=kind, document=document, needs_masks=needs_masks)
    return Format(kind, about, holds, open_writer, read, document)
