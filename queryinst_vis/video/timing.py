"""Frame rates worth believing, and presentation times that always grow."""

from collections.abc import Callable
from fractions import Fraction

import av

from queryinst_vis.video.container import packets_of

_PLAUSIBLE_FPS = 240  # some containers name their clock (1000) as the average rate: above this it is measured
_PACKETS_TO_MEASURE = 300


class PresentationClock:
    """Times of frames, in ticks of the time base, counted from the start of the file.

    Those of the file where it has them; guessed by the rate where it has none (raw streams). A time that does not grow is moved
    behind the one before; when it falls back by more than a second, a new recording was appended and its times follow on.
    """

    def __init__(self, *, time_base: Fraction, fps: Fraction | None, start: int) -> None:
        """start: ticks at which the file begins."""
        self.num_moved = 0
        self._second = max(int(1 / time_base), 1)
        self._step = max(round(1 / (time_base * (fps or 25))), 1)
        self._offset = -start
        self._last: int | None = None

    def __call__(self, pts: int | None) -> int:
        """The file's time of the next frame, or None -> its time here."""
        last, self._last = self._last, self._next(pts)
        assert last is None or self._last > last
        return self._last

    def _next(self, pts: int | None) -> int:
        if self._last is None:
            return 0 if pts is None else pts + self._offset
        if pts is None:
            return self._last + self._step
        time = pts + self._offset
        if time > self._last:
            return time
        self.num_moved += 1
        if self._last - time <= self._second:
            return self._last + 1
        self._offset += self._last + self._step - time
        return self._last + self._step


def average_fps(
    stream: "av.video.stream.VideoStream", reopen: Callable[[], "av.container.InputContainer"] | None
) -> Fraction | None:
    """Average rate of a video stream: what the file says if that can be, else measured on its first packets, else guessed.

    reopen: opens the same file anew; None where it can be read only once.
    """
    claimed = stream.average_rate
    if claimed and claimed <= _PLAUSIBLE_FPS:
        return Fraction(claimed)
    guessed = Fraction(stream.guessed_rate) if stream.guessed_rate and stream.guessed_rate <= _PLAUSIBLE_FPS else None
    return (reopen and _measured_fps(reopen, stream.index)) or guessed


def _measured_fps(reopen: Callable[[], "av.container.InputContainer"], stream_index: int) -> Fraction | None:
    times: list[Fraction] = []
    with reopen() as container:
        try:
            for packet in packets_of(container, container.streams[stream_index]):
                if packet.pts is not None:
                    times.append(packet.pts * packet.time_base)
                if len(times) == _PACKETS_TO_MEASURE:
                    break
        except av.FFmpegError:
            pass  # a damaged file is measured as far as it goes
    if len(times) < 2 or max(times) == min(times):
        return None
    return ((len(times) - 1) / (max(times) - min(times))).limit_denominator(1001)
