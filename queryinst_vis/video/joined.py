"""Several videos one after the other, as one."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np

from queryinst_vis.structures import Frame, VideoInfo
from queryinst_vis.video.base import StoredSource, VideoError, VideoSource
from queryinst_vis.video.upright import letterbox

_MOST_TICKS = 2**31 - 1  # per second, in what containers can hold


class JoinedSource(StoredSource):
    """Videos in a row: each begins a frame's duration after the last frame of the one before; sizes are fitted to the first.

    parts: name and way to open of each. What is stored is opened twice, first for its facts, so that a missing file is told at
    once; what `is_once` names is opened on its turn.
    """

    def __init__(self, parts: Sequence[tuple[str, Callable[[], VideoSource]]], *, is_once: Sequence[bool]) -> None:
        """VideoError: no part, or one that cannot be read."""
        if not parts:
            raise VideoError("a list of no videos; at least one is needed")
        self._parts = parts
        self._problems: list[str] = []
        self._open: VideoSource | None = None
        self._opened: dict[int, VideoSource] = {}
        infos: list[VideoInfo | None] = []
        for number, ((_, opener), once) in enumerate(zip(parts, is_once, strict=True)):
            if once and number:
                infos.append(None)
                continue
            source = opener()
            infos.append(source.info)
            if once:
                self._opened[number] = source
            else:
                source.close()
        self.info = _info_of(infos)

    @property
    def problems(self) -> list[str]:
        """Those of all parts so far, each with the name of its part."""
        return self._problems + (self._told_by(self._name, self._open) if self._open else [])

    @staticmethod
    def _told_by(name: str, source: VideoSource) -> list[str]:
        return [f"{name}: {problem}" for problem in source.problems]

    def _frames(self) -> Iterator[Frame]:
        index, last, begin = 0, -1, Fraction(0)
        for number, (name, opener) in enumerate(self._parts):
            self._name = name
            try:
                source = self._open = self._opened.pop(number, None) or opener()
            except VideoError as error:  # it was there when the list was opened
                self._problems.append(f"{self._name}: {error}")
                continue
            zero = begin
            for frame in source:
                time = zero + frame.pts * frame.time_base
                last = max(round(time / self.info.time_base), last + 1)
                yield Frame(self._fitted(frame), index, last, self.info.time_base)
                index, begin = index + 1, time + _step(source.info)
            self._problems += self._told_by(name, source)
            self._open = None
            source.close()

    def _fitted(self, frame: Frame) -> np.ndarray:
        if frame.image_hw == (self.info.height, self.info.width):
            return frame.image
        return letterbox(av.VideoFrame.from_ndarray(frame.image, format="rgb24"), self.info.width, self.info.height)

    def close(self) -> None:
        """Close the part being read, and those waiting."""
        for source in (self._open, *self._opened.values()):
            if source is not None:
                source.close()


def _info_of(infos: Sequence[VideoInfo | None]) -> VideoInfo:
    """Size and rate of the first; a time base in which the times of all are whole numbers, as far as containers can hold it."""
    known = [info for info in infos if info is not None]
    numbers = [info.num_frames if info else None for info in infos]
    durations = [info.duration if info else None for info in infos]
    return replace(
        known[0],
        time_base=_common_tick([base for info in known for base in (info.time_base, _step(info))]),
        num_frames=sum(n for n in numbers if n) if all(numbers) else None,
        duration=sum(d for d in durations if d) if all(durations) else None,
    )


def _step(info: VideoInfo) -> Fraction:
    """Seconds that a frame is shown, by the average rate."""
    return 1 / Fraction(info.fps or 25)


def _common_tick(bases: Sequence[Fraction]) -> Fraction:
    tick = Fraction(math.gcd(*(base.numerator for base in bases)), math.lcm(*(base.denominator for base in bases)))
    return tick if tick.denominator <= _MOST_TICKS else bases[0]
