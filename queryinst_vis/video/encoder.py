"""Pictures to packets: conversion to the codec's pixels, BT.709 in limited range, even sizes, exact times."""

import os
from collections.abc import Sequence
from fractions import Fraction

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from queryinst_vis.structures import VideoInfo
from queryinst_vis.video.codecs import CODECS, encoder_for

_BT709, _LIMITED_RANGE = 1, 1
_USUAL_FPS, _MOST_FPS = 25, 240  # more is a clock that passes for a rate; SVT-AV1 refuses it


class PictureEncoder:
    """The video stream of an output. Pictures with an odd width or height get their last column or row twice."""

    def __init__(self, output: "av.container.OutputContainer", info: VideoInfo, codec: str) -> None:
        self._info, self._codec = info, CODECS[codec]
        self._reformatter = VideoReformatter()
        self.step = ticks_per_frame(info)
        name = encoder_for(codec)
        if name == "libsvtav1":
            os.environ.setdefault("SVT_LOG", "0")  # else it writes a page to the standard error
        stream = output.add_stream(name, rate=rate_of(info), options=dict(self._codec.encoders[name]))
        stream.width, stream.height = info.width + info.width % 2, info.height + info.height % 2
        stream.pix_fmt = self._codec.pix_fmt
        context = stream.codec_context
        context.time_base = stream.time_base = info.time_base
        context.sample_aspect_ratio = info.sample_aspect_ratio
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED_RANGE
        self._stream = stream

    def encode(self, image: np.ndarray, pts: int) -> Sequence[av.Packet]:
        """Packets that are ready after one more picture."""
        pad = ((0, image.shape[0] % 2), (0, image.shape[1] % 2), (0, 0))
        if any(after for _, after in pad):
            image = np.pad(image, pad, mode="edge")
        frame = av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(image), format="rgb24")  # not copied
        frame = self._reformatter.reformat(
            frame, format=self._codec.pix_fmt, dst_colorspace=_BT709, dst_color_range=_LIMITED_RANGE
        )
        self._shown = frame
        return self.again(pts)

    def again(self, pts: int) -> Sequence[av.Packet]:
        """Packets that are ready after the last picture once more, at another time."""
        frame = self._shown
        frame.pts, frame.time_base, frame.duration = pts, self._info.time_base, self.step
        return self._stream.encode(frame)

    def finish(self) -> Sequence[av.Packet]:
        """Packets of the pictures that were held back."""
        return self._stream.encode(None)


def ticks_per_frame(info: VideoInfo) -> int:
    """How long a picture is shown, by the average rate."""
    return max(round(1 / (info.time_base * rate_of(info))), 1)


def rate_of(info: VideoInfo) -> Fraction:
    """Pictures a second on average, as far as that can be believed."""
    return info.fps if info.fps and 0 < info.fps <= _MOST_FPS else Fraction(_USUAL_FPS)
