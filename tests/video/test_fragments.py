"""Videos in parts: they go on behind what is complete, and joined they equal a video that was written in one go."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from blobs import two_discs, write_video

from queryinst_vis.errors import UserError
from queryinst_vis.outputs import part_of
from queryinst_vis.structures import VideoInfo
from queryinst_vis.video import VideoError, VideoWriter
from queryinst_vis.video.fragments import SegmentedVideo

INFO = VideoInfo(128, 96, Fraction(25), Fraction(1, 90000), sample_aspect_ratio=Fraction(12, 11))
STEP = 3600
STEADY = [STEP * index for index in range(60)]
UNSTEADY = [7001 + time for time in np.cumsum(np.random.default_rng(3).integers(300, 9000, 60)).tolist()]
KINDS = [
    ("a.mp4", "h264"),
    ("a.mov", "h264"),
    ("a.mkv", "h264"),
    ("a.mp4", "av1"),
    ("a.webm", "av1"),
    ("a.mp4", "vp9"),
    ("a.webm", "vp9"),
    ("a.mov", "prores"),
    ("a.mkv", "prores"),
]


def facts(path: Path) -> dict:
    """All that must not depend on whether a video was written in parts."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        context = video.codec_context
        result = {
            "duration": container.duration,
            "video duration": video.duration,
            "rate": video.average_rate,
            "profile": context.profile,
            "pixels": (context.width, context.height, context.pix_fmt, video.sample_aspect_ratio),
            "colours": (context.colorspace, context.color_primaries, context.color_trc, context.color_range),
            "times": [frame.pts * frame.time_base for frame in container.decode(video=0)],
        }
        num_sounds = len(container.streams.audio)
    if num_sounds:
        with av.open(str(path)) as container:
            result["sound"] = [(p.pts * p.time_base, p.duration, bytes(p)) for p in container.demux(audio=0) if p.size]
        with av.open(str(path)) as container:
            result["samples"] = [(frame.pts * frame.time_base, frame.samples) for frame in container.decode(audio=0)]
    return result


def write_parts(folder: Path, times: list[int], *, seconds: float = 0.5, codec: str = "h264") -> SegmentedVideo:
    """A video of two discs in parts."""
    with SegmentedVideo(folder, INFO, seconds=seconds, codec=codec) as video:
        for index, pts in enumerate(times):
            video.write(two_discs(index), pts)
    return video


def write_once(path: Path, times: list[int], **options) -> VideoWriter:
    """The same in one go."""
    with VideoWriter(path, INFO, **options) as writer:
        for index, pts in enumerate(times):
            writer.write(two_discs(index), pts)
    return writer


def rounded(times: list[int], name: str) -> list[Fraction]:
    """Seconds, as the container can say them."""
    exact = [pts * INFO.time_base for pts in times]
    return [Fraction(int(time * 1000 + Fraction(1, 2)), 1000) for time in exact] if name.endswith(("mkv", "webm")) else exact


@pytest.mark.parametrize("times", [STEADY, UNSTEADY], ids=["steady", "unsteady"])
@pytest.mark.parametrize(("name", "codec"), KINDS)
def test_joined_parts_equal_one_piece(tmp_path: Path, name: str, codec: str, times: list[int]):
    video = write_parts(tmp_path / "parts", times, codec=codec)
    assert len(video.segments) >= 5
    assert video.join(tmp_path / name) == []
    write_once(tmp_path / f"once_{name}", times, codec=codec)
    joined = facts(tmp_path / name)
    assert joined == facts(tmp_path / f"once_{name}")
    assert joined["times"] == rounded(times, name)


@pytest.mark.parametrize("sound", ["aac", "libopus", "flac", "libmp3lame"])
@pytest.mark.parametrize("start", [Fraction(0), Fraction(4, 3)])
@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "h264"), ("a.mov", "h264"), ("a.mkv", "h264"), ("a.webm", "vp9")])
def test_sound_of_joined_parts_equals_that_of_one_piece(tmp_path: Path, name: str, codec: str, start: Fraction, sound: str):
    source = write_video(tmp_path / "source.mkv", [two_discs(0)] * 100, sound=sound)
    heard = {"audio_from": source, "audio_start": start}
    assert write_parts(tmp_path / "parts", UNSTEADY, codec=codec).join(tmp_path / name, **heard) == []
    assert write_once(tmp_path / f"once_{name}", UNSTEADY, codec=codec, **heard).problems == []
    joined = facts(tmp_path / name)
    assert joined == facts(tmp_path / f"once_{name}")
    assert joined["times"] == rounded(UNSTEADY, name)
    last = float((UNSTEADY[-1] + STEP) * INFO.time_base)
    end = min(last, 4 - float(start))
    assert float(joined["sound"][-1][0]) == pytest.approx(end, abs=0.13)  # a packet of flac is 0.1 s


def test_goes_on_behind_what_is_complete(tmp_path: Path):
    """As after a kill in the midst of a part: the pictures after the last complete one are written again."""
    folder = tmp_path / "parts"
    first = SegmentedVideo(folder, INFO, seconds=0.5)
    for index, pts in enumerate(UNSTEADY[:35]):
        first.write(two_discs(index), pts)
    assert [path.suffix for path in sorted(folder.iterdir())].count(".part") == 1
    del first
    second = SegmentedVideo(folder, INFO, seconds=0.5)
    assert 0 < second.num_frames < 35
    assert second.last_pts == UNSTEADY[second.num_frames - 1]
    assert not list(folder.glob("*.part"))
    with second:
        for index, pts in enumerate(UNSTEADY):
            if pts > (second.last_pts or -1):
                second.write(two_discs(index), pts)
    assert second.num_frames == 60
    second.join(tmp_path / "a.mp4")
    write_once(tmp_path / "once.mp4", UNSTEADY)
    assert facts(tmp_path / "a.mp4") == facts(tmp_path / "once.mp4")
    second.remove()
    assert not folder.exists()


@pytest.mark.parametrize("seconds", [0, 0.04, 0.08, 1, 1000])
def test_parts_may_be_as_short_as_a_picture(tmp_path: Path, seconds: float):
    video = write_parts(tmp_path / "parts", UNSTEADY[:9], seconds=seconds)
    assert len(video.segments) == (9 if seconds <= 0.04 else len(video.segments))
    video.join(tmp_path / "a.mp4")
    assert facts(tmp_path / "a.mp4")["times"] == [pts * INFO.time_base for pts in UNSTEADY[:9]]


def test_what_is_saved_beside_a_part_is_there_for_every_complete_part(tmp_path: Path):
    saved = []

    def save(path: Path) -> None:
        assert not path.exists()
        saved.append(path)

    with SegmentedVideo(tmp_path / "parts", INFO, seconds=0.5, before_complete=save) as video:
        for index, pts in enumerate(STEADY):
            video.write(two_discs(index), pts)
    assert saved == video.segments
    assert all(path.exists() for path in saved)


def test_forgets_parts(tmp_path: Path):
    video = write_parts(tmp_path / "parts", STEADY)
    number = len(video.segments)
    video.keep(2)
    assert (len(video.segments), video.num_frames) == (2, 26)
    assert video.last_pts == STEADY[25]
    assert len(list((tmp_path / "parts").glob("*.mp4"))) == 2 < number
    video.keep(0)
    assert (video.segments, video.num_frames, video.last_pts) == ([], 0, None)


def refusal(folder: Path, info: VideoInfo = INFO, **options) -> str:
    """The line that a folder is refused with."""
    with pytest.raises(UserError) as caught:
        SegmentedVideo(folder, info, seconds=1, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_folders_that_cannot_be_gone_on_with_are_refused_in_one_line(tmp_path: Path):
    folder = tmp_path / "parts"
    video = write_parts(folder, STEADY)
    assert "another video" in refusal(folder, VideoInfo(64, 64, Fraction(25), Fraction(1, 90000)))
    assert "another video" in refusal(folder, codec="vp9")
    whole = video.segments[1].read_bytes()
    video.segments[1].write_bytes(b"")  # as a power cut may leave it
    assert "cannot be read" in refusal(folder)
    video.segments[1].write_bytes(whole)
    SegmentedVideo(folder, INFO, seconds=1)
    video.segments[1].unlink()
    assert "part 1 is missing" in refusal(folder)
    (folder / "video.json").write_text("{")
    assert "cannot use" in refusal(folder)
    (tmp_path / "file").write_text("")
    assert "is a file" in refusal(tmp_path / "file")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "me.jpg").write_text("")
    assert "holds other things" in refusal(tmp_path / "photos")
    assert "nowhere" in refusal(tmp_path / "nowhere" / "parts")


def test_a_kill_while_the_folder_is_made_does_no_harm(tmp_path: Path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "video.json.part").write_text('{"si')
    assert write_parts(tmp_path / "parts", STEADY).num_frames == 60


def test_names_that_only_look_like_parts_are_left_alone(tmp_path: Path):
    write_parts(tmp_path / "parts", STEADY)
    (tmp_path / "parts" / "0abc_1x.mp4").write_text("mine")
    assert SegmentedVideo(tmp_path / "parts", INFO, seconds=1).num_frames == 60


def test_nothing_to_join_and_nowhere_to_join_to_are_one_line_and_keep_the_parts(tmp_path: Path):
    with pytest.raises(VideoError, match="no complete part"):
        SegmentedVideo(tmp_path / "empty", INFO, seconds=1).join(tmp_path / "a.mp4")
    video = write_parts(tmp_path / "parts", STEADY)
    (tmp_path / "a.mp4").write_bytes(b"precious")
    with pytest.raises(UserError, match="exists"):
        video.join(tmp_path / "a.mp4")
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(UserError, match="directory"):
        video.join(tmp_path / "folder.mp4", overwrite=True)
    with pytest.raises(UserError, match="does not exist"):
        video.join(tmp_path / "b.mp4", audio_from=tmp_path / "gone.mp4")
    assert not part_of(tmp_path / "b.mp4").exists()
    assert (tmp_path / "a.mp4").read_bytes() == b"precious"
    assert all(path.exists() for path in video.segments)


def test_parts_of_different_encoders_are_not_joined(tmp_path: Path):
    video = write_parts(tmp_path / "parts", STEADY)
    other = tmp_path / "other.mp4"
    write_video(other, [two_discs(index) for index in range(5)], codec="libx264", pix_fmt="yuv444p")
    video.segments[1].write_bytes(other.read_bytes())
    with pytest.raises(VideoError, match="encoded by different versions"):
        video.join(tmp_path / "a.mp4")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.mp4", "parts"]


def test_times_of_all_parts_must_grow(tmp_path: Path):
    video = write_parts(tmp_path / "parts", STEADY)
    with pytest.raises(ValueError, match="times must grow"):
        video.write(two_discs(0), STEADY[-1])


def test_after_an_exception_the_part_in_progress_plays_and_is_not_counted(tmp_path: Path):
    video = SegmentedVideo(tmp_path / "parts", INFO, seconds=10)
    with pytest.raises(RuntimeError), video:  # noqa: PT012
        for index, pts in enumerate(STEADY[:30]):
            video.write(two_discs(index), pts)
        raise RuntimeError
    (part,) = (tmp_path / "parts").glob("*.part")
    with av.open(str(part)) as container:
        assert len(list(container.decode(video=0))) == 30
    assert SegmentedVideo(tmp_path / "parts", INFO, seconds=10).num_frames == 0
