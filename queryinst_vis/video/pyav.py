"""Video files through PyAV (FFmpeg's libraries).

Whatever decodes is delivered. Damage never ends the reading early: it is counted and told in `problems`.
"""

import itertools
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Self

import av
import numpy as np
from av.stream import Disposition

from queryinst_vis.structures import Frame, VideoInfo
from queryinst_vis.video.base import VideoError, reason
from queryinst_vis.video.damage import Damage
from queryinst_vis.video.timing import PresentationClock, average_fps
from queryinst_vis.video.upright import letterbox, orientation_of

_UNSPECIFIED, _ITU709, _FULL_RANGE = 2, 1, 2
_SD_HEIGHT = 576  # taller pictures that do not name their colour matrix are BT.709, as players take them
_DECODING_TIMES_ONLY = {"avi"}  # what passes for a frame's pts there is that of a packet stored elsewhere
_NOT_VIDEO_FILES = {"tty", "concat", "hls", "dash", "sdp", "rtsp"}  # plain text, and lists that open other files


class PyAVSource:
    """The first video stream of a file, as a `VideoSource`."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """VideoError: not a file, not a video, or nothing in it can be decoded."""
        self.path = Path(path)
        self._container = open_container(self.path)
        self._closed = False
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        self._stream = self._video_stream()
        self._stream.thread_type = "AUTO"
        self._damage = Damage(self._container, self._stream)
        self._decoded = self._decode()
        first = next(self._decoded, None)
        if first is None:
            problems = "; ".join(self._damage.lines())
            raise VideoError(f"nothing could be decoded from {self.path}: {problems or 'it holds no pictures'}")
        self._first: av.VideoFrame | None = first
        self._orientation = orientation_of(first)
        self._stored_size = (first.width, first.height)
        self.info = self._describe(first)
        self._by_dts = self._container.format.name in _DECODING_TIMES_ONLY
        file_begins = round(file_start(self._container) / self.info.time_base)
        start = (first.dts or 0) if self._by_dts else file_begins  # a decoder that reorders is late from the first picture on
        self._clock = PresentationClock(time_base=self.info.time_base, fps=self.info.fps, start=start)

    def _video_stream(self) -> "av.video.stream.VideoStream":
        streams = self._container.streams
        moving = [stream for stream in streams.video if not stream.disposition & Disposition.attached_pic]
        if not moving:
            raise VideoError(f"{self.path} has no video stream{' (sound only)' if streams.audio else ''}")
        if moving[0].codec_context is None:
            raise VideoError(f"no decoder for the video in {self.path}")
        return moving[0]

    def _describe(self, first: av.VideoFrame) -> VideoInfo:
        stream, container = self._stream, self._container
        width, height = first.width, first.height
        aspect = Fraction(stream.sample_aspect_ratio or 1)
        if self._orientation.transpose:
            width, height, aspect = height, width, 1 / aspect
        duration = stream.duration * stream.time_base if stream.duration else None
        if duration is None and container.duration:
            duration = Fraction(container.duration, av.time_base)
        return VideoInfo(
            width=width,
            height=height,
            fps=average_fps(stream, container.name),
            time_base=Fraction(stream.time_base),
            num_frames=stream.frames or None,
            duration=float(duration) if duration is not None else None,
            sample_aspect_ratio=aspect,
            full_range=first.color_range == _FULL_RANGE,
        )

    def __iter__(self) -> Iterator[Frame]:
        if self._first is None:
            raise RuntimeError("a video source is iterated once; open the file again")
        decoded, self._first = itertools.chain([self._first], self._decoded), None
        for index, frame in enumerate(decoded):
            yield Frame(self._upright(frame), index, self._clock(frame.dts if self._by_dts else frame.pts), self.info.time_base)

    @property
    def problems(self) -> list[str]:
        """One line per kind of damage met so far."""
        self._damage.num_times_moved = self._clock.num_moved
        return self._damage.lines()

    def _decode(self) -> Iterator[av.VideoFrame]:
        for packet in itertools.chain(self._damage.packets(), [None]):  # None: what the decoder still holds
            try:
                frames = self._stream.codec_context.decode(packet)
            except av.FFmpegError as error:
                self._damage.undecodable(error)
                continue
            for frame in frames:
                self._damage.decoded(frame)
                yield frame
        self._damage.finished()

    def _upright(self, frame: av.VideoFrame) -> np.ndarray:
        if (frame.width, frame.height) != self._stored_size:
            self._damage.resized()
            image = letterbox(frame, *self._stored_size)
        else:
            image = to_rgb(frame)
        return self._orientation.apply(image)

    def close(self) -> None:
        """Let go of the file. Not while another thread iterates."""
        if not self._closed:
            self._closed = True
            self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def open_container(path: Path) -> "av.container.InputContainer":
    """A media file opened for reading, only as a file: no protocol in its name, no list of other files in it. VideoError."""
    if not path.exists():
        raise VideoError(f"{path} does not exist")
    if not path.is_file():
        raise VideoError(f"{path} is {'a directory' if path.is_dir() else 'not a regular file'}, not a video file")
    if not path.stat().st_size:
        raise VideoError(f"{path} is empty (0 bytes)")
    url = f"file:{path.resolve()}"  # a name may begin with a dash or look like a protocol
    try:
        container = av.open(url, metadata_errors="replace", container_options={"protocol_whitelist": "file"})
    except PermissionError:
        raise VideoError(f"{path}: no permission to read it") from None
    except (av.FFmpegError, OSError, ValueError) as error:
        raise VideoError(f"{path} is not a video this can read ({reason(error)})") from None
    if _NOT_VIDEO_FILES & set(container.format.name.split(",")):
        container.close()
        raise VideoError(f"{path} is not a video file (it reads as '{container.format.name}')")
    return container


def file_start(container: "av.container.InputContainer") -> Fraction:
    """Seconds at which the first of a file's streams begins; times count from there (captures of broadcasts begin at hours)."""
    return max(Fraction(container.start_time or 0, av.time_base), Fraction(0))


def to_rgb(frame: av.VideoFrame) -> np.ndarray:
    """uint8 [H, W, 3] as stored, by the colour matrix that the frame names or its height suggests."""
    guess_709 = frame.colorspace == _UNSPECIFIED and frame.height > _SD_HEIGHT
    return frame.to_ndarray(format="rgb24", src_colorspace=_ITU709 if guess_709 else None)
