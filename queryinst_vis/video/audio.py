"""The sound of the source in the written video: copied where browsers play it, else encoded again, else dropped."""

import errno
import itertools
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av

from queryinst_vis.video.audio_packets import begin_of, copied, decoded, encoded
from queryinst_vis.video.base import VideoError, reason
from queryinst_vis.video.codecs import FRAGMENT, Container
from queryinst_vis.video.pyav import file_start, open_container

_PACKETS_TO_TRY = 50
_PACKETS_BEFORE = 64  # enough for any decoder to settle before the first sample that is used
_SECONDS_BEFORE = 1
_RATES = {
    "aac": (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350),
    "libopus": (48000, 24000, 16000, 12000, 8000),
}
_DISK_FULL = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}


class AudioTrack:
    """The first audio stream of a file, from a time on, put into an output container alongside its pictures.

    Times of the file count from its start, as those of `PyAVSource` do. `problem` is one line on what is lost, or None.
    """

    def __init__(
        self, path: Path, output: "av.container.OutputContainer", container: Container, *, start: Fraction = Fraction(0)
    ) -> None:
        """Adds a stream to `output` if there is sound that can be carried over. start: the second of the file that becomes 0."""
        self.problem: str | None = None
        self._output = output
        self._packets: Iterator[av.Packet] = iter(())
        self._next: av.Packet | None = None
        self._input = _open_near(path, start)
        if self._input.streams.audio:
            stream = self._input.streams.audio[0]
            if _decodes(path):
                self._packets = _lasting(self._carried(stream, container, start))
            else:
                self.problem = f"the sound was dropped: it cannot be decoded ({getattr(stream, 'name', None) or 'unknown codec'})"

    def _carried(self, stream: "av.audio.stream.AudioStream", container: Container, start: Fraction) -> Iterator[av.Packet]:
        zero = file_start(self._input) + start
        demuxed = (packet for packet in self._input.demux(stream) if packet.size)
        before: deque[av.Packet] = deque(maxlen=_PACKETS_BEFORE)
        for packet in demuxed:
            before.append(packet)
            if not start or begin_of(packet) >= zero:
                break
        else:
            return iter(())  # the sound ends earlier
        packets = itertools.chain(before, demuxed)
        begins_late = begin_of(packet) - zero > FRAGMENT  # silence goes first: fragments wait for all streams to have begun
        if _can_be_copied(stream, container) and not begins_late:
            return copied(packets, self._output.add_stream_from_template(stream), zero, cut=start > 0)
        rates = _RATES[container.sound]
        rate = max((r for r in rates if r <= stream.rate), default=rates[-1])
        encoder = self._output.add_stream(container.sound, rate=rate, layout="mono" if stream.channels == 1 else "stereo")
        return encoded(packets, encoder, zero, cut=start > 0, silence_first=begins_late)

    def write_until(self, seconds: Fraction) -> None:
        """Write the sound that begins before a time. OSError: the disk is full."""
        try:
            while (packet := self._next or next(self._packets, None)) is not None:
                self._next = packet
                if packet.pts * packet.time_base >= seconds:
                    return
                self._next = None
                self._output.mux(packet)
        except (av.FFmpegError, OSError, ValueError) as error:  # ValueError: another format from here on
            if getattr(error, "errno", None) in _DISK_FULL:
                raise
            self._packets, self._next = iter(()), None
            self.problem = f"the sound was dropped from {float(seconds):.1f} s on ({reason(error)})"

    def close(self) -> None:
        self._packets = iter(())
        self._input.close()


def _open_near(path: Path, start: Fraction) -> "av.container.InputContainer":
    """The file, to be read from a bit before a time on; from its beginning where it cannot be sought."""
    container = open_container(path)
    if start <= _SECONDS_BEFORE or not container.streams.audio:
        return container
    stream = container.streams.audio[0]
    time = file_start(container) + start
    ticks = int((time - _SECONDS_BEFORE) / stream.time_base)
    try:
        container.seek(ticks, stream=stream)
        if begin_of(next(container.demux(stream))) <= time:
            container.seek(ticks, stream=stream)
            return container
    except (av.FFmpegError, StopIteration):
        pass
    container.close()
    return open_container(path)


def _lasting(packets: Iterator[av.Packet]) -> Iterator[av.Packet]:
    """Packets, each lasting until the next: after a gap, too, the times of fragments then add up."""
    previous: av.Packet | None = None
    for packet in packets:
        if previous is not None:
            previous.duration = packet.pts - previous.pts
            yield previous
        previous = packet
    if previous is not None:
        yield previous


def _can_be_copied(stream: "av.audio.stream.AudioStream", container: Container) -> bool:
    """Whether browsers play the sound as it is, and the container may hold it."""
    codec = stream.codec_context.codec.canonical_name
    return codec in container.sounds and stream.rate >= container.sounds[codec]


def _decodes(path: Path) -> bool:
    """Whether the first packets of the sound give anything."""
    try:
        with open_container(path) as container:
            stream = container.streams.audio[0]
            if stream.codec_context is None:
                return False
            for packet in itertools.islice(container.demux(stream), _PACKETS_TO_TRY):
                if decoded(packet):
                    return True
    except (av.FFmpegError, VideoError):
        return False
    return False
