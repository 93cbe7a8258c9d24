"""What files may be made of: depth, range, alpha, odd sizes, pixels that are not square, several streams, unreadable metadata."""

import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from blobs import GREEN, RED, disc_image, two_discs, write_video

from queryinst_vis.video import Limits, VideoError, open_video
from queryinst_vis.video.container import packets_of
from queryinst_vis.video.pixels import to_rgb
from queryinst_vis.video.upright import letterbox


def read(path: Path, **options):
    with open_video(path, **options) as source:
        return source, list(source)


def gradient(height: int, width: int) -> np.ndarray:
    """Smooth colours, so that a coarse colour plane loses little."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 // max(width - 1, 1), y * 255 // max(height - 1, 1), np.full_like(x, 128)], axis=2).astype(np.uint8)


def write_frames(
    path: Path, frames: Sequence[av.VideoFrame], codec: str, *, options: dict[str, str] | None = None, **settings
) -> Path:
    """Encode frames as they are. settings: of the encoder's context."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=25, options=options or {})
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, frames[0].format.name
        for name, value in settings.items():
            setattr(stream.codec_context, name, value)
        for index, frame in enumerate(frames):
            frame.pts, frame.time_base = index, Fraction(1, 25)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "name"),
    [
        ("libx264", "yuv420p10le", "a.mp4"),
        ("libx265", "yuv420p10le", "a.mp4"),
        ("libx264", "yuv422p10le", "a.mkv"),
        ("libx264", "yuv444p", "a.mp4"),
        ("prores_ks", "yuv422p10le", "a.mov"),
        ("ffv1", "gbrp12le", "a.mkv"),
        ("mjpeg", "yuvj422p", "a.avi"),
    ],
)
def test_any_depth_and_sampling_becomes_8_bit_rgb(tmp_path: Path, codec: str, pix_fmt: str, name: str):
    image = gradient(64, 96)
    source, frames = read(write_video(tmp_path / name, [image] * 3, codec=codec, pix_fmt=pix_fmt))
    assert len(frames) == 3
    assert frames[0].image.dtype == np.uint8
    assert np.abs(frames[0].image.astype(int) - image).mean() < 4
    assert source.problems == []


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "gray"])
def test_full_and_limited_range_give_the_same_pixels(tmp_path: Path, pix_fmt: str, full: bool):
    white, black = (255, 0) if full else (235, 16)
    luma = np.repeat([white, black], 32)[:, None].repeat(64, axis=1)
    planes = luma if pix_fmt == "gray" else np.concatenate([luma, np.full((32, 64), 128)])
    frame = av.VideoFrame.from_ndarray(planes.astype(np.uint8), format=pix_fmt)
    path = write_frames(tmp_path / "a.mp4", [frame] * 2, "libx264", color_range=2 if full else 1)
    source, frames = read(path)
    assert source.info.full_range == full
    assert frames[0].image[:28].min() > 250
    assert frames[0].image[36:].max() < 5


@pytest.mark.parametrize(("height", "matrix", "green"), [(480, 2, "601"), (720, 2, "709"), (480, 1, "709"), (720, 5, "601")])
def test_colours_are_those_of_the_matrix_named_or_usual(tmp_path: Path, height: int, matrix: int, green: str):
    """Y, U, V of pure green by BT.601 and BT.709; a file that names none (2) is taken as players take its size."""
    y, u, v = {"601": (145, 54, 34), "709": (173, 42, 26)}[green]
    planes = np.concatenate([np.full(64 * height, y), np.full(16 * height, u), np.full(16 * height, v)]).astype(np.uint8)
    frame = av.VideoFrame.from_ndarray(planes.reshape(-1, 64), format="yuv420p")
    _, frames = read(write_frames(tmp_path / "a.mp4", [frame] * 2, "libx264", colorspace=matrix))
    assert np.abs(frames[0].image.astype(int) - (0, 255, 0)).max() <= 6


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "name"), [("ffv1", "bgra", "a.mkv"), ("libvpx-vp9", "yuva420p", "a.webm"), ("png", "rgba", "a.mov")]
)
def test_transparency_is_dropped_and_colours_stay(tmp_path: Path, codec: str, pix_fmt: str, name: str):
    rgba = np.dstack([gradient(64, 96), np.tile(np.arange(96, dtype=np.uint8) * 2, (64, 1))])
    frame = av.VideoFrame.from_ndarray(rgba, format="rgba").reformat(format=pix_fmt)
    _, frames = read(write_frames(tmp_path / name, [frame] * 2, codec))
    assert np.abs(frames[0].image.astype(int) - rgba[:, :, :3]).mean() < 6


MATRICES = [3, 8, 10, 14, 17, 200]


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("height", [96, 720])
def test_a_matrix_that_cannot_be_converted_is_taken_for_the_usual_one(tmp_path: Path, matrix: int, height: int):
    """A few recordings name one (YCgCo, BT.2020 of constant luminance), and one damaged byte suffices."""
    image = np.full((height, 64, 3), 128, np.uint8)
    frames = [av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p") for _ in range(2)]
    path = write_frames(tmp_path / "a.mp4", frames, "libx264", colorspace=1)
    with av.open(str(path)) as container:
        named = next(container.decode(video=0))
        named.colorspace = matrix
        assert np.abs(to_rgb(named).astype(int) - 128).max() <= 2
        named.color_range = 9
        assert np.abs(letterbox(named, 32, 32)[:, 16].astype(int) - 128).min() <= 2


def test_a_picture_that_cannot_be_converted_is_left_out_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    numbers = iter(range(100))

    def sometimes(frame):
        if next(numbers) == 3:
            raise av.OSError(95, "Operation not supported")
        return to_rgb(frame)

    monkeypatch.setattr("queryinst_vis.video.pyav.to_rgb", sometimes)
    source, frames = read(write_video(tmp_path / "a.mp4", [two_discs(index) for index in range(9)]))
    assert [round(frame.time * 25) for frame in frames] == [0, 1, 2, 4, 5, 6, 7, 8]
    assert [frame.index for frame in frames] == list(range(8))
    assert source.problems == ["1 frame could not be converted to RGB (Operation not supported)"]


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (33, 17), (127, 3), (96, 131), (2, 640)])
def test_odd_sizes(tmp_path: Path, size: tuple[int, int]):
    height, width = size
    image = gradient(height, width)
    source, frames = read(write_video(tmp_path / "a.mkv", [image] * 2, codec="ffv1", pix_fmt="bgr0"))
    assert (source.info.width, source.info.height) == (width, height)
    assert (frames[0].image == image).all()


def test_pixels_that_are_not_square_are_delivered_as_stored_and_told(tmp_path: Path):
    frame = av.VideoFrame.from_ndarray(two_discs(0), format="rgb24").reformat(format="yuv420p")
    path = write_frames(tmp_path / "a.mp4", [frame] * 2, "libx264", sample_aspect_ratio=Fraction(12, 11))
    source, frames = read(path)
    assert source.info.sample_aspect_ratio == Fraction(12, 11)
    assert frames[0].image_hw == (96, 128)


@pytest.mark.parametrize("name", ["a.mkv", "a.webm"])
def test_no_duration(tmp_path: Path, name: str):
    """As a recorder leaves it that could not go back to the file's head."""
    codec = "libvpx" if name == "a.webm" else "libx264"
    path = write_video(tmp_path / name, [two_discs(index) for index in range(9)], codec=codec, container_options={"live": "1"})
    source, frames = read(path)
    assert source.info.duration is None
    assert [round(frame.time * 25) for frame in frames] == list(range(9))
    assert source.problems == []


def test_of_two_video_streams_the_first_is_read(tmp_path: Path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as output:
        streams = [output.add_stream("libx264", rate=rate) for rate in (25, 10)]
        for stream, (width, height) in zip(streams, [(128, 96), (64, 48)], strict=True):
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index in range(10):
            for stream, colour in zip(streams, (RED, GREEN), strict=True):
                image = disc_image((30, 20, 12, colour), hw=(stream.height, stream.width))
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts, frame.time_base = index, 1 / Fraction(stream.average_rate)
                output.mux(stream.encode(frame))
        for stream in streams:
            output.mux(stream.encode(None))
    source, frames = read(path)
    assert [frame.image_hw for frame in frames] == [(96, 128)] * 10
    assert frames[0].image[20, 30, 0] > 200
    assert [round(frame.time * 25) for frame in frames] == list(range(10))
    assert source.problems == []


def test_metadata_that_is_not_utf8(tmp_path: Path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as output:
        output.metadata["title"] = "TITLE-HERE"
        stream = output.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        output.mux(stream.encode(av.VideoFrame.from_ndarray(two_discs(0), format="rgb24")))
        output.mux(stream.encode(None))
    path.write_bytes(path.read_bytes().replace(b"TITLE-HERE", b"\xff\xfe\x80\xa0\xe9TITL"))
    with pytest.raises(UnicodeDecodeError):
        av.open(str(path)).close()
    source, frames = read(path)
    assert (len(frames), source.problems) == (1, [])


def test_a_rate_that_is_the_clock_is_measured_instead(tmp_path: Path):
    with av.open(str(tmp_path / "a.mkv"), "w") as output:
        stream = output.add_stream("mpeg4", rate=1000)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for index in range(40):
            frame = av.VideoFrame.from_ndarray(two_discs(index), format="rgb24")
            frame.pts, frame.time_base = round(1000 * index / 30), Fraction(1, 1000)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    with av.open(str(tmp_path / "a.mkv")) as container:
        assert container.streams.video[0].average_rate == 1000
    with open_video(tmp_path / "a.mkv") as source:
        assert 29 < source.info.fps < 31


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_number_of_decoding_threads_changes_nothing(tmp_path: Path, threads: int):
    path = write_video(tmp_path / "a.mp4", [two_discs(index) for index in range(30)])
    expected = [frame.image.tobytes() for frame in read(path)[1]]
    _, frames = read(path, limits=Limits(decode_threads=threads))
    assert [frame.image.tobytes() for frame in frames] == expected


def test_streams_that_begin_later_do_not_break_the_end(tmp_path: Path):
    """PyAV fails at the end of a file with IndexError when a stream came that was not there at the beginning."""
    path = write_video(tmp_path / "a.ts", [two_discs(index) for index in range(200)])
    longer = write_video(tmp_path / "b.ts", [two_discs(index) for index in range(50)], sound="aac")
    path.write_bytes(path.read_bytes() + longer.read_bytes())
    _, frames = read(path)
    assert len(frames) > 200

    class Container:
        def demux(self):
            yield from (1, 2)
            raise IndexError("list index out of range")

    assert list(packets_of(Container())) == [1, 2]


LISTS = {
    "ffconcat": "ffconcat version 1.0\nfile 'secret.ts'\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.ts\n#EXT-X-ENDLIST\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
}


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("name", ["list.txt", "list.m3u8", "movie.mp4"])
def test_lists_open_no_other_file(tmp_path: Path, kind: str, name: str):
    write_video(tmp_path / "secret.ts", [two_discs(index) for index in range(30)])
    (tmp_path / name).write_text(LISTS[kind])
    with pytest.raises(VideoError, match=re.escape(f"{name} is not a video file but text, or a list of other files")):
        open_video(tmp_path / name)


def test_lists_are_read_where_they_are_allowed(tmp_path: Path):
    write_video(tmp_path / "part.ts", [two_discs(index) for index in range(30)])
    (tmp_path / "list.m3u8").write_text(LISTS["hls"].replace("secret", "part"))
    with pytest.raises(VideoError, match="list of other files"):
        open_video(tmp_path / "list.m3u8")
    _, frames = read(tmp_path / "list.m3u8", limits=Limits(allow_playlists=True))
    assert len(frames) == 30
