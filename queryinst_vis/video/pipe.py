"""Video from a pipe, such as the standard input: read once, front to back, with a time limit on every read."""

import io
import os
import select
import stat
import sys

import av

from queryinst_vis.video.base import Limits, VideoError
from queryinst_vis.video.container import format_options, why_not_media
from queryinst_vis.video.hardware import hardware


class Pipe:
    """An open file descriptor to read a video from. `str` gives what messages call it."""

    def __init__(self, descriptor: int, name: str) -> None:
        self._descriptor, self._name = descriptor, name

    @classmethod
    def of_standard_input(cls) -> "Pipe":
        """VideoError: it is closed, or a keyboard."""
        if sys.stdin is None or sys.stdin.closed:
            raise VideoError("the standard input is closed; name a file, or send a video into this program")
        if os.isatty(sys.stdin.fileno()):
            raise VideoError("the standard input is a terminal; send a video into this program, e.g. cat in.mp4 | ... -")
        return cls(sys.stdin.fileno(), "the standard input")

    def __str__(self) -> str:
        return self._name

    def open(self, limits: Limits) -> "av.container.InputContainer":
        """VideoError: no video, or one that cannot be read front to back."""
        reader = _Reader(self._descriptor, limits.seconds_of_silence)
        try:
            return av.open(reader, "r", metadata_errors="replace", hwaccel=hardware(limits.hwaccel), **format_options(limits))
        except TimeoutError as error:
            raise VideoError(f"{self}: {error}") from None
        except (av.FFmpegError, OSError, ValueError) as error:
            if not reader.head:
                raise VideoError(f"{self} is empty (0 bytes)") from None
            raise VideoError(f"{self} {why_not_media(error, reader.head, limits)}{self.advice}") from None

    @property
    def advice(self) -> str:
        """What a message on a video that cannot be read ends with."""
        return "" if _is_file(self._descriptor) else "; MP4 with the index at its end cannot be read from a pipe: name the file"


def _is_file(descriptor: int) -> bool:
    return stat.S_ISREG(os.fstat(descriptor).st_mode)


class _Reader(io.RawIOBase):
    """What PyAV reads from. TimeoutError when nothing comes."""

    def __init__(self, descriptor: int, timeout: float) -> None:
        self._descriptor, self._timeout = descriptor, timeout
        self.head = b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return _is_file(self._descriptor)

    def read(self, size: int = -1) -> bytes:
        if not select.select([self._descriptor], [], [], self._timeout)[0]:
            raise TimeoutError(f"gave no data for {self._timeout:g} s")
        data = os.read(self._descriptor, size)
        self.head = self.head or data[:512]
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return os.lseek(self._descriptor, offset, whence)

    def tell(self) -> int:
        return os.lseek(self._descriptor, 0, os.SEEK_CUR)
