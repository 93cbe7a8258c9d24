"""A window that shows pictures as they are made: q, Esc or closing it asks to stop, space pauses."""

import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import numpy as np

from queryinst_vis.errors import UserError

_PROGRAM = Path(__file__).with_name("window_process.py")
_OPEN_SECONDS = 60.0  # starting Python with OpenCV, on a busy machine
_POLL_SECONDS = 0.05


class LiveView:
    """Shows pictures, without making the sender wait for the screen. Close it, or use it in a `with`."""

    def __init__(self, title: str, *, command: Sequence[str] | None = None) -> None:
        """command: of the process that shows (window_process.py). UserError: there is no display, or no OpenCV with windows."""
        self._is_ready, self._is_running = threading.Event(), threading.Event()
        self._is_stop_asked, self._is_over = False, False
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        command = [sys.executable, "-P", str(_PROGRAM), title] if command is None else command
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors)
        self._listener = threading.Thread(target=self._listen, name="window", daemon=True)
        self._listener.start()
        if not self._is_ready.wait(_OPEN_SECONDS) or self._is_over:
            reason = self._reason()
            self.close()
            raise UserError(f"no window can be shown here: {reason}; go on without --show")

    @property
    def wants_stop(self) -> bool:
        """Whether somebody pressed q or Esc, or closed the window."""
        return self._is_stop_asked

    @property
    def is_lost(self) -> bool:
        """Whether the window is gone although nobody closed it: its screen was switched off, or a connection ended."""
        return self._is_over and not self._is_stop_asked

    def show(self, picture: np.ndarray, *, should_stop: Callable[[], bool] = lambda: False) -> None:
        """The next picture, uint8 [H, W, 3] RGB. Comes back when nothing is paused (any more), or `should_stop` says so."""
        if not self._is_over:
            self._send(np.ascontiguousarray(picture))
        while not self._is_running.wait(_POLL_SECONDS):
            if should_stop():
                return

    def _send(self, picture: np.ndarray) -> None:
        height, width = picture.shape[:2]
        stream = self._process.stdin
        assert stream is not None
        try:
            stream.write(height.to_bytes(4, "little") + width.to_bytes(4, "little"))
            stream.write(picture.data)
            stream.flush()
        except OSError:  # the process has ended; `_listen` notices why
            self._listener.join(_OPEN_SECONDS)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            word = line.strip()
            self._is_stop_asked |= word == b"stop"
            if word == b"pause":
                self._is_running.clear()
            else:
                self._is_running.set()
            if word == b"ready":
                self._is_ready.set()
        self._is_over = True
        self._is_running.set()
        self._is_ready.set()

    def _reason(self) -> str:
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace")
        if "display" in said.lower():
            return "there is no display"
        if "not implemented" in said:
            return "this OpenCV has no windows (pip install opencv-python instead of opencv-python-headless)"
        return (said.split("\n\n")[0].strip().splitlines() or ["it does not open"])[-1]

    def close(self) -> None:
        """Take it off the screen. Again does nothing."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(OSError):  # what was not sent yet has no reader any more
            self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join()
        self._process.stdout.close()
        self._errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.close()
