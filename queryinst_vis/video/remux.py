"""Packets moved from one file to another as they are, with their exact times: nothing is decoded or encoded."""

import heapq
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av

from queryinst_vis.video.base import VideoError
from queryinst_vis.video.codecs import Container


def create(path: Path, container: Container, options: dict[str, str]) -> "av.container.OutputContainer":
    """A media file opened for writing, whatever its name looks like."""
    return av.open(f"file:{path.absolute()}", "w", format=container.format, container_options=options)


def with_index_in_front(source: Path, target: Path, container: Container, time_base: Fraction) -> None:
    """Copy a file written in fragments into one with its index in front. FFmpegError, OSError."""
    with (
        av.open(f"file:{source.absolute()}") as fragments,
        create(target, container, container.when_complete(time_base)) as output,
    ):
        targets = {}
        for stream in fragments.streams:
            targets[stream.index] = output.add_stream_from_template(stream)
            targets[stream.index].time_base = stream.time_base
        for packet in fragments.demux():
            if packet.size:
                packet.stream = targets[packet.stream.index]
                output.mux(packet)


def is_playable(path: Path) -> bool:
    """Whether at least one picture can be read."""
    try:
        with av.open(f"file:{path.absolute()}") as container:
            return any(True for _ in container.decode(video=0))
    except (av.FFmpegError, OSError, IndexError):
        return False


def joined_packets(
    segments: Sequence[tuple[Path, int]], target: "av.video.stream.VideoStream", time_base: Fraction, *, step: int, reorder: int
) -> Iterator[av.Packet]:
    """Packets of segments, each a file and the time where it begins, one after the other, as if encoded in one go.

    Decoding times of the parts would overlap; they are made anew: sorted presentation times, `reorder` pictures late.
    """
    first = segments[0][1]
    waiting = [first - step * late for late in range(reorder, 0, -1)]
    for path, begin in segments:
        with av.open(f"file:{path.absolute()}") as container:
            for packet in container.demux(video=0):
                if packet.size:
                    pts = begin + round(packet.pts * packet.time_base / time_base)
                    packet.duration = max(round(packet.duration * packet.time_base / time_base), 1)
                    packet.pts, packet.dts, packet.time_base = pts, heapq.heappushpop(waiting, pts), time_base
                    packet.stream = target
                    yield packet


def add_stream_of(segments: Sequence[Path], output: "av.container.OutputContainer") -> "av.video.stream.VideoStream":
    """A video stream that continues through all of the segments. VideoError: they were encoded differently."""
    headers = set()
    for path in segments:
        with av.open(f"file:{path.absolute()}") as container:
            headers.add(container.streams.video[0].codec_context.extradata)
    if len(headers) > 1:
        raise VideoError(f"the parts in {segments[0].parent} were encoded by different versions of PyAV; remove it to start anew")
    with av.open(f"file:{segments[0].absolute()}") as container:
        return output.add_stream_from_template(container.streams.video[0])
