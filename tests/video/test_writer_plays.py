"""What is written plays in a browser: read from the file's bytes; colours by definition; times at any rate, beside sound."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from blobs import two_discs, write_video

from queryinst_vis.structures import VideoInfo
from queryinst_vis.video import VideoError, VideoWriter, open_video
from queryinst_vis.video.boxes import outermost_boxes
from queryinst_vis.video.codecs import CONTAINERS

INFO = VideoInfo(128, 96, Fraction(25), Fraction(1, 25))
KINDS = [(f"a{suffix}", codec) for suffix, container in CONTAINERS.items() for codec in container.codecs]
PARENTS = {"moov", "trak", "mdia", "minf", "stbl", "mvex", "edts"}


def boxes_in(data: bytes, path: str = "") -> Iterator[tuple[str, bytes]]:
    """All boxes by ISO/IEC 14496-12, with their path and content."""
    begin = 0
    while begin + 8 <= len(data):
        size, kind = int.from_bytes(data[begin : begin + 4], "big"), data[begin + 4 : begin + 8].decode("latin-1")
        assert size >= 8
        yield f"{path}/{kind}", data[begin + 8 : begin + size]
        if kind in PARENTS:
            yield from boxes_in(data[begin + 8 : begin + size], f"{path}/{kind}")
        begin += size


def write(path: Path, info: VideoInfo = INFO, *, num_frames: int = 10, **options) -> Path:
    """Two discs."""
    with VideoWriter(path, info, **options) as writer:
        for index in range(num_frames):
            writer.write(two_discs(index)[: info.height, : info.width], index)
    return path


def test_plays_in_a_browser(tmp_path: Path):
    """AVC with parameter sets in front, 8 bits 4:2:0, BT.709, index in front, no fragments, no rotation."""
    source = write_video(tmp_path / "source.mp4", [two_discs(0)] * 50, sound="aac")
    path = write(tmp_path / "a.mp4", num_frames=50, audio_from=source)
    kinds = [box.kind for box in outermost_boxes(path)]
    assert kinds[:2] == ["ftyp", "moov"]
    assert kinds.index("moov") < kinds.index("mdat")
    assert "moof" not in kinds
    boxes = list(boxes_in(path.read_bytes()))
    content = dict(boxes)
    assert content["/ftyp"][:4] == b"isom"
    assert "/moov/mvex" not in content
    tracks = [data for name, data in boxes if name.endswith("/stsd")]
    pictures, sound = tracks
    assert pictures[12:16] == b"avc1"
    assert sound[12:16] == b"mp4a"
    settings = pictures.index(b"avcC") + 4
    profile, level = pictures[settings + 1], pictures[settings + 3]
    assert profile in (66, 77, 100)  # baseline, main, high: 8 bits, 4:2:0
    assert level <= 52
    colours = pictures.index(b"colr") + 4
    assert pictures[colours : colours + 4] == b"nclx"
    assert [int.from_bytes(pictures[at : at + 2], "big") for at in range(colours + 4, colours + 10, 2)] == [1, 1, 1]
    assert pictures[colours + 10] == 0  # limited range
    heads = [data for name, data in boxes if name.endswith("/tkhd")]
    upright = b"".join(number.to_bytes(4, "big") for number in (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30))
    assert all(upright in head for head in heads)


def test_while_it_is_written_it_is_a_chain_of_fragments(tmp_path: Path):
    with VideoWriter(tmp_path / "a.mp4", INFO) as writer:
        for index in range(60):
            writer.write(two_discs(index % 30), index)
        kinds = [box.kind for box in outermost_boxes(tmp_path / "a.mp4.part")]
    assert kinds[:2] == ["ftyp", "moov"]
    assert kinds[2:] == ["moof", "mdat"] * ((len(kinds) - 2) // 2)
    assert len(kinds) >= 12


@pytest.mark.parametrize(("name", "codec"), [kind for kind in KINDS if kind[0].endswith(("mkv", "webm"))])
def test_the_index_of_matroska_is_in_front(tmp_path: Path, name: str, codec: str):
    data = write(tmp_path / name, num_frames=60, codec=codec).read_bytes()
    cues, cluster = b"\x1c\x53\xbb\x6b", b"\x1f\x43\xb6\x75"
    assert data.rindex(cues) < data.index(cluster)


@pytest.mark.parametrize(("name", "codec"), KINDS)
def test_the_rate_and_the_profile_are_named(tmp_path: Path, name: str, codec: str):
    """Matroska named none once its index was in front, so some took it for thousands; ProRes 422 passed for ProRes 422 HQ."""
    with VideoWriter(tmp_path / name, VideoInfo(128, 96, Fraction(25, 2), Fraction(1, 90000)), codec=codec) as writer:
        for index in range(10):
            writer.write(two_discs(index), 7200 * index)
    with av.open(str(tmp_path / name)) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == Fraction(25, 2)
        if codec == "prores":
            assert (stream.codec_context.codec_tag, stream.codec_context.profile) == ("apcn", "Standard")


def rgb_by_definition(frame: av.VideoFrame) -> np.ndarray:
    """float [H, W, 3] by ITU-R BT.709, section 3, limited range, from the planes as they are; values 0 to 255."""
    bits = frame.format.components[0].bits
    planes = []
    for plane, part in zip(frame.planes, frame.format.components, strict=True):
        row = np.frombuffer(plane, dtype=np.uint8 if bits == 8 else np.uint16).reshape(part.height, -1)[:, : part.width]
        planes.append(row.astype(float) / 2 ** (bits - 8))
    y, cb, cr = (np.kron(p, np.ones((frame.height // p.shape[0], frame.width // p.shape[1]))) for p in planes)
    y, cb, cr = (y - 16) / 219, (cb - 128) / 224, (cr - 128) / 224
    red, blue = y + 2 * (1 - 0.2126) * cr, y + 2 * (1 - 0.0722) * cb
    green = (y - 0.2126 * red - 0.0722 * blue) / 0.7152
    return 255 * np.stack((red, green, blue), axis=-1)


@pytest.mark.parametrize("height", [96, 720])
@pytest.mark.parametrize(("name", "codec"), [kind for kind in KINDS if not kind[0].endswith(("m4v", "webm"))])
def test_red_stays_red(tmp_path: Path, name: str, codec: str, height: int):
    """Whatever the height, which some take for a hint at the matrix; the tags say what the numbers are."""
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (200, 30, 120), (255, 255, 255), (0, 0, 0)]
    image = np.repeat(np.repeat(np.array([colours], dtype=np.uint8), height, axis=0), 32, axis=1)
    with VideoWriter(tmp_path / name, fps=25, codec=codec) as writer:
        for _ in range(3):
            writer.write(image)
    with av.open(str(tmp_path / name)) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc) == (1, 1, 1)
        assert context.color_range in (0, 1)  # not said is limited
        defined = rgb_by_definition(next(container.decode(video=0)))[height // 2, 16::32]
    assert np.abs(defined - colours).max() <= 8
    with open_video(tmp_path / name) as source:
        read = next(iter(source)).image[height // 2, 16::32]
    assert np.abs(read.astype(int) - colours).max() <= 8


@pytest.mark.parametrize("hw", [(1, 1), (17, 33), (33, 17), (2, 1)])
@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "h264"), ("a.mp4", "av1"), ("a.webm", "vp9"), ("a.mov", "prores")])
def test_odd_sizes_with_every_codec(tmp_path: Path, name: str, codec: str, hw: tuple[int, int]):
    """Nothing else changes: what was there stays where it was, the last column and row are there twice."""
    if codec == "av1" and max(hw) <= 2:
        with (
            pytest.raises(VideoError, match=r"cannot write .* \(av1, "),
            VideoWriter(tmp_path / name, fps=25, codec=codec) as writer,
        ):
            writer.write(np.zeros((*hw, 3), dtype=np.uint8))
        assert not list(tmp_path.iterdir())
        return
    image = np.zeros((*hw, 3), dtype=np.uint8)
    image[: hw[0] // 2 + 1] = 200
    with VideoWriter(tmp_path / name, fps=25, codec=codec) as writer:
        for _ in range(3):
            writer.write(image)
    with open_video(tmp_path / name) as source:
        frame = next(iter(source)).image.astype(int)
    padded = np.pad(image, ((0, hw[0] % 2), (0, hw[1] % 2), (0, 0)), mode="edge")
    assert frame.shape == padded.shape
    assert np.abs(frame - padded).mean() <= 8


@pytest.mark.parametrize("fps", [None, Fraction(1000), Fraction(90000), Fraction(1, 10)])
@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "h264"), ("a.mp4", "av1"), ("a.webm", "vp9"), ("a.mov", "prores")])
def test_rates_that_are_missing_or_a_clock(tmp_path: Path, name: str, codec: str, fps: Fraction | None):
    """Pictures of cameras that begin late and come as they please."""
    times = [5, 40, 95, 120, 10**6]
    with VideoWriter(tmp_path / name, VideoInfo(128, 96, fps, Fraction(1, 1000)), codec=codec) as writer:
        for index, pts in enumerate(times):
            writer.write(two_discs(index), pts)
    with av.open(str(tmp_path / name)) as container:
        assert [frame.pts * frame.time_base for frame in container.decode(video=0)] == [Fraction(pts, 1000) for pts in times]


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "h264"), ("a.mov", "h264"), ("a.mov", "prores"), ("a.mp4", "av1")])
@pytest.mark.parametrize("sound", ["aac", "flac"])
def test_times_are_exact_beside_sound(tmp_path: Path, name: str, codec: str, sound: str):
    """Where the sound began a new fragment, the next picture came where the last one would have ended at a steady rate."""
    source = write_video(tmp_path / "source.mkv", [two_discs(0)] * 100, sound=sound)
    times = np.cumsum(np.random.default_rng(1).integers(300, 9000, 60)).tolist()
    with VideoWriter(
        tmp_path / name, VideoInfo(128, 96, Fraction(25), Fraction(1, 90000)), codec=codec, audio_from=source
    ) as writer:
        for index, pts in enumerate(times):
            writer.write(two_discs(index), pts)
        at_hand = tmp_path / f"{name}.part"
        with av.open(f"file:{at_hand}") as container:
            early = [frame.pts * frame.time_base for frame in container.decode(video=0)]
    exact = [Fraction(pts, 90000) for pts in times]
    assert len(early) >= 30
    assert set(early) <= set(exact)
    with av.open(str(tmp_path / name)) as container:
        assert [frame.pts * frame.time_base for frame in container.decode(video=0)] == exact


def test_a_gap_in_the_sound_stays_where_it_was(tmp_path: Path):
    whole = write_video(tmp_path / "whole.mp4", [two_discs(0)] * 100, sound="aac")
    source = tmp_path / "source.mp4"
    with av.open(str(whole)) as container, av.open(str(source), "w") as output:
        targets = [output.add_stream_from_template(stream) for stream in container.streams]
        for packet in container.demux():
            if packet.size and not (packet.stream.type == "audio" and 1 < packet.pts * packet.time_base < 2.5):
                packet.stream = targets[packet.stream.index]
                output.mux(packet)
    write(tmp_path / "a.mp4", num_frames=100, audio_from=source)
    heard = []
    for path in (source, tmp_path / "a.mp4"):
        with av.open(str(path)) as container:
            heard.append([packet.pts * packet.time_base for packet in container.demux(audio=0) if packet.size])
    assert heard[1] == heard[0][: len(heard[1])]
    assert max(later - earlier for earlier, later in zip(heard[1], heard[1][1:], strict=False)) > 1.4


@pytest.mark.parametrize("time_base", [Fraction(1, 1_000_000), Fraction(1, 90000), Fraction(1, 25)])
@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "h264"), ("a.mp4", "vp9"), ("a.mov", "prores"), ("a.mkv", "h264")])
def test_a_camera_that_is_away_for_days(tmp_path: Path, name: str, codec: str, time_base: Fraction):
    """A picture that is shown for longer than MP4 can say made the writing fail; it is written again instead."""
    step, gap = int(Fraction(1, 25) / time_base), int(3 * 86400 / time_base)
    times = [step * index + (gap if index >= 10 else 0) for index in range(20)]
    with VideoWriter(tmp_path / name, VideoInfo(128, 96, Fraction(25), time_base), codec=codec) as writer:
        for index, pts in enumerate(times):
            writer.write(two_discs(index), pts)
    with av.open(str(tmp_path / name)) as container:
        shown = [frame.pts * frame.time_base for frame in container.decode(video=0)]
    exact = [pts * time_base for pts in times]
    assert shown[:10] == exact[:10]
    assert shown[-10:] == exact[-10:]
    assert len(shown) < 1200
