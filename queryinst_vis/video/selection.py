"""Which frames of a video are wanted: a stretch of time, every n-th of it, at most so many."""

import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeVar

from queryinst_vis.structures import Frame, VideoInfo
from queryinst_vis.video.base import StoredSource, VideoError, VideoSource

T = TypeVar("T")
Seconds = Fraction | float | int | str


_MOST_SECONDS = 10**9  # 31 years, which fit into 64 bits of nanoseconds
_MOST_RATE = 10**6
_LONG_EXPONENT = re.compile(r"e[+-]?0*[1-9]\d{2}", re.IGNORECASE)


def exact_number(text: str) -> Fraction:
    """A number from 0 on as it is written: 12, 0.1, 1e-3, 30000/1001. ValueError: it is none.

    An exponent of three digits, which a fraction would take hours or all memory for, is none either.
    """
    if _LONG_EXPONENT.search(text.replace("_", "")):
        raise ValueError(text)
    try:
        value = Fraction(text)
    except ZeroDivisionError:
        raise ValueError(text) from None
    if value < 0:
        raise ValueError(text)
    return value


def exact_seconds(value: Seconds) -> Fraction:
    """A time in seconds as it is written: 0.1 and "0.1" are a tenth, "1:30" is 90. VideoError: not a time from 0 on."""
    try:
        parts = [value] if isinstance(value, Fraction) else map(exact_number, reversed(str(value).split(":")))
        seconds = sum((part * 60**i for i, part in enumerate(parts)), Fraction(0))
    except ValueError:
        seconds = Fraction(-1)
    if not 0 <= seconds <= _MOST_SECONDS:
        raise VideoError(f"'{value}' is not a time; expected seconds from 0 to {_MOST_SECONDS}, e.g. 12.5 or 1:30")
    return seconds


def exact_rate(value: Seconds) -> Fraction:
    """Frames per second as they are written: 29.97, "30000/1001". VideoError: no rate that a video can have."""
    try:
        rate = value if isinstance(value, Fraction) else exact_number(str(value))
    except ValueError:
        rate = Fraction(0)
    if max(rate.numerator, rate.denominator) >= 2**31:  # longer than FFmpeg's fractions: 29.97002997002997 is 30000/1001
        rate = rate.limit_denominator(1001)
    if not Fraction(1, _MOST_RATE) <= rate <= _MOST_RATE:
        raise VideoError(
            f"'{value}' frames per second; expected a number above 0 (1/{_MOST_RATE} to {_MOST_RATE}), e.g. 25 or 30000/1001"
        )
    return rate


@dataclass(frozen=True, slots=True)
class Selection:
    """Frames with start <= time < end, of these every `stride`-th from the first on, of these the first `max_frames`."""

    start: Fraction = Fraction(0)
    end: Fraction | None = None
    stride: int = 1
    max_frames: int | None = None

    def __post_init__(self) -> None:
        if self.stride < 1 or (self.max_frames is not None and self.max_frames < 1):
            raise VideoError(f"stride and max_frames are at least 1, got {self.stride} and {self.max_frames}")
        if self.end is not None and self.end <= self.start:
            raise VideoError(f"the end, {float(self.end):g} s, is not after the start, {float(self.start):g} s")

    @classmethod
    def of(cls, start: Seconds | None, end: Seconds | None, stride: int, max_frames: int | None) -> "Selection":
        """From what a user says. VideoError."""
        first = Fraction(0) if start is None else exact_seconds(start)
        return cls(first, None if end is None else exact_seconds(end), stride, max_frames)

    @property
    def is_everything(self) -> bool:
        return self == Selection()

    def __str__(self) -> str:
        return f"{float(self.start):g} s to {'the end' if self.end is None else f'{float(self.end):g} s'}"

    def of_items(self, items: Iterable[T], time: Callable[[T], Fraction]) -> Iterator[T]:
        """The wanted ones of items in the order of their times, reading no further than needed."""
        num_inside = num_given = 0
        for item in items:
            seconds = time(item)
            if seconds < self.start:
                continue
            if self.end is not None and seconds >= self.end:
                return
            if num_inside % self.stride == 0:
                yield item
                num_given += 1
                if num_given == self.max_frames:
                    return
            num_inside += 1

    def of_info(self, info: VideoInfo) -> VideoInfo:
        """Facts of the wanted part: average rate, duration and, where they can be known, the number of frames."""
        fps = info.fps and info.fps / self.stride
        known = [float(end) for end in (self.end, info.duration) if end is not None]
        duration = max(min(known) - float(self.start), 0.0) if known else None
        num_frames = None
        if info.num_frames and not self.start and self.end is None:
            num_frames = min(math.ceil(info.num_frames / self.stride), self.max_frames or info.num_frames)
        if duration is not None and self.max_frames and fps:
            duration = min(duration, float(self.max_frames / fps))
        return replace(info, fps=fps, duration=duration, num_frames=num_frames)


class SelectedSource(StoredSource):
    """The wanted frames of another source, numbered anew, with the times they have there."""

    def __init__(self, source: VideoSource, selection: Selection) -> None:
        self._source, self._selection = source, selection
        self.info = selection.of_info(source.info)
        self.is_live = source.is_live

    @property
    def problems(self) -> list[str]:
        """Those of the source."""
        return self._source.problems

    @property
    def statistics(self) -> dict[str, int | float]:
        """Those of the source."""
        return self._source.statistics

    def _frames(self) -> Iterator[Frame]:
        wanted = self._selection.of_items(self._source, lambda frame: frame.pts * frame.time_base)
        for index, frame in enumerate(wanted):
            yield replace(frame, index=index)

    def close(self) -> None:
        """Close the source."""
        self._source.close()
