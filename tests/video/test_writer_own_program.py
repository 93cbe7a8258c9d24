"""VideoWriter in one's own program: pictures and a rate are enough, and mistakes are told where they are made."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from blobs import two_discs

from queryinst_vis.structures import VideoInfo
from queryinst_vis.video import VideoWriter, open_video


@pytest.mark.parametrize("fps", [25, 12.5, 29.97, Fraction(30000, 1001), 1, 240, 0.1])
def test_pictures_and_a_rate_are_enough(tmp_path: Path, fps: Fraction | float):
    with VideoWriter(tmp_path / "a.mp4", fps=fps) as video:
        for index in range(10):
            video.write(two_discs(index))
    with open_video(tmp_path / "a.mp4") as source:
        times = [frame.pts * frame.time_base for frame in source]
    assert times == [index / Fraction(fps).limit_denominator(1001) for index in range(10)]
    assert source.info.fps == Fraction(fps).limit_denominator(1001)


def test_times_by_default_follow_on(tmp_path: Path):
    with VideoWriter(tmp_path / "a.mp4", VideoInfo(128, 96, Fraction(25), Fraction(1, 1000))) as video:
        for pts in (None, None, 100, None):
            video.write(two_discs(0), pts)
    with open_video(tmp_path / "a.mp4") as source:
        assert [frame.time for frame in source] == [0, 0.04, 0.1, 0.14]


def test_tensors_and_views_are_taken(tmp_path: Path):
    with VideoWriter(tmp_path / "a.mp4", fps=25) as video:
        video.write(torch.from_numpy(two_discs(0)))
        video.write(two_discs(0)[::-1, ::-1])  # not contiguous
    with open_video(tmp_path / "a.mp4") as source:
        first, second = (frame.image.astype(int) for frame in source)
    assert np.abs(first - second[::-1, ::-1]).mean() < 2
    assert np.abs(first - two_discs(0)).mean() < 2


def test_a_picture_may_be_reused_for_the_next_one(tmp_path: Path):
    image = np.zeros((64, 64, 3), dtype=np.uint8)
    with VideoWriter(tmp_path / "a.mp4", fps=25) as video:
        for index in range(40):
            image[:] = 6 * index
            video.write(image)
    with open_video(tmp_path / "a.mp4") as source:
        levels = [frame.image.mean() for frame in source]
    assert levels == pytest.approx([6 * index for index in range(40)], abs=4)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((96, 128), dtype=np.uint8),
        np.zeros((96, 128, 4), dtype=np.uint8),
        np.zeros((96, 128, 3), dtype=np.float32),
        np.zeros((0, 128, 3), dtype=np.uint8),
        None,
    ],
)
def test_what_is_no_picture_is_refused(tmp_path: Path, image: object):
    with pytest.raises(ValueError, match="expected a picture uint8"), VideoWriter(tmp_path / "a.mp4", fps=25) as video:
        video.write(image)
    assert not list(tmp_path.iterdir())


def test_all_pictures_have_one_size(tmp_path: Path):
    with pytest.raises(ValueError, match="96 x 128"), VideoWriter(tmp_path / "a.mp4", fps=25) as video:  # noqa: PT012
        video.write(two_discs(0))
        video.write(two_discs(0)[:50])


@pytest.mark.parametrize("fps", [None, 0, -1, float("nan"), float("inf"), 1e-9])
def test_a_rate_is_needed(tmp_path: Path, fps: float | None):
    with pytest.raises(ValueError, match="fps"):
        VideoWriter(tmp_path / "a.mp4", fps=fps)


@pytest.mark.parametrize("times", [(-1,), (3, 3), (3, 2)])
def test_times_that_do_not_grow_are_refused(tmp_path: Path, times: tuple[int, ...]):
    """Times before 0 were dropped in silence, pictures and all."""
    with pytest.raises(ValueError, match="times must grow"), VideoWriter(tmp_path / "a.mp4", fps=25) as video:  # noqa: PT012
        for pts in times:
            video.write(two_discs(0), pts)


def test_no_picture_and_no_size_makes_no_file(tmp_path: Path):
    with VideoWriter(tmp_path / "a.mp4", fps=25) as video:
        pass
    assert "no picture" in video.problems[0]
    assert not list(tmp_path.iterdir())


def test_nothing_can_be_added_once_closed(tmp_path: Path):
    video = VideoWriter(tmp_path / "a.mp4", fps=25)
    video.write(two_discs(0))
    video.close()
    video.close()
    with pytest.raises(ValueError, match="closed"):
        video.write(two_discs(0))
