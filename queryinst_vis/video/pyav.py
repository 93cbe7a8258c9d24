"""Video files through PyAV (FFmpeg's libraries).

Whatever decodes is delivered. Damage never ends the reading early: it is counted and told in `problems`.
"""

import itertools
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition

from queryinst_vis.structures import Frame, VideoInfo
from queryinst_vis.video.base import Limits, StoredSource, VideoError
from queryinst_vis.video.container import file_start, open_container
from queryinst_vis.video.damage import Damage
from queryinst_vis.video.hardware import tell_if_software
from queryinst_vis.video.pipe import Pipe
from queryinst_vis.video.pixels import to_rgb
from queryinst_vis.video.selection import Selection
from queryinst_vis.video.timing import PresentationClock, average_fps
from queryinst_vis.video.upright import letterbox, orientation_of

__all__ = ["PyAVSource", "file_start", "open_container", "to_rgb"]

_FULL_RANGE = 2
_DECODING_TIMES_ONLY = {"avi"}  # what passes for a frame's pts there is that of a packet stored elsewhere
_INDEXED = {"mov", "matroska"}  # whose seeking can be relied on
_SEEK_MARGIN = Fraction(1)  # seconds: files are sought by decoding times, which lie before those of presentation
_CLOSE_SECONDS = 1.0


class PyAVSource(StoredSource):
    """The first video stream of a file or pipe, as a `VideoSource`."""

    def __init__(
        self, path: str | os.PathLike[str] | Pipe, *, selection: Selection | None = None, limits: Limits | None = None
    ) -> None:
        """VideoError: not a file, not a video, nothing in it can be decoded, or nothing in the selection."""
        self.path = path if isinstance(path, Pipe) else Path(path)
        self._selection, self._limits = selection or Selection(), limits or Limits()
        self._closed = False
        self._in_use = threading.Lock()
        self._open()
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        self._container = self.path.open(self._limits) if isinstance(self.path, Pipe) else open_container(self.path, self._limits)
        self._closed = False

    def _start(self) -> None:
        first = self._sought() or self._first()
        if first is None:
            problems = "; ".join(self._damage.lines())
            advice = self.path.advice if isinstance(self.path, Pipe) else ""
            raise VideoError(f"nothing could be decoded from {self.path}: {problems or 'it holds no pictures'}{advice}")
        tell_if_software(self._limits.hwaccel, self._stream.codec_context)
        self._orientation = orientation_of(first)
        self._stored_size = (first.width, first.height)
        whole = self._describe(first)
        self.info = self._selection.of_info(whole)
        self._by_dts = self._container.format.name in _DECODING_TIMES_ONLY
        start = (first.dts or 0) if self._by_dts else self._zero  # a decoder that reorders is late from the first picture on
        self._clock = PresentationClock(time_base=whole.time_base, fps=whole.fps, start=start)
        timed = ((frame, self._clock(self._stored_time(frame))) for frame in itertools.chain([first], self._decoded))
        self._pictures = self._converted(self._selection.of_items(timed, lambda item: item[1] * whole.time_base))
        self._next_picture = next(self._pictures, None)
        if self._next_picture is None:
            problems = "; ".join(self.problems)
            raise VideoError(f"{self.path} has no frame from {self._selection}{f' ({problems})' if problems else ''}")

    def _first(self) -> av.VideoFrame | None:
        """The first picture that decodes, from here on."""
        self._stream = self._video_stream()
        self._damage = Damage(self._container, self._stream)
        self._decoded = self._decode()
        return next(self._decoded, None)

    def _sought(self) -> av.VideoFrame | None:
        """A picture shortly before the selection; None where it has to be reached by reading from the start."""
        start = self._selection.start - _SEEK_MARGIN
        if start <= 0 or not _INDEXED & set(self._container.format.name.split(",")):
            return None
        try:
            self._container.seek(int((start + file_start(self._container)) * av.time_base))
            first = self._first()
        except av.FFmpegError:
            first = None
        if first is not None and first.pts is not None and (first.pts - self._zero) * self._tick <= self._selection.start:
            self._damage.sought()
            return first
        self._container.close()
        self._open()
        return None

    @property
    def _zero(self) -> int:
        """Ticks at which the file begins."""
        return round(file_start(self._container) / self._tick)

    @property
    def _tick(self) -> Fraction:
        return Fraction(self._stream.time_base or 1)

    def _stored_time(self, frame: av.VideoFrame) -> int | None:
        return frame.dts if self._by_dts else frame.pts

    def _video_stream(self) -> "av.video.stream.VideoStream":
        streams = self._container.streams
        moving = [stream for stream in streams.video if not stream.disposition & Disposition.attached_pic]
        if not moving:
            raise VideoError(f"{self.path} has no video stream{' (sound only)' if streams.audio else ''}")
        stream, context = moving[0], moving[0].codec_context
        if context is None:
            raise VideoError(f"no decoder for the video in {self.path}")
        self._limits.check_size(self.path, context.width, context.height)
        stream.thread_type = "AUTO"
        context.thread_count = self._limits.decode_threads
        context.options = {"max_pixels": str(self._limits.max_pixels)}
        return stream

    def _describe(self, first: av.VideoFrame) -> VideoInfo:
        stream, container = self._stream, self._container
        width, height = first.width, first.height
        aspect = Fraction(stream.sample_aspect_ratio or 1)
        if self._orientation.transpose:
            width, height, aspect = height, width, 1 / aspect
        in_software = replace(self._limits, hwaccel=None)  # only packets are looked at
        duration = stream.duration * self._tick if stream.duration else None
        if duration is None and container.duration:
            duration = Fraction(container.duration, av.time_base)
        return VideoInfo(
            width=width,
            height=height,
            fps=average_fps(stream, None if isinstance(self.path, Pipe) else partial(open_container, self.path, in_software)),
            time_base=self._tick,
            num_frames=stream.frames or None,
            duration=float(duration) if duration is not None else None,
            sample_aspect_ratio=aspect,
            full_range=first.color_range == _FULL_RANGE,
        )

    def _frames(self) -> Iterator[Frame]:
        for index in itertools.count():
            with self._in_use:
                if index:
                    self._next_picture = None if self._closed else next(self._pictures, None)
                if self._next_picture is None:
                    return
                image, pts = self._next_picture
            yield Frame(image, index, pts, self.info.time_base)

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

    def _converted(self, timed: Iterator[tuple[av.VideoFrame, int]]) -> Iterator[tuple[np.ndarray, int]]:
        for frame, pts in timed:
            try:
                yield self._upright(frame), pts
            except av.FFmpegError as error:
                self._damage.unconvertible(error)

    def _upright(self, frame: av.VideoFrame) -> np.ndarray:
        if (frame.width, frame.height) != self._stored_size:
            self._damage.resized()
            image = letterbox(frame, *self._stored_size)
        else:
            image = to_rgb(frame)
        return self._orientation.apply(image)

    def close(self) -> None:
        """Let go of the file; while another thread waits for a frame that does not come, leave it to the process's end."""
        if not self._closed and self._in_use.acquire(timeout=_CLOSE_SECONDS):
            try:
                self._closed = True
                self._container.close()
            finally:
                self._in_use.release()
