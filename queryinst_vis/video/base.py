"""What every source of frames offers and may cost, and what goes wrong with videos."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol, Self

from queryinst_vis.errors import UserError
from queryinst_vis.ops.bounds import PIXELS
from queryinst_vis.structures import Frame, VideoInfo
from queryinst_vis.video.hardware import device_names

_FILE_TIMEOUT = 30.0  # seconds


class VideoError(UserError):
    """A video that cannot be read or written: one line saying which, why, and what would help."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What reading one video may cost.

    max_pixels: of one stored picture; read_timeout: seconds without any data until a read fails, None for 30 of a file and 10 of
    a stream; decode_threads: 0 for as many as the machine has cores; allow_playlists: whether a file may be a list (m3u8, mpd,
    ffconcat) that opens other files; hwaccel: a device that decodes files and streams, e.g. cuda, None for software.
    """

    max_pixels: int = field(default_factory=PIXELS.most)
    read_timeout: float | None = None
    decode_threads: int = 0
    allow_playlists: bool = False
    hwaccel: str | None = None

    def __post_init__(self) -> None:
        if self.max_pixels < 1 or not self.seconds_of_silence > 0 or self.decode_threads < 0:
            raise VideoError(f"limits of reading are at least 1 pixel, some seconds, and 0 threads or more, got {self}")
        if self.hwaccel is not None and self.hwaccel not in device_names():
            known = ", ".join(device_names()) or "none, with this build of FFmpeg"
            raise VideoError(f"no device to decode on is called {self.hwaccel!r}; known: {known}")

    @property
    def seconds_of_silence(self) -> float:
        """Of a file, until a read fails."""
        return _FILE_TIMEOUT if self.read_timeout is None else self.read_timeout

    def check_size(self, name: object, width: int, height: int) -> None:
        """VideoError: a picture of this size has too many pixels."""
        if width * height > self.max_pixels:
            too_large = f"a picture of {width} x {height} is over the limit of {self.max_pixels} pixels"
            raise VideoError(f"{name}: {too_large}; --max-pixels or {PIXELS.remedy()}")


class VideoSource(Protocol):
    """Frames in presentation order, upright, with times that grow strictly and count from the start of the file.

    Iterating is done once. `problems` are what was met so far: one line per kind of damage, none for a sound video.
    `statistics` are plain numbers about the delivery (frames, dropped, late, reconnects), empty for what is not live.
    """

    info: VideoInfo

    @property
    def is_live(self) -> bool: ...

    @property
    def problems(self) -> list[str]: ...

    @property
    def statistics(self) -> dict[str, int | float]: ...

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc_info: object) -> None: ...


class StoredSource:
    """What sources that are not live have in common. A subclass sets `info` and gives `_frames`."""

    info: VideoInfo
    is_live = False
    _begun = False

    @property
    def problems(self) -> list[str]:
        """One line per kind of damage met so far."""
        return []

    @property
    def statistics(self) -> dict[str, int | float]:
        """Nothing to tell: every frame is waited for."""
        return {}

    def __iter__(self) -> Iterator[Frame]:
        if self._begun:
            raise RuntimeError("a video source is iterated once; open it again")
        self._begun = True
        return self._frames()

    def _frames(self) -> Iterator[Frame]:
        raise NotImplementedError

    def close(self) -> None:
        """Let go of what is open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def reason(error: Exception) -> str:
    """What FFmpeg or the system says, without error number and file name."""
    return getattr(error, "strerror", None) or str(error)
