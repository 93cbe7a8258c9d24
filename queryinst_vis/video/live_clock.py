"""Times that grow strictly, from a stream that breaks off, comes back, and whose own clock may jump."""

import math
from fractions import Fraction

_LONGEST_STEP = 10.0  # seconds that pictures may skip beyond what passed on our clock before theirs counts as set anew


class LiveClock:
    """Ticks of a time base since the first picture.

    Between two pictures of one connection the stream's times count. Where they cannot (a new connection, a clock set back or far
    ahead, no times at all), what passed here between the arrivals does: a gap of a minute stays a gap of a minute.
    """

    def __init__(self, time_base: Fraction) -> None:
        self.num_jumps = 0
        self._time_base = time_base
        self._second = max(int(1 / time_base), 1)
        self._longest_step: float = _LONGEST_STEP * self._second
        self._last: int | None = None
        self._arrived = 0.0
        self._offset: int | None = None

    def begin_recording(self, start: int) -> None:
        """Times are those of a recording that begins at `start` ticks: read faster than they pass, and true in every step."""
        self._longest_step, self._last, self._offset = math.inf, -1, -start

    def connected(self) -> None:
        """What comes next has nothing to do with the times before."""
        self._offset = None

    def __call__(self, ticks: int | None, arrival: float) -> int:
        """The stream's time of a picture, or None, and when it arrived, in seconds -> its time here."""
        passed = round((arrival - self._arrived) / self._time_base) if self._last is not None else 0
        time = self._next(ticks, passed)
        assert self._last is None or time > self._last
        self._last, self._arrived = time, arrival
        return time

    def _next(self, ticks: int | None, passed: int) -> int:
        last = -1 if self._last is None else self._last
        if ticks is not None and self._offset is not None:
            step = ticks + self._offset - last
            if 0 < step <= passed + self._longest_step:
                return last + step
            self.num_jumps += 1
            if -self._second <= step <= 0:
                return last + 1
        time = last + max(passed, 1)
        self._offset = None if ticks is None else time - ticks
        return time
