"""Which videos inputs mean, and their names."""

from pathlib import Path

import pytest

from queryinst_vis.errors import UserError
from queryinst_vis.jobs.video_list import list_videos


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with videos, other files, and results of an earlier run."""
    names = (
        "clips/a10.mp4 clips/a2.MP4 clips/sub/a2.mkv clips/notes.txt clips/.hidden/x.mp4 clips/out/a2.MP4/tracked.mp4 b/a2.MP4"
    )
    for name in names.split():
        path = tmp_path / "here" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    (tmp_path / "outside.mp4").write_text("")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def named(*inputs: str) -> list[tuple[str, str]]:
    return [tuple(video) for video in list_videos(inputs, without=Path("clips/out"))]


def test_folder(here: Path):
    expected = [("clips/a2.MP4", "a2.MP4"), ("clips/a10.mp4", "a10.mp4"), ("clips/sub/a2.mkv", "sub/a2.mkv")]
    assert named("clips") == expected
    assert named(str(here / "clips")) == [(str(here / source), name) for source, name in expected]


def test_pattern(here: Path):
    assert named("clips/a*.mp4") == [("clips/a10.mp4", "a10.mp4")]
    assert named("*/a2.MP4") == [("b/a2.MP4", "b/a2.MP4"), ("clips/a2.MP4", "clips/a2.MP4")]
    assert named("clips/**/a2.*") == [("clips/a2.MP4", "a2.MP4"), ("clips/sub/a2.mkv", "sub/a2.mkv")]


def test_equal_names_in_several_folders_do_not_collide(here: Path):
    assert named("clips", "b") == [
        ("clips/a2.MP4", "clips/a2.MP4"),
        ("clips/a10.mp4", "clips/a10.mp4"),
        ("clips/sub/a2.mkv", "clips/sub/a2.mkv"),
        ("b/a2.MP4", "b/a2.MP4"),
    ]
    outside = str(here.parent / "outside.mp4")
    assert named("clips/a10.mp4", outside, outside, "clips/../clips/a10.mp4") == [
        ("clips/a10.mp4", "clips/a10.mp4"),
        (outside, outside.lstrip("/")),
    ]


def test_list(here: Path):
    (here / "clips" / "list.txt").write_text(
        "# mine\n a10.mp4 \n\nb/a2.MP4\nmissing.mp4\nrtsp://me:secret@host/1\n", encoding="utf-8-sig"
    )
    first, second, third, stream = named("clips/list.txt")
    assert first == ("clips/a10.mp4", "clips/a10.mp4")
    assert second == ("b/a2.MP4", "b/a2.MP4")
    assert third == ("missing.mp4", "missing.mp4")
    assert stream[0] == "rtsp://me:secret@host/1"
    assert "secret" not in stream[1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("nowhere", "does not exist"), ("nowhere/*.mp4", "no video in"), ("empty", "no video in"), ("empty.txt", "no video in")],
)
def test_nothing_meant(here: Path, text: str, expected: str):
    (here / "empty").mkdir()
    (here / "empty.txt").write_text("")
    with pytest.raises(UserError, match=expected):
        named(text)
