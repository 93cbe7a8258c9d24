"""Parts of a video, encoded one by one, become one file without encoding: exact times, index in front, sound along it."""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av

from queryinst_vis.outputs import part_of
from queryinst_vis.structures import VideoInfo
from queryinst_vis.video.audio import AudioTrack
from queryinst_vis.video.base import VideoError, reason
from queryinst_vis.video.codecs import CODECS, Container, container_for
from queryinst_vis.video.encoder import ticks_per_frame
from queryinst_vis.video.remux import Spans, add_stream_of, create, joined_packets
from queryinst_vis.video.writer import check_output


def begin_of_part(part: Path) -> int:
    """Ticks at which a part NUMBER_TIME.mp4 begins."""
    return int(part.stem.split("_")[1])


def num_pictures(part: Path) -> int:
    """How many pictures a part holds, decodable or not. FFmpegError, OSError."""
    with av.open(f"file:{part.absolute()}") as container:  # without an index in front, if the disk was full, they are counted
        return container.streams.video[0].frames or sum(packet.size > 0 for packet in container.demux(video=0))


def last_time(part: Path) -> Fraction:
    """Seconds from the begin of a part to its last picture. FFmpegError, OSError, ValueError: it holds none."""
    with av.open(f"file:{part.absolute()}") as container:
        return max(packet.pts * packet.time_base for packet in container.demux(video=0) if packet.size)


def join_parts(
    parts: Sequence[Path],
    path: Path,
    info: VideoInfo,
    *,
    codec: str,
    audio_from: Path | None,
    audio_start: Fraction,
    overwrite: bool,
) -> list[str]:
    """Make `path` from parts; returns what could not be carried over, a line each. UserError: the file cannot be written."""
    path, folder = check_output(path, overwrite=overwrite, codec=codec), parts[0].parent
    container = container_for(path, codec)
    try:
        with create(part_of(path), container, container.when_complete(info.time_base)) as output:
            target = add_stream_of(parts, output, info)
            target.time_base = info.time_base
            packets = _packets(parts, target, info, codec, container)
            if audio_from is None:
                problem = _mux(packets, output, None, info)
            else:
                with closing(AudioTrack(audio_from, output, container, start=audio_start)) as audio:
                    problem = _mux(packets, output, audio, info)
        os.replace(part_of(path), path)
    except (av.FFmpegError, OSError) as error:
        raise VideoError(f"cannot write {path}: {reason(error)}; its parts are kept in {folder}") from None
    finally:
        part_of(path).unlink(missing_ok=True)
    return [problem] if problem else []


def _packets(
    parts: Sequence[Path], target: "av.video.stream.VideoStream", info: VideoInfo, codec: str, container: Container
) -> Iterator[av.Packet]:
    step = ticks_per_frame(info)
    begins = [(part, begin_of_part(part)) for part in parts]
    packets = joined_packets(begins, target, info.time_base, step=step, reorder=CODECS[codec].reorder)
    if not container.has_fragments:
        yield from packets
        return
    spans = Spans(step)
    yield from spans.until(packets)
    yield from spans.last()


def _mux(
    packets: Iterator[av.Packet], output: "av.container.OutputContainer", audio: AudioTrack | None, info: VideoInfo
) -> str | None:
    output.start_encoding()
    end = 0
    for packet in packets:
        end = max(end, packet.pts + ticks_per_frame(info))
        if audio:
            audio.write_until(packet.dts * info.time_base)
        output.mux(packet)
    if audio:
        audio.write_until(end * info.time_base)
    return audio.problem if audio else None
