"""Video in and out: `open_video` gives frames with exact times, `VideoWriter` takes them back."""

from queryinst_vis.video.base import Limits, VideoError, VideoSource
from queryinst_vis.video.prefetch import prefetch
from queryinst_vis.video.pyav import PyAVSource
from queryinst_vis.video.sources import open_video
from queryinst_vis.video.writer import VideoWriter

__all__ = ["Limits", "PyAVSource", "VideoError", "VideoSource", "VideoWriter", "open_video", "prefetch"]
