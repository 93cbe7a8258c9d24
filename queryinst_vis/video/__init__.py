"""Video in and out: `open_video` gives frames with exact times, `VideoWriter` takes them back."""

import os

from queryinst_vis.video.base import VideoError, VideoSource
from queryinst_vis.video.prefetch import prefetch
from queryinst_vis.video.pyav import PyAVSource
from queryinst_vis.video.writer import VideoWriter

__all__ = ["PyAVSource", "VideoError", "VideoSource", "VideoWriter", "open_video", "prefetch"]


def open_video(path: str | os.PathLike[str]) -> VideoSource:
    """Frames of a video file. VideoError: one line, when it is no video or nothing in it can be decoded."""
    return PyAVSource(path)
