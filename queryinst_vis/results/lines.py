"""Writers of line formats: to a file, a pipe or standard output, each frame's lines at once and whole or not at all."""

import errno
import os
import select
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from queryinst_vis.outputs import part_of
from queryinst_vis.results.base import ClosedPipeError, Format, Part, Read, ResultWriter, check_target, disk_error
from queryinst_vis.results.records import EventLike, FrameRecord, Header

STANDARD_OUTPUT = "-"


@dataclass(frozen=True, slots=True)
class LineFormat:
    """The text, with its line ends, of each part of a file. at_once: it has its name from the first line on, for followers."""

    frame: Callable[[FrameRecord, Header], str]
    begin: Callable[[Header], str] = lambda header: ""
    events: Callable[[Iterable[EventLike], Header], str] = lambda events, header: ""
    end: Callable[[int, bool], str] = lambda num_frames, is_complete: ""
    at_once: bool = False


class LineWriter(ResultWriter):
    """path "-": standard output. A pipe or device is written to as it is; a file is NAME.part until it is closed, except where
    its format says otherwise."""

    def __init__(
        self,
        path: str | Path,
        header: Header,
        *,
        line_format: LineFormat,
        overwrite: bool = False,
        resume: dict[str, Any] | None = None,
    ) -> None:
        """UserError: no file may be made there."""
        super().__init__(path, header)
        self._format = line_format
        self._is_stream = is_stream(self.path)
        if not self._is_stream and resume is None:
            check_target(self.path, overwrite=overwrite)
        place = self.path if self._is_stream or line_format.at_once else part_of(self.path)
        self._lines = LineFile(place, self.path, is_stream=self._is_stream, start=None if resume is None else resume["bytes"])
        self._is_open = True
        if resume is not None:
            self.num_frames = resume["frames"]
        elif begin := line_format.begin(header):
            self._write(begin)

    def _add(self, record: FrameRecord) -> None:
        self._write(self._format.frame(record, self.header))

    def add_events(self, events: Iterable[EventLike]) -> None:
        self._write(self._format.events(events, self.header))

    def mark(self) -> dict[str, Any]:
        return {"frames": self.num_frames, "bytes": self._lines.size}

    def close(self) -> None:
        if self._is_open:
            self._finish(is_complete=True)
            if self._lines.place != self.path:
                os.replace(self._lines.place, self.path)

    def keep(self) -> None:
        if self._is_open:
            self._finish(is_complete=False)
            self._drop_if_empty()

    def suspend(self) -> None:
        if self._is_open:
            self._is_open = False
            self._lines.close()

    def _finish(self, *, is_complete: bool) -> None:
        self._write(self._format.end(self.num_frames, is_complete))
        self._is_open = False
        self._lines.close()

    def _write(self, text: str) -> None:
        if not self._is_open:
            raise ValueError(f"{self._lines.name} is closed")
        try:
            if text:
                self._lines.write(text)
        except OSError as error:
            self._is_open = False
            self._lines.close()
            if error.errno == errno.EPIPE:
                raise ClosedPipeError(f"cannot write {self._lines.name}: nobody reads it any more") from None
            self._drop_if_empty()
            kept = f"its {self.num_frames} frames are kept in {self._lines.place}" if self.num_frames else "nothing was written"
            raise disk_error(self._lines.name, error, kept) from None

    def _drop_if_empty(self) -> None:
        if not self.num_frames and not self._is_stream:
            self._lines.place.unlink(missing_ok=True)


def is_stream(path: Path) -> bool:
    """Whether it is standard output, a pipe or a device: nothing that can be replaced or cut."""
    return str(path) == STANDARD_OUTPUT or (path.exists() and not path.is_file() and not path.is_dir())


class LineFile:
    """Text at the end of a file; what does not go in whole is taken back. OSError: the disk is full, the pipe is closed."""

    def __init__(self, place: Path, name: Path, *, is_stream: bool, start: int | None) -> None:
        """place: where to write; name: for messages; start: bytes of the file that stay, None to begin a new one."""
        self.place = place
        self.name = "standard output" if str(name) == STANDARD_OUTPUT else str(name)
        self.size = start or 0
        self._is_stream = is_stream
        try:
            self._file = self._open(is_new=start is None)
        except OSError as error:
            raise disk_error(self.name, error, "nothing was written") from None

    def _open(self, *, is_new: bool) -> int:
        if str(self.place) == STANDARD_OUTPUT:
            sys.stdout.flush()
            return os.dup(sys.stdout.fileno())
        if self._is_stream:
            return os.open(self.place, os.O_WRONLY)
        mode = os.O_CREAT | os.O_TRUNC if is_new else 0
        file = os.open(self.place, os.O_WRONLY | getattr(os, "O_BINARY", 0) | mode, 0o666)
        if not is_new:
            if os.fstat(file).st_size < self.size:
                os.close(file)
                raise OSError(errno.EINVAL, "it does not hold the place to go on from")
            os.ftruncate(file, self.size)
            os.lseek(file, self.size, os.SEEK_SET)
        return file

    def write(self, text: str) -> None:
        """All of it, or an OSError and nothing, as far as a pipe allows that."""
        data = memoryview(text.encode("utf-8"))
        written = 0
        try:
            while written < len(data):
                written += self._write_some(data[written:])
        except BaseException:
            if not self._is_stream:
                os.ftruncate(self._file, self.size)
            raise
        self.size += written

    def _write_some(self, data: memoryview) -> int:
        try:
            return os.write(self._file, data)
        except BlockingIOError:  # somebody made the pipe so
            select.select([], [self._file], [])
            return 0

    def close(self) -> None:
        os.close(self._file)


def lined_format(kind: str, about: str, holds: frozenset[Part], lines: LineFormat, read: Read) -> Format:
    """A format that is written as the frames come."""
    return Format(kind, about, holds, partial(LineWriter, line_format=lines), read)
