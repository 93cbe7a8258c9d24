"""The sound of the source in the written video: copied where browsers play it, else encoded again as AAC, else dropped."""

import itertools
import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av

from queryinst_vis.video.base import VideoError, reason
from queryinst_vis.video.pyav import file_start, open_container

_COPIED = {"aac", "mp3", "opus"}
_LEAST_MP3_RATE = 16000  # MP4 takes none below
_PACKETS_TO_TRY = 50
_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
_AAC_FRAME = 1024  # samples
_GAP = 0.1  # seconds of silence between packets that are no rounding


class AudioTrack:
    """The first audio stream of a file, put into an output container alongside its pictures.

    Times count from the start of the file, as those of `PyAVSource` do. `problem` is one line on what is lost, or None.
    """

    def __init__(self, path: Path, output: "av.container.OutputContainer") -> None:
        """Adds a stream to `output` if there is sound that can be carried over."""
        self.problem: str | None = None
        self._output = output
        self._packets: Iterator[av.Packet] = iter(())
        self._next: av.Packet | None = None
        self._input = open_container(path)
        if self._input.streams.audio:
            stream = self._input.streams.audio[0]
            if _decodes(path):
                self._packets = self._carried(stream)
            else:
                self.problem = f"the sound was dropped: it cannot be decoded ({getattr(stream, 'name', None) or 'unknown codec'})"

    def _carried(self, stream: "av.audio.stream.AudioStream") -> Iterator[av.Packet]:
        start = file_start(self._input)
        if _can_be_copied(stream, self._output.format.name):
            return _copied(self._input, stream, self._output.add_stream_from_template(stream), start)
        rate = max((r for r in _AAC_RATES if r <= stream.rate), default=_AAC_RATES[-1])
        encoder = self._output.add_stream("aac", rate=rate, layout="mono" if stream.channels == 1 else "stereo")
        return _encoded(self._input, stream, encoder, start)

    def write_until(self, seconds: Fraction) -> None:
        """Write the sound that begins before a time."""
        try:
            while (packet := self._next or next(self._packets, None)) is not None:
                self._next = packet
                if packet.pts * packet.time_base >= seconds:
                    return
                self._next = None
                self._output.mux(packet)
        except (av.FFmpegError, OSError, ValueError) as error:  # ValueError: another format from here on
            self._packets, self._next = iter(()), None
            self.problem = f"the sound was dropped from {float(seconds):.1f} s on ({reason(error)})"

    def close(self) -> None:
        self._packets = iter(())
        self._input.close()


def _can_be_copied(stream: "av.audio.stream.AudioStream", container: str) -> bool:
    """Whether browsers play the sound as it is, and the container ("mp4" or "mov") may hold it."""
    codec = stream.codec_context.codec.canonical_name
    allowed = {"opus": container == "mp4", "mp3": container == "mov" or stream.rate >= _LEAST_MP3_RATE}
    return codec in _COPIED and allowed.get(codec, True)


def _decodes(path: Path) -> bool:
    """Whether the first packets of the sound give anything."""
    try:
        with open_container(path) as container:
            stream = container.streams.audio[0]
            if stream.codec_context is None:
                return False
            for packet in itertools.islice(container.demux(stream), _PACKETS_TO_TRY):
                if _decoded(stream, packet):
                    return True
    except (av.FFmpegError, VideoError):
        return False
    return False


def _decoded(stream: "av.audio.stream.AudioStream", packet: av.Packet) -> list[av.AudioFrame]:
    try:
        return stream.codec_context.decode(packet)
    except av.FFmpegError:
        return []  # a gap in the sound


def _copied(
    container: "av.container.InputContainer",
    stream: "av.audio.stream.AudioStream",
    target: "av.audio.stream.AudioStream",
    start: Fraction,
) -> Iterator[av.Packet]:
    shift, last = round(start / stream.time_base), -math.inf
    for packet in container.demux(stream):
        if packet.size and packet.pts is not None and packet.pts > last:  # in a damaged file times may fall back
            last = packet.pts
            packet.pts = packet.dts = packet.pts - shift
            packet.stream = target
            yield packet


def _encoded(
    container: "av.container.InputContainer",
    stream: "av.audio.stream.AudioStream",
    target: "av.audio.stream.AudioStream",
    start: Fraction,
) -> Iterator[av.Packet]:
    context = target.codec_context
    resampler = av.AudioResampler(format="fltp", layout=context.layout, rate=context.sample_rate, frame_size=_AAC_FRAME)
    decoded = itertools.chain.from_iterable(_decoded(stream, packet) for packet in container.demux(stream))
    for frame in itertools.chain(_timed(decoded, start), [None]):
        for part in resampler.resample(frame):
            yield from target.encode(part)
    yield from target.encode(None)


def _timed(frames: Iterator[av.AudioFrame], start: Fraction) -> Iterator[av.AudioFrame]:
    """Frames whose times count samples from `start`; the file's own, often rounded or missing, only show where gaps are."""
    expected: int | None = None
    for frame in frames:
        rate = frame.sample_rate
        claimed = None if frame.pts is None else round((frame.pts * frame.time_base - start) * rate)
        if expected is None:
            expected = claimed or 0
        elif claimed is not None and claimed - expected > _GAP * rate:
            expected = claimed
        frame.pts, frame.time_base = expected, Fraction(1, rate)
        expected += frame.samples
        yield frame
