"""Packets moved from one file to another as they are, with their exact times: nothing is decoded or encoded."""

import heapq
import itertools
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av

from queryinst_vis.structures import VideoInfo
from queryinst_vis.video.base import VideoError
from queryinst_vis.video.codecs import Container
from queryinst_vis.video.encoder import rate_of, ticks_per_frame

_PACKETS_TO_SORT = 16  # the earliest pictures are among the first of these in decoding order


def create(path: Path, container: Container, options: dict[str, str]) -> "av.container.OutputContainer":
    """A media file opened for writing, whatever its name looks like."""
    return av.open(f"file:{path.absolute()}", "w", format=container.format, container_options=options)


def with_index_in_front(source: Path, target: Path, container: Container, info: VideoInfo) -> None:
    """Copy a file written in fragments into one with its index in front. FFmpegError, OSError."""
    with (
        av.open(f"file:{source.absolute()}") as fragments,
        create(target, container, container.when_complete(info.time_base)) as output,
    ):
        targets = {stream.index: add_stream_like(stream, output, info) for stream in fragments.streams}
        last: av.Packet | None = None  # of the pictures; its duration is not read back with every codec
        for packet in fragments.demux():
            if packet.size:
                is_picture = packet.stream.type == "video"
                packet.stream = targets[packet.stream.index]
                if is_picture:
                    packet, last = last, packet
                if packet is not None:
                    output.mux(packet)
        if last is not None:
            last.duration = round(ticks_per_frame(info) * info.time_base / last.time_base)
            output.mux(last)


def add_stream_like(template: "av.stream.Stream", output: "av.container.OutputContainer", info: VideoInfo) -> "av.stream.Stream":
    """A stream of an output that takes packets of `template`."""
    stream = output.add_stream_from_template(template, opaque=True)
    if template.type == "video":
        stream.codec_context.framerate = rate_of(info)  # which Matroska names
        if template.codec_context.name == "prores":  # the tag says which profile it is
            stream.codec_context.codec_tag = template.codec_context.codec_tag
    return stream


def is_playable(path: Path) -> bool:
    """Whether at least one picture can be read."""
    try:
        with av.open(f"file:{path.absolute()}") as container:
            return any(True for _ in container.decode(video=0))
    except (av.FFmpegError, OSError, IndexError):
        return False


class Spans:
    """Gives each packet the time until the next one as its duration, and so is one packet late.

    In fragments of MP4 a wrong duration of the last packet moves the first of the next fragment.
    """

    def __init__(self, step: int) -> None:
        """step: the duration of the last packet of all."""
        self._step = step
        self._held: av.Packet | None = None

    def until(self, packets: Iterable[av.Packet]) -> Iterator[av.Packet]:
        """Packets, in the order of their decoding times, up to the one before the last of these."""
        for packet in packets:
            if self._held is not None:
                self._held.duration = packet.dts - self._held.dts
                yield self._held
            self._held = packet

    def last(self) -> Iterator[av.Packet]:
        """The packet that is still held, if any."""
        held, self._held = self._held, None
        if held is not None:
            held.duration = self._step
            yield held


def joined_packets(
    segments: Sequence[tuple[Path, int]], target: "av.video.stream.VideoStream", time_base: Fraction, *, step: int, reorder: int
) -> Iterator[av.Packet]:
    """Packets of segments, each a file and the time where it begins, one after the other, as if encoded in one go.

    Decoding times of the parts would overlap; they are made anew as x264 makes them: sorted presentation times, `reorder` late.
    """
    packets = _packets_of(segments, target, time_base, step)
    first = list(itertools.islice(packets, _PACKETS_TO_SORT))
    waiting = _times_before(sorted(packet.pts for packet in first), step=step, reorder=reorder)
    for packet in itertools.chain(first, packets):
        packet.dts = heapq.heappushpop(waiting, packet.pts)
        yield packet


def _packets_of(
    segments: Sequence[tuple[Path, int]], target: "av.video.stream.VideoStream", time_base: Fraction, step: int
) -> Iterator[av.Packet]:
    for path, begin in segments:
        with av.open(f"file:{path.absolute()}") as container:
            for packet in container.demux(video=0):
                if packet.size:
                    packet.pts = begin + round(packet.pts * packet.time_base / time_base)
                    packet.duration, packet.time_base, packet.stream = step, time_base, target
                    yield packet


def _times_before(times: Sequence[int], *, step: int, reorder: int) -> list[int]:
    """Decoding times of the first `reorder` pictures, by the first sorted presentation times."""
    if len(times) <= reorder:
        return [times[0] - step * late for late in range(reorder, 0, -1)]
    delay = times[reorder] - times[0]
    return [time - delay for time in times[:reorder]]


def add_stream_of(
    segments: Sequence[Path], output: "av.container.OutputContainer", info: VideoInfo
) -> "av.video.stream.VideoStream":
    """A video stream that continues through all of the segments. VideoError: they were encoded differently."""
    headers = set()
    for path in segments:
        with av.open(f"file:{path.absolute()}") as container:
            headers.add(container.streams.video[0].codec_context.extradata)
    if len(headers) > 1:
        raise VideoError(f"the parts in {segments[0].parent} were encoded by different versions of PyAV; remove it to start anew")
    with av.open(f"file:{segments[0].absolute()}") as container:
        return add_stream_like(container.streams.video[0], output, info)
