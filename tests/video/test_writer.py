"""Videos out: what browsers play, with the source's times and sound, and never half a file under the final name."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from blobs import two_discs, write_video

from queryinst_vis.errors import UserError
from queryinst_vis.structures import VideoInfo
from queryinst_vis.video import VideoError, VideoWriter, open_video

INFO = VideoInfo(width=128, height=96, fps=Fraction(25), time_base=Fraction(1, 25))


def copy(source: Path, target: Path, *, max_frames: int | None = None) -> list[str]:
    """The tool's way through reader and writer; returns the writer's problems."""
    with open_video(source) as frames, VideoWriter(target, frames.info, audio_from=source) as writer:
        for frame in frames:
            if frame.index == max_frames:
                break
            writer.write(frame.image, frame.pts)
    return writer.problems


def test_plays_in_a_browser(tmp_path: Path):
    with VideoWriter(tmp_path / "a.mp4", INFO) as writer:
        for index in range(10):
            writer.write(two_discs(index), index)
    with av.open(str(tmp_path / "a.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt, context.width, context.height) == ("h264", "yuv420p", 128, 96)
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 1, 1)
        assert container.streams.video[0].frames == 10
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_colours_survive(tmp_path: Path):
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (200, 30, 120), (255, 255, 255), (0, 0, 0)]
    image = np.repeat(np.repeat(np.array([colours], dtype=np.uint8), 96, axis=0), 32, axis=1)
    with VideoWriter(tmp_path / "a.mp4", VideoInfo(192, 96, Fraction(25), Fraction(1, 25))) as writer:
        for index in range(3):
            writer.write(image, index)
    with open_video(tmp_path / "a.mp4") as source:
        seen = next(iter(source)).image[48, 16::32]
    assert np.abs(seen.astype(int) - colours).max() <= 6


@pytest.mark.parametrize("time_base", [Fraction(1, 90000), Fraction(1, 1000), Fraction(1001, 24000), Fraction(1, 1200000)])
def test_times_of_the_source_are_kept(tmp_path: Path, time_base: Fraction):
    pts = [0, *np.cumsum(np.random.default_rng(0).integers(1, 5000, 20)).tolist()]
    with VideoWriter(tmp_path / "a.mp4", VideoInfo(128, 96, Fraction(25), time_base)) as writer:
        for index, time in enumerate(pts):
            writer.write(two_discs(index), time)
    with open_video(tmp_path / "a.mp4") as source:
        assert [f.pts * f.time_base for f in source] == [t * time_base for t in pts]


@pytest.mark.parametrize("hw", [(1, 1), (2, 3), (95, 127), (64, 63)])
def test_odd_sizes_grow_by_their_last_row_and_column(tmp_path: Path, hw: tuple[int, int]):
    image = np.full((*hw, 3), 180, dtype=np.uint8)
    with VideoWriter(tmp_path / "a.mp4", VideoInfo(hw[1], hw[0], Fraction(25), Fraction(1, 25))) as writer:
        for index in range(3):
            writer.write(image, index)
    with open_video(tmp_path / "a.mp4") as source:
        frame = next(iter(source))
    assert frame.image_hw == (hw[0] + hw[0] % 2, hw[1] + hw[1] % 2)
    assert np.abs(frame.image.astype(int) - 180).max() <= 4


def test_pixels_that_are_no_squares_stay_so(tmp_path: Path):
    info = VideoInfo(128, 96, Fraction(25), Fraction(1, 25), sample_aspect_ratio=Fraction(12, 11))
    with VideoWriter(tmp_path / "a.mp4", info) as writer:
        writer.write(two_discs(0), 0)
    with open_video(tmp_path / "a.mp4") as source:
        assert source.info.sample_aspect_ratio == Fraction(12, 11)


@pytest.mark.parametrize(
    ("container", "codec", "expected"),
    [
        ("mp4", "aac", "aac"),
        ("mp4", "libmp3lame", "mp3float"),
        ("mkv", "libopus", "opus"),
        ("ts", "aac", "aac"),
        ("mkv", "ac3", "aac"),
        ("mov", "pcm_s16le", "aac"),
        ("avi", "pcm_s16le", "aac"),
        ("mkv", "flac", "aac"),
    ],
)
def test_sound_goes_along(tmp_path: Path, container: str, codec: str, expected: str):
    source = write_video(tmp_path / f"a.{container}", [two_discs(index) for index in range(50)], sound=codec)
    assert copy(source, tmp_path / "out.mp4") == []
    with av.open(str(tmp_path / "out.mp4")) as result:
        (stream,) = result.streams.audio
        assert stream.codec_context.name == expected
        samples = sum(frame.samples for frame in result.decode(audio=0))
        assert samples / stream.rate == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize(("codec", "rate", "suffix"), [("libopus", 48000, ".mov"), ("libmp3lame", 8000, ".mp4")])
def test_sound_that_the_container_may_not_hold_is_encoded_again(tmp_path: Path, codec: str, rate: int, suffix: str):
    """Copied, it made the whole video fail with `Invalid argument`."""
    source = write_video(tmp_path / "a.mkv", [two_discs(index) for index in range(25)], sound=codec, sound_rate=rate)
    assert copy(source, tmp_path / f"out{suffix}") == []
    with av.open(str(tmp_path / f"out{suffix}")) as result:
        (stream,) = result.streams.audio
        assert stream.codec_context.name == "aac"
        samples = sum(frame.samples for frame in result.decode(audio=0))
        assert samples / stream.rate == pytest.approx(1.0, abs=0.1)


def test_copied_sound_is_the_same_bytes(tmp_path: Path):
    source = write_video(tmp_path / "a.mp4", [two_discs(index) for index in range(25)], sound="aac")
    copy(source, tmp_path / "out.mp4")
    packets = []
    for path in (source, tmp_path / "out.mp4"):
        with av.open(str(path)) as container:
            packets.append([(p.pts * p.time_base, bytes(p)) for p in container.demux(audio=0) if p.size])
    assert packets[0][: len(packets[1])] == packets[1]
    assert len(packets[0]) - len(packets[1]) <= 1  # what begins after the last picture


def test_sound_ends_with_the_pictures(tmp_path: Path):
    source = write_video(tmp_path / "a.mp4", [two_discs(index) for index in range(50)], sound="aac")
    copy(source, tmp_path / "out.mp4", max_frames=25)
    with av.open(str(tmp_path / "out.mp4")) as result:
        samples = sum(frame.samples for frame in result.decode(audio=0))
    assert samples / 48000 == pytest.approx(1.0, abs=0.05)


def test_sound_that_cannot_be_decoded_is_dropped_with_a_line(tmp_path: Path):
    source = write_video(tmp_path / "a.mkv", [two_discs(index) for index in range(25)], sound="aac")
    data = source.read_bytes()
    source.write_bytes(data.replace(b"A_AAC", b"A_XYZ"))
    (problem,) = copy(source, tmp_path / "out.mp4")
    assert "sound" in problem
    with av.open(str(tmp_path / "out.mp4")) as result:
        assert not result.streams.audio
        assert result.streams.video[0].frames == 25


def test_appears_when_complete(tmp_path: Path):
    with VideoWriter(tmp_path / "a.mp4", INFO) as writer:
        writer.write(two_discs(0), 0)
        assert [path.name for path in tmp_path.iterdir()] == ["a.mp4.part"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_after_an_exception_what_was_written_stays_as_part(tmp_path: Path):
    with pytest.raises(ValueError, match="expected a picture"), VideoWriter(tmp_path / "a.mp4", INFO) as writer:  # noqa: PT012
        for index in range(5):
            writer.write(two_discs(index), index)
        writer.write(two_discs(5)[:9], 5)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4.part"]
    with open_video(tmp_path / "a.mp4.part") as source:
        assert len(list(source)) == 5


def test_no_picture_is_no_error(tmp_path: Path):
    with VideoWriter(tmp_path / "a.mp4", INFO):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_never_overwrites_unasked(tmp_path: Path):
    (tmp_path / "a.mp4").write_bytes(b"precious")
    with pytest.raises(UserError, match="exists"):
        VideoWriter(tmp_path / "a.mp4", INFO)
    assert (tmp_path / "a.mp4").read_bytes() == b"precious"
    with VideoWriter(tmp_path / "a.mp4", INFO, overwrite=True) as writer:
        writer.write(two_discs(0), 0)
    assert (tmp_path / "a.mp4").read_bytes() != b"precious"


@pytest.mark.parametrize("name", ["a.avi", "a", "nowhere/a.mp4"])
def test_impossible_outputs_are_refused_in_one_line(tmp_path: Path, name: str):
    with pytest.raises(UserError) as caught:
        VideoWriter(tmp_path / name, INFO)
    assert "\n" not in str(caught.value)


def test_wrong_size_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="96 x 128"), VideoWriter(tmp_path / "a.mp4", INFO) as writer:
        writer.write(two_discs(0)[:50], 0)


def test_a_picture_too_large_for_the_codec_is_one_line(tmp_path: Path):
    info = VideoInfo(20000, 2, Fraction(25), Fraction(1, 25))
    with pytest.raises(VideoError, match="cannot write"), VideoWriter(tmp_path / "a.mp4", info) as writer:
        writer.write(np.zeros((2, 20000, 3), dtype=np.uint8), 0)


def test_gaps_in_time_do_not_move_the_sound(tmp_path: Path):
    """Sound and pictures are interleaved by time, whatever the rate of the pictures."""
    source = write_video(tmp_path / "a.mp4", [two_discs(i) for i in range(50)], pts=[*range(49), 200], sound="aac")
    copy(source, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as result:
        times = [float(p.pts * p.time_base) for p in result.demux(audio=0) if p.size]
    assert all(later > earlier for earlier, later in pairwise(times))
    assert times[-1] == pytest.approx(2.0, abs=0.1)
