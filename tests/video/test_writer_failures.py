"""Disks that are full, folders that are read-only, names that are taken: one line, and what was complete stays."""

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import pytest
from blobs import two_discs, write_video
from writing_processes import Trial, run_trials

from queryinst_vis.errors import UserError
from queryinst_vis.structures import VideoInfo
from queryinst_vis.video import VideoError, VideoWriter
from queryinst_vis.video.fragments import SegmentedVideo
from queryinst_vis.video.stream_file import StreamFile

INFO = VideoInfo(128, 96, Fraction(25), Fraction(1, 25))
KINDS = [("a.mp4", "h264"), ("a.mp4", "av1"), ("a.mov", "prores"), ("a.mkv", "h264"), ("a.webm", "vp9")]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Folders that are disks of their own, of so many kilobytes, for those who may mount."""
    mounted: list[Path] = []

    def make(kilobytes: int, *options: str) -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", ",".join((f"size={kilobytes}k", *options)), "tmpfs", str(folder)]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=10)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("needs the right to mount a disk in memory")
        mounted.append(folder)
        return folder

    yield make
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True, timeout=10)


def num_pictures(path: Path) -> int:
    """How many pictures decode."""
    with av.open(f"file:{path}") as container:
        return sum(1 for _ in container.decode(video=0))


def write_until_it_fails(writer: VideoWriter, *, most: int = 3000) -> tuple[int, str]:
    """How many pictures were taken, and the line that was said."""
    taken = 0
    with pytest.raises(VideoError) as caught, writer:  # noqa: PT012
        for taken in range(most):
            writer.write(two_discs(taken % 30), taken)
    assert "\n" not in str(caught.value)
    return taken, str(caught.value)


@pytest.mark.parametrize(("name", "codec"), KINDS)
def test_a_full_disk_is_one_line_and_what_was_complete_plays(small_disk, name: str, codec: str):
    folder = small_disk(100)
    taken, line = write_until_it_fails(VideoWriter(folder / name, INFO, codec=codec))
    assert "No space left" in line
    assert str(folder / f"{name}.part") in line
    assert [path.name for path in folder.iterdir()] == [f"{name}.part"]
    assert num_pictures(folder / f"{name}.part") >= taken - 40  # what is held back, and what was in the last fragments


def test_a_disk_that_is_full_from_the_start_is_one_line_and_leaves_nothing(small_disk):
    folder = small_disk(4)
    (folder / "filled").write_bytes(bytes(4096))
    _, line = write_until_it_fails(VideoWriter(folder / "a.mp4", INFO))
    assert "No space left" in line
    assert [path.name for path in folder.iterdir()] == ["filled"]


def test_a_disk_that_holds_the_video_once_gets_it_without_an_index_in_front(small_disk):
    folder = small_disk(80)
    with VideoWriter(folder / "a.mp4", INFO) as writer:
        index = 0
        while (folder / "a.mp4.part").stat().st_size < 50_000:
            writer.write(two_discs(index % 30), index)
            index += 1
    (problem,) = writer.problems
    assert "no index in front" in problem
    assert "No space left" in problem
    assert [path.name for path in folder.iterdir()] == ["a.mp4"]
    assert num_pictures(folder / "a.mp4") == index


def test_a_full_disk_with_sound(small_disk, tmp_path: Path):
    source = write_video(tmp_path / "source.mp4", [two_discs(0)] * 500, sound="aac")
    folder = small_disk(100)
    taken, line = write_until_it_fails(VideoWriter(folder / "a.mp4", INFO, audio_from=source))
    assert "No space left" in line
    assert num_pictures(folder / "a.mp4.part") >= taken - 40


def test_a_full_disk_keeps_all_complete_parts(small_disk):
    folder = small_disk(100)
    video = SegmentedVideo(folder / "parts", INFO, seconds=1)
    with pytest.raises(VideoError, match="No space left"), video:  # noqa: PT012
        for index in range(3000):
            video.write(two_discs(index % 30), index)
    number = len(video.segments)
    assert number >= 2
    again = SegmentedVideo(folder / "parts", INFO, seconds=1)
    assert again.num_frames == sum(map(num_pictures, video.segments))
    with pytest.raises(VideoError, match=r"No space left.*its parts are kept"):
        again.join(folder / "a.mp4")
    assert [path.name for path in folder.iterdir()] == ["parts"]


def test_a_limit_on_the_size_of_files_is_one_line_and_what_was_complete_plays(tmp_path: Path):
    trials = []
    for name, codec in KINDS:
        (tmp_path / codec / name).mkdir(parents=True)
        trials.append(Trial(str(tmp_path / codec / name / name), 3000, codec, most_bytes=60_000))
    for trial, outcome in zip(trials, run_trials(trials), strict=True):
        assert "File too large" in outcome.error
        assert "\n" not in outcome.error
        assert num_pictures(Path(f"{trial.path}.part")) >= outcome.taken - 40
        assert not Path(trial.path).exists()


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_an_error_of_the_system_while_a_picture_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int):
    writer = VideoWriter(tmp_path / "a.mp4", INFO)
    for index in range(50):
        writer.write(two_discs(index % 30), index)

    def fail(*args: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(StreamFile, "write", fail)
    with pytest.raises(VideoError, match=os.strerror(number)) as caught:
        writer.write(two_discs(0), 50)
    assert str(tmp_path / "a.mp4.part") in str(caught.value)
    assert num_pictures(tmp_path / "a.mp4.part") >= 30
    with pytest.raises(ValueError, match="is closed"):
        writer.write(two_discs(0), 51)
    writer.close()
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4.part"]


def test_a_full_disk_does_not_hide_the_first_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(StreamFile, "finish", fail)
    with pytest.raises(KeyboardInterrupt), VideoWriter(tmp_path / "a.mp4", INFO) as writer:  # noqa: PT012
        writer.write(two_discs(0), 0)
        raise KeyboardInterrupt


def test_a_read_only_folder_is_one_line(small_disk):
    folder = small_disk(100, "ro")
    with pytest.raises(UserError, match=r"no permission|Read-only") as caught:
        VideoWriter(folder / "a.mp4", INFO)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=r"cannot use the folder|Read-only"):
        SegmentedVideo(folder / "parts", INFO, seconds=1)


def test_a_folder_of_that_name_is_one_line(tmp_path: Path):
    (tmp_path / "a.mp4").mkdir()
    for overwrite in (False, True):
        with pytest.raises(UserError, match="is a directory"):
            VideoWriter(tmp_path / "a.mp4", INFO, overwrite=overwrite)
    (tmp_path / "b.mp4.part").mkdir()
    with pytest.raises(UserError, match=r"cannot write .*directory"):
        VideoWriter(tmp_path / "b.mp4", INFO)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_name_that_was_taken_meanwhile(tmp_path: Path, overwrite: bool):
    writer = VideoWriter(tmp_path / "a.mp4", INFO, overwrite=overwrite)
    writer.write(two_discs(0), 0)
    (tmp_path / "a.mp4").write_bytes(b"precious")
    if overwrite:
        writer.close()
        assert num_pictures(tmp_path / "a.mp4") == 1
        return
    with pytest.raises(VideoError, match="meanwhile"):
        writer.close()
    assert (tmp_path / "a.mp4").read_bytes() == b"precious"
    assert num_pictures(tmp_path / "a.mp4.part") == 1


def test_a_folder_that_came_meanwhile(tmp_path: Path):
    writer = VideoWriter(tmp_path / "a.mp4", INFO, overwrite=True)
    writer.write(two_discs(0), 0)
    (tmp_path / "a.mp4").mkdir()
    with pytest.raises(VideoError, match="the video is complete in"):
        writer.close()
    assert num_pictures(tmp_path / "a.mp4.part") == 1
