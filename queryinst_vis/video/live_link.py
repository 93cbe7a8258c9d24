"""One connection to a stream on the network, through PyAV. It ends or breaks; what then happens is up to `live_frames`."""

import itertools
import time
from collections.abc import Iterator, Mapping
from fractions import Fraction

import av
from av.codec.hwaccel import HWAccel

from queryinst_vis.structures import VideoInfo
from queryinst_vis.video.base import Limits, VideoError, reason
from queryinst_vis.video.hardware import hardware, tell_if_software
from queryinst_vis.video.upright import orientation_of
from queryinst_vis.video.url import allowed_protocols, mask_url

TICKS = Fraction(1, 90_000)  # for streams without a clock, and those whose ticks are too coarse to tell two arrivals apart
_COARSE = Fraction(1, 1000)
PLAUSIBLE_FPS = 240
_UNTIMED = {"mpjpeg", "mjpeg", "jpeg_pipe", "h264", "hevc", "m4v", "mpegvideo"}  # FFmpeg makes up 25 pictures a second there
_ALL_CORES_ABOVE = 1920 * 1088  # pixels: decoding on all cores delivers some pictures later, and is needed only from here on
# Three pictures tell the rate: waiting for FFmpeg's usual number of them would delay every connection by most of a second.
_DEFAULTS = {"rtsp_flags": "prefer_tcp", "analyzeduration": "2000000", "fpsprobesize": "3"}


class StreamLink:
    """Pictures of one connection. VideoError, without the address: no answer, no picture, or silence for too long."""

    def __init__(self, url: str, *, open_timeout: float, read_timeout: float, limits: Limits, options: Mapping[str, str]) -> None:
        """limits: its `max_pixels` and `hwaccel`."""
        self._read_timeout, self._limits = read_timeout, limits
        self.num_undecodable = 0
        guards = {"max_pixels": str(limits.max_pixels), **allowed_protocols()}
        device = hardware(limits.hwaccel)
        self._container = _open(url, (open_timeout, read_timeout), {**_DEFAULTS, **options, **guards}, device)
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        if not self._container.streams.video:
            raise VideoError("there is no video in it")
        self._stream = self._container.streams.video[0]
        if self._stream.codec_context is None:
            raise VideoError("there is no decoder for its video")
        self._limits.check_size("its video", self._stream.width, self._stream.height)
        self._stream.codec_context.options = {"max_pixels": str(self._limits.max_pixels)}
        self.is_recording = self._container.duration is not None
        large = self._stream.width * self._stream.height > _ALL_CORES_ABOVE
        self._stream.thread_type = "AUTO" if large or self.is_recording else "SLICE"
        self._decoded = self._decode()
        first = next(self._decoded, None)
        if first is None:
            raise VideoError("it ended before the first picture")
        tell_if_software(self._limits.hwaccel, self._stream.codec_context)
        self._decoded = itertools.chain([first], self._decoded)
        self.is_timed = self._container.format.name not in _UNTIMED
        self.orientation = orientation_of(first)
        self.info = self._describe(first)
        start = Fraction(self._container.start_time or 0, av.time_base)
        self.start = round(start / self.info.time_base)

    def _describe(self, first: av.VideoFrame) -> VideoInfo:
        stream, duration = self._stream, self._container.duration
        width, height, aspect = first.width, first.height, Fraction(stream.sample_aspect_ratio or 1)
        if self.orientation.transpose:
            width, height, aspect = height, width, 1 / aspect
        rates = [rate for rate in (stream.average_rate, stream.guessed_rate) if rate and rate <= PLAUSIBLE_FPS]
        ticks = Fraction(stream.time_base or TICKS)
        return VideoInfo(
            width=width,
            height=height,
            fps=Fraction(rates[0]) if rates and self.is_timed else None,
            time_base=ticks if ticks <= _COARSE and self.is_timed else TICKS,
            num_frames=stream.frames or None,
            duration=None if duration is None else duration / av.time_base,
            sample_aspect_ratio=aspect,
            full_range=first.color_range == av.video.reformatter.ColorRange.JPEG,
        )

    def resume(self, after: Fraction) -> None:
        """Go on behind a time of a recording, in seconds of its own clock. VideoError: closed, it cannot."""
        try:
            self._container.seek(max(int(after * av.time_base), 0))
        except (av.FFmpegError, OSError) as error:
            self.close()
            raise VideoError(mask_url(reason(error))) from None
        self._decoded = (frame for frame in self._decode() if (seconds := time_of(frame)) is None or seconds > after)

    def frames(self) -> Iterator[av.VideoFrame]:
        """Pictures as they arrive, until the other side ends the stream."""
        return iter(self._decoded)

    def _decode(self) -> Iterator[av.VideoFrame]:
        last = time.monotonic()
        for packet in self._packets():
            try:
                frames = packet.decode()
            except av.FFmpegError:
                self.num_undecodable += 1
                frames = []
            for frame in frames:
                yield frame
                last = time.monotonic()
            if time.monotonic() - last > self._read_timeout:
                raise VideoError(f"no picture for {self._read_timeout:g} s")

    def _packets(self) -> Iterator[av.Packet]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except av.ExitError:
                raise VideoError(f"silent for {self._read_timeout:g} s") from None
            except (av.FFmpegError, OSError) as error:
                raise VideoError(mask_url(reason(error))) from None
            if packet is None:
                return
            yield packet

    def close(self) -> None:
        """End the connection."""
        self._container.close()


def time_of(frame: av.VideoFrame) -> Fraction | None:
    """Seconds on the stream's clock; None when the stream did not say."""
    return None if frame.pts is None or frame.time_base is None else frame.pts * frame.time_base


def _open(
    url: str, timeouts: tuple[float, float], options: dict[str, str], device: HWAccel | None
) -> "av.container.InputContainer":
    begun = time.monotonic()
    try:
        return av.open(url, options=options, timeout=timeouts, metadata_errors="replace", hwaccel=device)
    except (av.FFmpegError, OSError, ValueError) as error:
        if time.monotonic() - begun >= timeouts[0]:  # RTSP and others give odd reasons then
            raise VideoError(f"no answer within {timeouts[0]:g} s") from None
        raise VideoError(mask_url(reason(error))) from None
