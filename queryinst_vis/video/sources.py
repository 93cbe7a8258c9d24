"""`open_video`: one way in to everything that gives frames."""

import os
import re
from pathlib import Path
from typing import Any

from queryinst_vis.video.base import Limits, VideoSource
from queryinst_vis.video.pipe import Pipe
from queryinst_vis.video.pyav import PyAVSource
from queryinst_vis.video.selection import Seconds, SelectedSource, Selection

_CAMERA = re.compile(r"(?:camera:)?(\d+)")
_FILE = "file://"


def open_video(
    source: Any,
    *,
    start: Seconds | None = None,
    end: Seconds | None = None,
    stride: int = 1,
    max_frames: int | None = None,
    limits: Limits | None = None,
) -> VideoSource:
    """Frames of `source`, with exact times counted from its start.

    source: the path of a video file; "-", the standard input; "0" or "camera:0", a camera; the address of a stream (rtsp, http,
    udp, srt). start, end: seconds, numbers or "1:30"; frames with start <= time < end, of these every `stride`-th, at most
    `max_frames`, are delivered, numbered from 0, with the times they have in the source.
    VideoError: one line, when it is no video, nothing in it can be decoded, or nothing of it is wanted.
    """
    selection = Selection.of(start, end, stride, max_frames)
    if isinstance(source, str) and (live := _live(source, limits)) is not None:
        return live if selection.is_everything else SelectedSource(live, selection)
    if source == "-":
        return PyAVSource(Pipe.of_standard_input(), selection=selection, limits=limits)
    path = Path(os.fspath(source).removeprefix(_FILE))
    return PyAVSource(path, selection=selection, limits=limits)


def _live(text: str, limits: Limits | None) -> VideoSource | None:
    """A camera or a stream, when the text names one."""
    if "://" in text and not text.startswith(_FILE) and not os.path.exists(text):
        from queryinst_vis.video.live import LiveSource

        return LiveSource(text) if limits is None else LiveSource(text, read_timeout=limits.read_timeout)
    if match := _CAMERA.fullmatch(text):
        from queryinst_vis.video.camera import CameraSource

        return CameraSource(int(match[1]))
    return None
