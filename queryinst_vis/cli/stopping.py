"""Ctrl-C, `kill` and a closed terminal at a good moment: the frame in work is finished and every file closed."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]  # Windows lacks SIGHUP


class Stop:
    """Whether somebody asked to stop, and with what signal."""

    def __init__(self) -> None:
        self.signal: int | None = None

    @property
    def exit_code(self) -> int:
        """The shell's convention, 130 for Ctrl-C; 0 when nobody asked."""
        return 0 if self.signal is None else 128 + self.signal


@contextmanager
def stop_on_signal() -> Iterator[Stop]:
    """Inside, the first such signal is only noted; the second acts as always. Ignored ones (nohup) stay so.

    In the main thread.
    """
    stop = Stop()
    before = {number: handler for number in _SIGNALS if (handler := signal.getsignal(number)) is not signal.SIG_IGN}

    def note(number: int, frame: FrameType | None) -> None:
        stop.signal = number
        for each, handler in before.items():
            signal.signal(each, handler)

    for number in before:
        signal.signal(number, note)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
