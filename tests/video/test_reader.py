"""Videos in: every frame, upright, at its time; damage told; what is no video refused in one line."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from blobs import GREEN, RED, disc_image, two_discs, write_video

from queryinst_vis.video import VideoError, open_video

HW = (96, 128)


def read(path: Path):
    with open_video(path) as source:
        frames = list(source)
    return source, frames


def test_frames_come_in_order_with_their_pixels(tmp_path: Path):
    images = [two_discs(index) for index in range(12)]
    source, frames = read(write_video(tmp_path / "a.mp4", images))
    assert [frame.index for frame in frames] == list(range(12))
    assert [frame.time for frame in frames] == pytest.approx([index / 25 for index in range(12)])
    for frame, image in zip(frames, images, strict=True):
        assert np.abs(frame.image.astype(int) - image).mean() < 6
    assert source.problems == []


def test_facts_of_a_video(tmp_path: Path):
    source, _ = read(write_video(tmp_path / "a.mp4", [two_discs(index) for index in range(10)]))
    info = source.info
    assert (info.width, info.height, info.fps, info.num_frames) == (128, 96, Fraction(25), 10)
    assert info.duration == pytest.approx(0.4)
    assert info.sample_aspect_ratio == 1
    assert not info.full_range


def test_variable_frame_rate_is_exact(tmp_path: Path):
    pts = [0, 1, 7, 8, 30, 31, 90]
    path = write_video(tmp_path / "a.mp4", [two_discs(i) for i in range(7)], pts=pts, time_base=Fraction(1, 90))
    _, frames = read(path)
    assert [frame.pts * frame.time_base for frame in frames] == [Fraction(t, 90) for t in pts]


def turned(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Asks players to send stored (x, y) to (a x + c y, b x + d y), as phones do: writes a, b, c, d into the track's header."""
    data = bytearray(path.read_bytes())
    a, b, c, d = matrix
    start = data.index(struct.pack(">9i", ONE, 0, 0, 0, ONE, 0, 0, 0, 1 << 30), data.index(b"tkhd"))
    data[start : start + 36] = struct.pack(">9i", a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


ONE = 65536  # in 16.16
ORIENTATIONS = {
    "as stored": ((1, 0, 0, 1), "top left"),
    "mirrored": ((-1, 0, 0, 1), "top right"),
    "upside down mirrored": ((1, 0, 0, -1), "bottom left"),
    "half turn": ((-1, 0, 0, -1), "bottom right"),
    "clockwise": ((0, 1, -1, 0), "top right"),
    "counter-clockwise": ((0, -1, 1, 0), "bottom left"),
    "transposed": ((0, 1, 1, 0), "top left"),
    "transposed the other way": ((0, -1, -1, 0), "bottom right"),
}


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_turned_pixels_come_out_upright(tmp_path: Path, name: str):
    matrix, corner = ORIENTATIONS[name]
    path = turned(write_video(tmp_path / "a.mov", [disc_image((20, 20, 12, RED), hw=HW)] * 3), matrix)
    source, frames = read(path)
    height, width = HW if matrix[0] else HW[::-1]
    assert (source.info.height, source.info.width) == frames[0].image_hw == (height, width)
    y = 20 if "top" in corner else height - 21
    x = 20 if "left" in corner else width - 21
    assert frames[0].image[y, x, 0] > 200
    assert frames[0].image.flags.c_contiguous


@pytest.mark.parametrize("name", ["-dash.mp4", "with space.mp4", "per%cent:colon.mp4", "ünïcode.mp4"])
def test_odd_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    write_video(tmp_path / "a.mp4", [two_discs(0)] * 2).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert len(read(Path(name))[1]) == 2


def test_raw_stream_without_times_is_timed_by_its_rate(tmp_path: Path):
    path = write_video(tmp_path / "a.h264", [two_discs(index) for index in range(6)])
    source, frames = read(path)
    assert [frame.time for frame in frames] == pytest.approx([index / 25 for index in range(6)])
    assert source.problems == []


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_avi_whose_pictures_are_stored_in_another_order(tmp_path: Path, codec: str):
    """AVI knows no presentation times; what stood for them made sound files damaged and the motion jerky."""
    path = write_video(tmp_path / "a.avi", [two_discs(index) for index in range(12)], codec=codec)
    with av.open(str(path)) as container:
        assert codec == "mpeg4" or container.streams.video[0].codec_context.has_b_frames
    source, frames = read(path)
    assert [frame.time for frame in frames] == pytest.approx([index / 25 for index in range(12)])
    assert source.problems == []


def test_transport_stream_counts_from_its_start(tmp_path: Path):
    path = write_video(tmp_path / "a.ts", [two_discs(index) for index in range(6)])
    _, frames = read(path)
    assert [frame.time for frame in frames] == pytest.approx([index / 25 for index in range(6)])


def test_frames_of_another_size_are_fitted_to_the_first(tmp_path: Path):
    small, wide = write_video(tmp_path / "a.h264", [two_discs(0)] * 4), tmp_path / "b.h264"
    write_video(wide, [disc_image((100, 24, 20, GREEN), hw=(48, 200))] * 4)
    both = tmp_path / "c.h264"
    both.write_bytes(small.read_bytes() + wide.read_bytes())
    source, frames = read(both)
    assert [frame.image_hw for frame in frames] == [HW] * 8
    assert frames[7].image[48, 64, 1] > 200  # the disc in the middle, and black above it
    assert frames[7].image[5].max() < 40
    assert any("another size" in problem for problem in source.problems)


def test_full_range_is_told(tmp_path: Path):
    source, frames = read(write_video(tmp_path / "a.mp4", [np.full((32, 32, 3), 255, np.uint8)] * 2, pix_fmt="yuvj420p"))
    assert source.info.full_range
    assert frames[0].image.min() > 250


def damaged_copy(path: Path, start: float, stop: float) -> Path:
    """The same file with bytes between two fractions of its length overwritten."""
    data = bytearray(path.read_bytes())
    first, last = int(start * len(data)), int(stop * len(data))
    data[first:last] = np.random.default_rng(0).integers(0, 256, last - first, dtype=np.uint8).tobytes()
    copy = path.with_stem(path.stem + "_damaged")
    copy.write_bytes(data)
    return copy


def noise(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (*HW, 3), dtype=np.uint8) for _ in range(count)]


def test_damage_in_the_middle_is_delivered_around_and_told(tmp_path: Path):
    source, frames = read(damaged_copy(write_video(tmp_path / "a.mp4", noise(30)), 0.4, 0.45))
    assert 10 < len(frames) <= 30
    assert any("decode" in problem for problem in source.problems)
    times = [frame.time for frame in frames]
    assert times == sorted(set(times))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_file_that_ends_early_is_told(tmp_path: Path, suffix: str):
    path = write_video(
        tmp_path / f"a{suffix}", noise(75), container_options={"movflags": "+faststart"} if suffix == ".mp4" else None
    )
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    source, frames = read(path)
    assert 10 < len(frames) < 60
    assert any("ends early" in problem for problem in source.problems)


def test_leaving_early_is_no_damage(tmp_path: Path):
    with open_video(write_video(tmp_path / "a.mp4", noise(5))) as source:  # few: read to the end before the first picture comes
        next(iter(source))
        assert source.problems == []
    assert source.problems == []


def test_iterated_once(tmp_path: Path):
    with open_video(write_video(tmp_path / "a.mp4", noise(2))) as source:
        assert len(list(source)) == 2
        with pytest.raises(RuntimeError, match="once"):
            next(iter(source))


def sound_only(path: Path) -> None:
    write_video(path.with_suffix(".tmp.mp4"), [two_discs(0)] * 25, sound="aac")
    with av.open(str(path.with_suffix(".tmp.mp4"))) as both, av.open(str(path), "w") as output:
        stream = output.add_stream_from_template(both.streams.audio[0])
        for packet in both.demux(both.streams.audio[0]):
            if packet.size:
                packet.stream = stream
                output.mux(packet)


def sound_with_cover(path: Path) -> None:
    """A song with the picture of its album."""
    with av.open(str(path), "w", format="mp4") as output:
        cover = output.add_stream("mjpeg", rate=1)
        cover.width = cover.height = 32
        cover.pix_fmt = "yuvj420p"
        cover.disposition = Disposition.attached_pic.value
        output.mux(cover.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), dtype=np.uint8), format="rgb24")))
        output.mux(cover.encode(None))


def playlist(path: Path) -> None:
    write_video(path.with_suffix(".ts"), [two_discs(0)] * 3)
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{path.with_suffix('.ts')}\n#EXT-X-ENDLIST\n")


UNUSABLE = {
    "missing.mp4": (lambda path: None, "does not exist"),
    "folder.mp4": (Path.mkdir, "is a directory"),
    "empty.mp4": (lambda path: path.write_bytes(b""), "empty"),
    "text.txt": (lambda path: path.write_text("hello\n" * 500), "not a video"),
    "text.mp4": (lambda path: path.write_text("hello\n" * 500), "not a video"),
    "noise.mp4": (lambda path: path.write_bytes(np.random.default_rng(0).bytes(20000)), "not a video"),
    "sound.mp4": (sound_only, "no video stream"),
    "cover.m4a": (sound_with_cover, "no video stream"),
    "list.m3u8": (playlist, "not a video"),
    "concat.txt": (lambda path: path.write_text("ffconcat version 1.0\nfile other.mp4\n"), "not a video"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_what_is_no_video_is_refused_in_one_line(tmp_path: Path, name: str):
    make, expected = UNUSABLE[name]
    make(tmp_path / name)
    with pytest.raises(VideoError, match=expected) as caught:
        open_video(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


def test_nothing_decodable_is_refused(tmp_path: Path):
    path = write_video(tmp_path / "a.mp4", noise(5), container_options={"movflags": "+faststart"})
    data = bytearray(path.read_bytes())
    begin = data.index(b"mdat") + 4
    data[begin:] = bytes(len(data) - begin)
    path.write_bytes(data)
    with pytest.raises(VideoError, match="nothing could be decoded"):
        open_video(path)
