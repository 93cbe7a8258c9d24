"""Packets of sound for an output: those of the source with times moved, or encoded again with times that count samples."""

import itertools
import math
from collections.abc import Iterable, Iterator
from fractions import Fraction

import av
import numpy as np
from av.bitstream import BitStreamFilterContext

_FRAME_SIZES = {"aac": 1024, "libopus": 960}  # samples
_GAP = 0.1  # seconds of silence between packets that are no rounding


def begin_of(packet: av.Packet) -> Fraction:
    """Seconds at which a packet begins by the file's clock; 0 where it does not say."""
    return Fraction(0) if packet.pts is None else packet.pts * packet.time_base


def decoded(packet: av.Packet) -> list[av.AudioFrame]:
    """What a packet holds; nothing where it is damaged."""
    try:
        return packet.stream.codec_context.decode(packet)
    except av.FFmpegError:
        return []  # a gap in the sound


def copied(
    packets: Iterable[av.Packet], target: "av.audio.stream.AudioStream", zero: Fraction, *, cut: bool
) -> Iterator[av.Packet]:
    """Packets with the time `zero` moved to 0. cut: without those that begin earlier."""
    last = -math.inf
    for packet in _with_one_header(packets):
        if packet.pts is None or packet.pts <= last or (cut and begin_of(packet) < zero):  # in a damaged file times fall back
            continue
        last = packet.pts
        packet.pts = packet.dts = packet.pts - round(zero / packet.time_base)
        packet.stream = target
        yield packet


def _with_one_header(packets: Iterable[av.Packet]) -> Iterator[av.Packet]:
    """AAC of broadcasts repeats its header in every packet; files that are written in fragments do not take that."""
    repeated: BitStreamFilterContext | None = None
    for packet in packets:
        context = packet.stream.codec_context
        if context.codec.canonical_name != "aac" or context.extradata:
            yield packet
            continue
        repeated = repeated or BitStreamFilterContext("aac_adtstoasc", packet.stream)
        yield from repeated.filter(packet)


def encoded(
    packets: Iterable[av.Packet], target: "av.audio.stream.AudioStream", zero: Fraction, *, cut: bool, silence_first: bool
) -> Iterator[av.Packet]:
    """Packets encoded anew, the time `zero` moved to 0.

    cut: without the samples before it. silence_first: with a moment of silence at 0.
    """
    context = target.codec_context
    size = _FRAME_SIZES[context.codec.name]
    resampler = av.AudioResampler(format=context.format, layout=context.layout, rate=context.sample_rate, frame_size=size)
    frames = _timed(itertools.chain.from_iterable(map(decoded, packets)), zero)
    if cut:
        frames = _from_zero(frames)
    if silence_first:
        frames = _after_silence(frames)
    for frame in itertools.chain(frames, [None]):
        for part in resampler.resample(frame):
            yield from target.encode(part)
    yield from target.encode(None)


def _timed(frames: Iterator[av.AudioFrame], zero: Fraction) -> Iterator[av.AudioFrame]:
    """Frames whose times count samples from `zero`; the file's own, often rounded or missing, only show where gaps are."""
    expected: int | None = None
    for frame in frames:
        rate = frame.sample_rate
        claimed = None if frame.pts is None else round((frame.pts * frame.time_base - zero) * rate)
        if expected is None:
            expected = claimed or 0
        elif claimed is not None and claimed - expected > _GAP * rate:
            expected = claimed
        frame.pts, frame.time_base = expected, Fraction(1, rate)
        expected += frame.samples
        yield frame


def _from_zero(frames: Iterator[av.AudioFrame]) -> Iterator[av.AudioFrame]:
    """Frames without the samples before time 0."""
    for frame in frames:
        if frame.pts >= 0:
            yield frame
        elif frame.pts + frame.samples > 0:
            late = -frame.pts * (1 if frame.format.is_planar else frame.layout.nb_channels)
            yield _like(frame, frame.to_ndarray()[:, late:])


def _after_silence(frames: Iterator[av.AudioFrame]) -> Iterator[av.AudioFrame]:
    """Frames, the first of them preceded by a short silent one at time 0."""
    for first in itertools.islice(frames, 1):
        samples = first.to_ndarray()
        yield _like(first, np.full_like(samples, 128 if samples.dtype == np.uint8 else 0))
        yield first
    yield from frames


def _like(frame: av.AudioFrame, samples: np.ndarray) -> av.AudioFrame:
    """A frame at time 0 with other samples, as `to_ndarray` gives them."""
    result = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format=frame.format.name, layout=frame.layout.name)
    result.sample_rate, result.pts, result.time_base = frame.sample_rate, 0, frame.time_base
    return result
