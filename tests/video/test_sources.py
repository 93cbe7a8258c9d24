"""`open_video` on pictures, arrays, lists and names: what comes, in which order, when, and what is refused in one line."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from blobs import GREEN, disc_image, two_discs, write_video

from queryinst_vis.video import Limits, VideoError, open_video


def flat(value: int, *, hw: tuple[int, int] = (24, 32)) -> np.ndarray:
    return np.full((*hw, 3), value, dtype=np.uint8)


def write_pictures(folder: Path, names: list[str], *, hw: tuple[int, int] = (24, 32)) -> Path:
    """The k-th name is a picture of grey 10 k."""
    folder.mkdir(exist_ok=True)
    for number, name in enumerate(names):
        cv2.imwrite(str(folder / name), flat(10 * number, hw=hw))
    return folder


def greys(source) -> list[int]:
    return [round(float(frame.image.mean())) for frame in source]


NATURAL = ["1.png", "2.png", "3.png", "10.png", "20.png"]


@pytest.mark.parametrize("how", ["folder", "text", "glob"])
def test_pictures_come_in_natural_order(tmp_path: Path, how: str):
    folder = write_pictures(tmp_path / "clip", NATURAL)
    (folder / "notes.txt").write_text("not a picture")
    (folder / "._1.png").write_bytes(b"what a Mac leaves behind")
    source = {"folder": folder, "text": str(folder), "glob": str(folder / "*.png")}[how]
    with open_video(source, fps=10) as video:
        assert (video.info.num_frames, video.info.fps, video.info.duration) == (5, 10, 0.5)
        frames = list(video)
    assert greys(frames) == [0, 10, 20, 30, 40]
    assert [frame.pts * frame.time_base for frame in frames] == [Fraction(number, 10) for number in range(5)]
    assert video.problems == []


def test_one_picture_is_a_video_of_one_frame(tmp_path: Path):
    folder = write_pictures(tmp_path / "clip", ["a.png"])
    with open_video(folder / "a.png") as video:
        assert greys(video) == [0]


@pytest.mark.parametrize("rate", ["30000/1001", Fraction(30000, 1001)])
def test_rates_of_television_are_exact(tmp_path: Path, rate):
    with open_video(write_pictures(tmp_path / "clip", NATURAL), fps=rate) as video:
        assert [frame.pts * frame.time_base for frame in video] == [Fraction(1001 * number, 30000) for number in range(5)]


def test_a_broken_picture_is_left_out_and_told(tmp_path: Path):
    folder = write_pictures(tmp_path / "clip", NATURAL)
    (folder / "2.png").write_bytes(b"nothing")
    with open_video(folder, fps=10) as video:
        frames = list(video)
    assert [frame.pts for frame in frames] == [0, 2, 3, 4]
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    (problem,) = video.problems
    assert "1 picture could not be read" in problem
    assert "2.png" in problem


def test_two_sizes_are_refused_by_name_before_any_work(tmp_path: Path):
    folder = write_pictures(tmp_path / "clip", NATURAL)
    cv2.imwrite(str(folder / "10.png"), flat(0, hw=(24, 33)))
    with pytest.raises(VideoError, match=r"1\.png is 32 x 24, .*10\.png is 33 x 24") as caught:
        open_video(folder)
    assert "\n" not in str(caught.value)


def test_photographs_of_a_turned_camera_have_one_size(tmp_path: Path):
    """A portrait picture stored as such, and one stored lying with a note in its EXIF."""
    from PIL import Image

    Image.fromarray(flat(10, hw=(32, 24))).save(tmp_path / "1.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(flat(20, hw=(24, 32))).save(tmp_path / "2.jpg", exif=exif)
    with open_video(tmp_path) as video:
        assert [frame.image_hw for frame in video] == [(32, 24), (32, 24)]


def generated(images: list[np.ndarray]) -> Iterator[np.ndarray]:
    yield from images


@pytest.mark.parametrize("kind", ["list", "generator", "block", "tensors", "tensor block"])
def test_pictures_of_a_program(kind: str):
    images = [flat(value) for value in (0, 50, 100)]
    source = {
        "list": images,
        "generator": generated(images),
        "block": np.stack(images),
        "tensors": [torch.from_numpy(image) for image in images],
        "tensor block": torch.from_numpy(np.stack(images)),
    }[kind]
    with open_video(source, fps=5) as video:
        assert (video.info.width, video.info.height, video.info.fps) == (32, 24, 5)
        assert video.info.num_frames == (None if kind == "generator" else 3)
        frames = list(video)
    assert greys(frames) == [0, 50, 100]
    assert [frame.pts * frame.time_base for frame in frames] == [0, Fraction(1, 5), Fraction(2, 5)]
    assert not video.is_live
    assert video.statistics == {}


def test_a_generator_is_taken_no_further_than_needed_and_closed():
    taken, closed = [], []

    def endless() -> Iterator[np.ndarray]:
        try:
            while True:
                taken.append(1)
                yield flat(0)
        finally:
            closed.append(1)

    with open_video(endless(), max_frames=3) as video:
        assert len(list(video)) == 3
    assert (len(taken), len(closed)) == (3, 1)


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        ([], "no pictures|no videos"),
        (np.zeros((0, 4, 4, 3), np.uint8), "no pictures"),
        ([np.zeros((4, 4, 3), np.float32)], "picture 0 is float32"),
        ([np.zeros((3, 4, 4), np.uint8)], r"picture 0 is uint8 \[3, 4, 4\]"),
        ([np.zeros((0, 4, 3), np.uint8)], "picture 0 is empty"),
        (iter(["a"]), "picture 0 is str"),
        (7, "a int is no video"),
        (None, "a NoneType is no video"),
        (b"in.mp4", "a bytes is no video"),
    ],
)
def test_what_is_no_picture_of_a_program_is_refused(images, expected: str):
    with pytest.raises(VideoError, match=expected):
        open_video(images)


def test_a_program_that_changes_the_size_is_told():
    with (
        pytest.raises(VideoError, match="picture 1 is 8 x 4, the first was 4 x 4"),
        open_video([flat(0, hw=(4, 4)), flat(0, hw=(4, 8))]) as v,
    ):
        list(v)


def test_a_list_is_one_video_whose_times_follow_on(tmp_path: Path):
    first = write_video(tmp_path / "a.mp4", [two_discs(index) for index in range(4)])
    second = write_video(
        tmp_path / "b.mkv", [two_discs(index) for index in range(3)], pts=[0, 40, 200], time_base=Fraction(1, 1000)
    )
    pictures = write_pictures(tmp_path / "c", NATURAL, hw=(96, 128))
    with open_video([first, str(second), pictures, [two_discs(0)] * 2]) as video:
        assert video.info.duration is not None
        frames = list(video)
    times = [Fraction(n, 25) for n in range(4)]
    times += [Fraction(160 + t, 1000) for t in (0, 40, 200)]
    follows = times[-1] + 1 / video_rate(second)
    times += [follows + Fraction(n, 25) for n in range(7)]
    assert [frame.pts * frame.time_base for frame in frames] == times
    assert [frame.index for frame in frames] == list(range(14))
    assert {frame.time_base for frame in frames} == {video.info.time_base}


def video_rate(path: Path) -> Fraction:
    with open_video(path) as video:
        return video.info.fps


def test_other_sizes_in_a_list_are_fitted_to_the_first(tmp_path: Path):
    write_video(tmp_path / "a.mp4", [two_discs(0)] * 2)
    write_video(tmp_path / "b.mp4", [disc_image((100, 24, 20, GREEN), hw=(48, 200))] * 2)
    with open_video([tmp_path / "a.mp4", tmp_path / "b.mp4"]) as video:
        frames = list(video)
    assert [frame.image_hw for frame in frames] == [(96, 128)] * 4
    assert frames[3].image[48, 64, 1] > 200  # the disc in the middle, and black above it
    assert frames[3].image[5].max() < 40


def test_a_missing_part_of_a_list_is_told_at_once(tmp_path: Path):
    first = write_video(tmp_path / "a.mp4", [two_discs(0)] * 2)
    with pytest.raises(VideoError, match=r"gone\.mp4 does not exist"):
        open_video([first, tmp_path / "gone.mp4"])


def test_damage_in_a_list_is_told_with_the_name_of_its_part(tmp_path: Path):
    first = write_video(tmp_path / "a.mp4", [two_discs(0)] * 2)
    pictures = write_pictures(tmp_path / "clip", NATURAL, hw=(96, 128))
    (pictures / "3.png").write_bytes(b"nothing")
    with open_video([first, str(pictures)]) as video:
        assert len(list(video)) == 6
    (problem,) = video.problems
    assert problem.startswith(f"{pictures}: 1 picture")


def test_generators_in_a_list_are_taken_once():
    with open_video([generated([flat(1), flat(2)]), generated([flat(3)])]) as video:
        assert greys(video) == [1, 2, 3]


REFUSED = {
    "an empty folder": ("empty", "is a directory without pictures"),
    "a glob of nothing": ("*.jpg", "names no pictures"),
    "a glob of videos": ("*.mp4", "names no pictures"),
    "an unknown protocol": ("gopher://host/a.mp4", "gopher://host/a.mp4"),
    "files in one name": ("concat:a.mp4|a.mp4", "does not exist"),
    "a zero byte": ("a\0b.mp4", "does not exist"),
    "a very long name": ("x" * 5000, "cannot be opened"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_names_that_are_no_video_are_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    text, expected = REFUSED[name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    write_video(tmp_path / "a.mp4", [two_discs(0)] * 2)
    with pytest.raises(VideoError, match=expected) as caught:
        open_video(text)
    assert "\n" not in str(caught.value)


def test_pictures_over_the_limit_are_refused(tmp_path: Path):
    video = write_video(tmp_path / "a.mp4", [two_discs(0)] * 2)
    pictures = write_pictures(tmp_path / "clip", NATURAL, hw=(96, 128))
    for source in (video, pictures, [two_discs(0)] * 2):
        with pytest.raises(VideoError, match=r"128 x 96 is over the limit of 12287 pixels"):
            open_video(source, limits=Limits(max_pixels=128 * 96 - 1))
        open_video(source, limits=Limits(max_pixels=128 * 96)).close()


def test_the_limit_is_moved_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = write_video(tmp_path / "a.mp4", [two_discs(0)] * 2)
    monkeypatch.setenv("QUERYINST_VIS_MAX_PIXELS", "12287")
    with pytest.raises(VideoError, match="12287 pixels; --max-pixels or QUERYINST_VIS_MAX_PIXELS allows more"):
        open_video(path)


def test_a_picture_that_promises_a_terabyte_is_refused_before_it_is_decoded(tmp_path: Path):
    import struct
    import zlib

    header = b"IHDR" + struct.pack(">IIBBBBB", 600_000, 600_000, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    (tmp_path / "1.png").write_bytes(png + struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND")))
    with pytest.raises(VideoError, match=r"none of 1 pictures can be read: .*1\.png") as caught:
        open_video(tmp_path)
    assert "\n" not in str(caught.value)


def test_pictures_that_cannot_be_read_are_no_video(tmp_path: Path):
    (tmp_path / "1.png").write_bytes(b"nothing")
    (tmp_path / "2.jpg").write_bytes(b"")
    with pytest.raises(VideoError, match=r"none of 2 pictures can be read: .*1\.png"):
        open_video(tmp_path)


def test_frames_that_grow_over_the_limit_are_not_decoded(tmp_path: Path):
    small, large = write_video(tmp_path / "a.h264", [two_discs(0)] * 4), tmp_path / "b.h264"
    write_video(large, [np.zeros((400, 400, 3), np.uint8)] * 4)
    small.write_bytes(small.read_bytes() + large.read_bytes())
    with open_video(small, limits=Limits(max_pixels=100_000)) as video:
        frames = list(video)
    assert 0 < len(frames) <= 4
    assert {frame.image_hw for frame in frames} == {(96, 128)}
    assert any("could not be decoded" in problem for problem in video.problems)


def test_reading_that_takes_too_long_ends(tmp_path: Path):
    path = write_video(tmp_path / "a.mp4", [two_discs(0)] * 2)
    with pytest.raises(VideoError, match="gave no data for 1e-09 s"):
        open_video(path, limits=Limits(read_timeout=1e-9))


@pytest.mark.parametrize("limits", [{"max_pixels": 0}, {"read_timeout": 0}, {"decode_threads": -1}])
def test_limits_make_sense(limits: dict[str, int]):
    with pytest.raises(VideoError, match="limits"):
        Limits(**limits)


@pytest.mark.parametrize(
    "fps", [0, -1, "fast", "1/0", float("nan"), "1e99999999", "1e-99999999", "1e-9", "1e30", Fraction(1, 10**30), 1e7]
)
def test_rates_make_sense(fps):
    with pytest.raises(VideoError, match="frames per second"):
        open_video([flat(0)], fps=fps)


def test_long_fractions_become_those_of_television():
    with open_video([flat(0)], fps=30000 / 1001) as video:
        assert video.info.fps == Fraction(30000, 1001)


def test_closing_twice_and_early_is_no_error(tmp_path: Path):
    video = open_video(write_video(tmp_path / "a.mp4", [two_discs(0)] * 9))
    next(iter(video))
    video.close()
    video.close()
