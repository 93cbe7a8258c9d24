"""The process behind a `LiveView`: shows the pictures that come in on standard input, tells of keys on standard output.

A process of its own, because a window system that is not there ends the process that asks for it, because on some systems windows
belong to a main thread, and so that keys work while the next picture is waited for. Run as a file: it imports nothing of ours.

In: pictures, each 8 bytes (height, width) and RGB. Out: lines, `ready`, then `pause`, `go` and at last `stop`.
"""

import os
import signal
import struct
import sys
import threading
from collections.abc import Callable
from typing import Any, BinaryIO

import cv2
import numpy as np

HEADER = struct.Struct("<II")
_POLL_MS = 20
_LARGEST = (1280, 800)  # of the window when it opens; it can be drawn larger
_STOP_KEYS = {ord("q"), ord("Q"), 27}
_PAUSE_KEY = ord(" ")


class Inbox:
    """The newest picture of a stream; read by a thread, so that the sender never waits for the screen."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._newest: np.ndarray | None = None
        self.is_over = False
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while len(header := self._stream.read(HEADER.size)) == HEADER.size:
            height, width = HEADER.unpack(header)
            data = self._stream.read(height * width * 3)
            if len(data) < height * width * 3:
                break
            self._newest = np.frombuffer(data, dtype=np.uint8).reshape(height, width, 3)
        self.is_over = True

    def take(self) -> np.ndarray | None:
        """The newest, once."""
        newest, self._newest = self._newest, None
        return newest


def run(title: str, inbox: Inbox, say: Callable[[str], None], gui: Any = cv2) -> None:
    """Until a key, the window's own button or the end of the pictures ends it. gui: what OpenCV has for windows."""
    gui.namedWindow(title, gui.WINDOW_NORMAL | gui.WINDOW_KEEPRATIO | gui.WINDOW_GUI_NORMAL)
    gui.waitKey(1)
    say("ready")
    is_first, is_paused = True, False
    while not inbox.is_over:
        picture = inbox.take()
        if picture is not None:
            if is_first:
                gui.resizeWindow(title, *_window_size(*picture.shape[:2]))
                is_first = False
            gui.imshow(title, picture[..., ::-1])
        key = gui.waitKey(_POLL_MS) & 0xFF
        if key in _STOP_KEYS or gui.getWindowProperty(title, gui.WND_PROP_VISIBLE) < 1:
            say("stop")
            return
        if key == _PAUSE_KEY:
            is_paused = not is_paused
            gui.setWindowTitle(title, f"{title} (paused, space goes on)" if is_paused else title)
            say("pause" if is_paused else "go")


def _window_size(height: int, width: int) -> tuple[int, int]:
    """(width, height) that fits a screen."""
    factor = min(1.0, _LARGEST[0] / width, _LARGEST[1] / height)
    return max(round(width * factor), 1), max(round(height * factor), 1)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program; we end with its pictures
    lines = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no message
    run(sys.argv[1], Inbox(sys.stdin.buffer), lambda line: print(line, file=lines, flush=True))


if __name__ == "__main__":
    main()
