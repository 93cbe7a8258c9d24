"""What every source of frames offers, and what goes wrong with videos."""

from collections.abc import Iterator
from typing import Protocol, Self

from queryinst_vis.errors import UserError
from queryinst_vis.structures import Frame, VideoInfo


class VideoError(UserError):
    """A video that cannot be read or written: one line saying which, why, and what would help."""


class VideoSource(Protocol):
    """Frames in presentation order, upright, with times that grow strictly and count from the start of the file.

    Iterating is done once. `problems` are what was met so far: one line per kind of damage, none for a sound video.
    """

    info: VideoInfo

    @property
    def problems(self) -> list[str]: ...

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc_info: object) -> None: ...


def reason(error: Exception) -> str:
    """What FFmpeg or the system says, without error number and file name."""
    return getattr(error, "strerror", None) or str(error)
