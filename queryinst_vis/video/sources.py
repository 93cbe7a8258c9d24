"""`open_video`: one way in to everything that gives frames."""

import os
import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from queryinst_vis.video.arrays import ArraySource, is_picture
from queryinst_vis.video.base import Limits, VideoError, VideoSource
from queryinst_vis.video.images import IMAGE_SUFFIXES
from queryinst_vis.video.joined import JoinedSource
from queryinst_vis.video.pictures import PictureSource, picture_paths
from queryinst_vis.video.pipe import Pipe
from queryinst_vis.video.pyav import PyAVSource
from queryinst_vis.video.selection import Seconds, SelectedSource, Selection, exact_rate

_CAMERA = re.compile(r"camera:(\d+)|(\d)")
_FILE = "file://"
STANDARD_INPUT = "-"


def open_video(
    source: Any,
    *,
    start: Seconds | None = None,
    end: Seconds | None = None,
    stride: int = 1,
    max_frames: int | None = None,
    fps: Fraction | float | int | str | None = None,
    limits: Limits | None = None,
    policy: Literal["newest", "every"] = "newest",
) -> VideoSource:
    """Frames of `source`, with exact times counted from its start.

    source: the path of a video, of a picture, of a folder of pictures, or a glob of pictures, taken in natural order; "-", the
    standard input; "0" or "camera:0", a camera; the address of a stream (rtsp, http, udp, srt); uint8 [H, W, 3] RGB arrays or
    tensors, in a list or as they come; or a list of any of these, one after the other.
    start, end: seconds, numbers or "1:30"; frames with start <= time < end, of these every `stride`-th, at most `max_frames`, are
    delivered, numbered from 0, with the times they have in the source. fps: of pictures and arrays, 25 if not given.
    policy: of what is live: the newest frame and what was missed in between is dropped, or every frame. limits: `Limits`, where
    a device that decodes is named, too.
    VideoError: one line, when it is no video, nothing in it can be decoded, or nothing of it is wanted.
    """
    selection = Selection.of(start, end, stride, max_frames)
    rate = None if fps is None else exact_rate(fps)
    if isinstance(source, str):
        if source == STANDARD_INPUT:
            return PyAVSource(Pipe.of_standard_input(), selection=selection, limits=limits)
        if (live := _live(source, limits, policy)) is not None:
            return _selected(live, selection)
    if isinstance(source, str | os.PathLike):
        return _file(os.fspath(source), rate, selection, limits)
    return _selected(_of_program(source, rate, limits), selection)


def _selected(source: VideoSource, selection: Selection) -> VideoSource:
    return source if selection.is_everything else SelectedSource(source, selection)


def _live(text: str, limits: Limits | None, policy: Literal["newest", "every"]) -> VideoSource | None:
    """A camera or a stream, when the text names one."""
    if _is_address(text):
        from queryinst_vis.video.live import LiveSource

        if limits is None or limits.read_timeout is None:
            return LiveSource(text, policy=policy, limits=limits)
        return LiveSource(text, policy=policy, read_timeout=limits.read_timeout, limits=limits)
    if match := _CAMERA.fullmatch(text):
        from queryinst_vis.video.camera import CameraSource

        return CameraSource(int(match[1] or match[2]), policy=policy)
    return None


def _is_address(text: str) -> bool:
    return "://" in text and not text.startswith(_FILE) and not os.path.exists(text)


def _file(text: str, fps: Fraction | None, selection: Selection, limits: Limits | None) -> VideoSource:
    path = Path(text.removeprefix(_FILE))
    pictures = None
    if os.path.isdir(path):
        pictures = picture_paths(path)
    elif path.suffix.lower() in IMAGE_SUFFIXES and os.path.isfile(path):
        pictures = [path]
    elif re.search(r"[*?\[]", text) and not os.path.exists(path):
        pictures = picture_paths(text)
    if pictures is not None:
        return PictureSource(pictures, fps=fps, selection=selection, limits=limits)
    return PyAVSource(path, selection=selection, limits=limits)


def _of_program(source: Any, fps: Fraction | None, limits: Limits | None) -> VideoSource:
    """What is no name: pictures, or a list of sources."""
    if is_picture(source):
        return ArraySource([source], fps=fps, limits=limits)
    if isinstance(source, list | tuple) and not all(is_picture(item) for item in source):
        return _joined(source, fps, limits)
    if isinstance(source, Iterable) and not isinstance(source, bytes | dict | set):
        return ArraySource(source, fps=fps, limits=limits)
    raise VideoError(f"a {type(source).__name__} is no video; expected a path, an address, pictures, or a list of these")


def _joined(sources: Sequence[Any], fps: Fraction | None, limits: Limits | None) -> VideoSource:
    openers = [partial(open_video, item, fps=fps, limits=limits) for item in sources]
    names = [os.fspath(item) if isinstance(item, str | os.PathLike) else f"part {i}" for i, item in enumerate(sources, 1)]
    return JoinedSource(list(zip(names, openers, strict=True)), is_once=[not can_be_opened_again(item) for item in sources])


def can_be_opened_again(source: Any) -> bool:
    """Whether opening it takes nothing away and waits for nobody."""
    if isinstance(source, str):
        return source != STANDARD_INPUT and not _is_address(source) and not _CAMERA.fullmatch(source)
    if isinstance(source, list | tuple):
        return all(can_be_opened_again(item) for item in source)
    return isinstance(source, os.PathLike | np.ndarray | torch.Tensor)
