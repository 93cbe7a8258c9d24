"""Opening media files: only as files, no protocol in the name, no list that opens other files, no wait without end."""

import functools
import os
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import TypedDict

import av

from queryinst_vis.video.base import Limits, VideoError, reason
from queryinst_vis.video.hardware import hardware, no_device, tell

_NOT_MEDIA = {"tty"}  # plain text, drawn
_LISTS = {"concat", "hls", "dash", "webm_dash_manifest", "sdp", "rtsp", "imf"}  # which open other files
_HEAD_BYTES = 512


def open_container(path: Path, limits: Limits | None = None) -> "av.container.InputContainer":
    """A media file opened for reading. VideoError: what it is instead."""
    limits = limits or Limits()
    check_file(path)
    try:
        return _opened(path, limits)
    except PermissionError:
        raise VideoError(f"{path}: no permission to read it") from None
    except (av.FFmpegError, OSError, ValueError) as error:
        raise VideoError(f"{path} {why_not_media(error, _head_of(path), limits)}") from None


def _opened(path: Path, limits: Limits) -> "av.container.InputContainer":
    open_with = functools.partial(
        av.open,
        f"file:{path.resolve()}",  # with "file:", a name may begin with a dash or look like a protocol
        metadata_errors="replace",
        timeout=limits.seconds_of_silence,
        **format_options(limits),
    )
    device = hardware(limits.hwaccel)
    if device is None or limits.hwaccel is None:
        return open_with()
    try:
        return open_with(hwaccel=device)
    except (av.FFmpegError, OSError) as error:
        container = open_with()  # raises if the file is to blame; else the device's memory was full, say
        tell(f"{path} is decoded in software: {no_device(limits.hwaccel, error)}")
        return container


def check_file(path: Path) -> None:
    """VideoError: there is no file with something in it."""
    try:
        if not path.exists():
            raise VideoError(f"{path} does not exist")
        if not path.is_file():
            raise VideoError(f"{path} is {'a directory' if path.is_dir() else 'not a regular file'}, not a video file")
        if not path.stat().st_size:
            raise VideoError(f"{path} is empty (0 bytes)")
    except (OSError, ValueError) as error:  # a name that is too long, or holds a zero byte
        if isinstance(error, VideoError):
            raise
        raise VideoError(f"{str(path)[:100]!r} cannot be opened ({reason(error)})") from None
    if not os.access(path, os.R_OK):
        raise VideoError(f"{path}: no permission to read it")


class FormatOptions(TypedDict):
    """Arguments of `av.open`."""

    container_options: dict[str, str]
    options: dict[str, str]


def format_options(limits: Limits) -> FormatOptions:
    """Options of `av.open` that keep a file from opening others, and its pictures within the limit."""
    refused = _NOT_MEDIA if limits.allow_playlists else _NOT_MEDIA | _LISTS
    return {
        "container_options": {"protocol_whitelist": "file", "format_whitelist": _formats_but(frozenset(refused))},
        "options": {"max_pixels": str(limits.max_pixels)},
    }


@functools.cache
def _formats_but(refused: frozenset[str]) -> str:
    return ",".join(sorted(av.formats_available - refused))


def why_not_media(error: Exception, head: bytes, limits: Limits) -> str:
    """What follows a file's name in the message on why it was not opened. head: its first bytes."""
    if isinstance(error, av.ExitError):
        return f"gave no data for {limits.seconds_of_silence:g} s"
    if head and _is_text(head):
        return "is not a video file but text, or a list of other files, which --allow-playlists (Limits.allow_playlists) accepts"
    return f"is not a video this can read ({reason(error)})"


def _is_text(head: bytes) -> bool:
    return all(byte >= 32 or byte in b"\t\n\r\f" for byte in head)


def _head_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES)
    except OSError:
        return b""


def packets_of(container: "av.container.InputContainer", *streams: "av.stream.Stream") -> Iterator[av.Packet]:
    """The packets of some streams, or of all, to the end of the file. av.FFmpegError: it cannot be read any further."""
    # At the end PyAV asks for streams that began after the file was opened, and does not know them.
    with suppress(IndexError):
        yield from container.demux(*streams)


def file_start(container: "av.container.InputContainer") -> Fraction:
    """Seconds at which the first of a file's streams begins; times count from there (captures of broadcasts begin at hours)."""
    return max(Fraction(container.start_time or 0, av.time_base), Fraction(0))
