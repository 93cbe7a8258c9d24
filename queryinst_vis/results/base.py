"""What every writer and reader of results offers, and what formats differ in."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

from queryinst_vis.errors import UserError
from queryinst_vis.outputs import ClosedOrKept, check_new_file, part_of
from queryinst_vis.results.records import EventLike, FrameRecord, Header, check_unique, record_of
from queryinst_vis.results.spool import Document, Spool, one_line
from queryinst_vis.structures import Frame, Instances


class Part(StrEnum):
    """What a format may hold or not. The value is how it is called when it is lost."""

    MASKS = "masks"
    OVERLAPS = "pixels that masks share"
    BOXES = "boxes as the model gave them"
    SCORES = "the scores of single frames"
    IDS = "track ids"
    CATEGORIES = "categories"
    FRAME_CATEGORIES = "the category in single frames"
    CLASSES = "the list of classes"
    TIMES = "times"
    EMPTY_FRAMES = "frames without objects"
    EMPTY_TIMES = "times of frames without objects"
    FACTS = "the video's name, rate and duration"


EVERYTHING = frozenset(Part)


class FullDiskError(UserError):
    """A file that cannot be written on: the disk is full, read-only or gone. What was complete is kept."""


class ClosedPipeError(UserError):
    """Nobody reads the pipe any more."""

    exit_code = 141  # 128 + SIGPIPE, as shells have it


class ResultWriter(ClosedOrKept):
    """Takes in one frame after the other. A format says what to do with a record (`_add`).

    `problems`: what the format could not take, a line each, complete when closed. Leaving a `with` block by an exception keeps
    what is complete.
    """

    def __init__(self, path: str | Path, header: Header) -> None:
        self.path = Path(path)
        self.header = header
        self.num_frames = 0
        self.problems: list[str] = []
        self._is_open = False
        self._last_index = -1

    def add(self, frame: Frame, instances: Instances) -> None:
        """Keep the tracked objects of the next frame. UserError: the disk is full, or the format cannot hold them."""
        if instances.masks is not None and tuple(instances.image_hw) != self.header.image_hw:
            raise ValueError(f"masks of {instances.image_hw} in a video of {self.header.image_hw}")
        self.add_record(record_of(frame, instances, len(self.header.classes)))

    def add_record(self, record: FrameRecord) -> None:
        """The same of a record. ValueError: it is closed, or the frame does not come after the one before."""
        if not self._is_open:
            raise ValueError(f"{self.path} is closed")
        if record.index <= self._last_index:
            raise ValueError(f"frame {record.index} comes after frame {self._last_index}")
        self._add(check_unique(record, str(self.path)))
        self._last_index = record.index
        self.num_frames += 1

    @abstractmethod
    def _add(self, record: FrameRecord) -> None:
        """All of a frame, or nothing."""

    def add_events(self, events: Iterable[EventLike]) -> None:
        """What happened to tracks in the frame added last. Most formats hold no events."""
        return

    @abstractmethod
    def mark(self) -> dict[str, Any]:
        """A place to go on from later, for JSON: give it as `resume` to a new writer, and what came after it is forgotten.

        The last two marks are good.
        """

    @abstractmethod
    def close(self) -> None:
        """Finish the result and give it its name."""

    @abstractmethod
    def keep(self) -> None:
        """Instead of `close` after an error: what is complete stays, under another name (docs/result_formats.md)."""

    @abstractmethod
    def suspend(self) -> None:
        """Instead of `close` when a later run goes on from a mark: nothing is finished. `close` and `keep` do nothing then."""


@dataclass(frozen=True, slots=True)
class Hints:
    """What a reader is told about what its format does not say. size: (width, height); video_id: of a file of several videos."""

    size: tuple[int, int] | None = None
    fps: Fraction | None = None
    classes: Sequence[str] | None = None
    video_id: int | None = None

    def time_of(self, index: int) -> float | None:
        """Seconds, at the given rate."""
        return None if self.fps is None else round(float(index / self.fps), 6)

    def size_or_error(self, path: Path, kind: str) -> tuple[int, int]:
        """UserError: nobody said it."""
        if self.size is None:
            raise UserError(f"{path}: {kind} does not say how large the pictures are; --size WIDTHxHEIGHT does")
        return self.size

    def header(self, name: str, size: tuple[int, int], classes: Sequence[str]) -> Header:
        """Of a format that tells no facts."""
        return Header(name, *size, None if self.fps is None else round(float(self.fps), 6), None, tuple(classes))


@dataclass(slots=True)
class ReadResult:
    """A result that was read. frames: in order, to be iterated once; problems: what was wrong with it, complete after that."""

    kind: str
    header: Header
    holds: frozenset[Part]
    frames: Iterator[FrameRecord]
    problems: list[str] = field(default_factory=list)


class OpenWriter(Protocol):
    def __call__(
        self, path: str | Path, header: Header, *, overwrite: bool = False, resume: dict[str, Any] | None = None
    ) -> ResultWriter: ...


class Read(Protocol):
    def __call__(self, path: Path, hints: Hints) -> ReadResult: ...


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of result. about: for people, after the kind; document: of formats that are written from a spool at the end."""

    kind: str
    about: str
    holds: frozenset[Part]
    open: OpenWriter
    read: Read
    document: Callable[[Spool], Document] | None = None


def check_target(path: Path, *, overwrite: bool) -> Path:
    """The path of a file to be made. UserError also when an earlier run was cut short and left something, or it is a device."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise UserError(f"{path} is no file; jsonl, csv and mot can be written to a pipe or device")
    check_new_file(path, overwrite=overwrite)
    if part_of(path).exists() and not overwrite:
        raise UserError(f"{part_of(path)} is left of an earlier run; move it away, or --overwrite replaces it")
    return path


def check_masks(record: FrameRecord, kind: str) -> None:
    """UserError: an object has none, and the format holds nothing else."""
    if any(item.counts is None for item in record.objects):
        raise UserError(f"{kind} holds masks, and there are none; json, jsonl, coco, csv and mot hold boxes")


def disk_error(path: Path | str, error: Exception, kept: str) -> FullDiskError:
    """One line on a write that failed. kept: what there is of the result."""
    return FullDiskError(f"cannot write {path}: {getattr(error, 'strerror', None) or one_line(error)}; {kept}")
