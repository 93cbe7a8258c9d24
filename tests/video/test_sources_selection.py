"""Stretches of time, strides and counts: the frames of the whole video that lie there, with the times they have in it."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from blobs import two_discs, write_video

from queryinst_vis.video import VideoError, open_video
from queryinst_vis.video.pyav import PyAVSource
from queryinst_vis.video.selection import Selection, exact_seconds

SELECTIONS = {
    "start": {"start": 2.5},
    "start between frames": {"start": Fraction(101, 40)},
    "end": {"end": 1},
    "both": {"start": "0:02", "end": "0:03.04"},
    "stride": {"stride": 7},
    "start and stride": {"start": 2.04, "stride": 3},
    "some": {"max_frames": 5},
    "more than there are": {"max_frames": 5000},
    "all": {"start": 1.5, "end": 3.5, "stride": 4, "max_frames": 6},
}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Four seconds each, keyframes every 12 frames, pictures stored in another order than shown."""
    folder = tmp_path_factory.mktemp("videos")
    images = [two_discs(index % 25) for index in range(100)]
    rng = np.random.default_rng(0)
    uneven = np.cumsum(rng.integers(1, 8, 100)).tolist()
    made = {name: write_video(folder / name, images) for name in ("a.mp4", "a.mkv", "a.ts", "a.avi", "a.h264")}
    made["uneven.mp4"] = write_video(folder / "uneven.mp4", images, pts=uneven, time_base=Fraction(1, 100))
    return made


def key(frame) -> tuple[Fraction, bytes]:
    return frame.pts * frame.time_base, frame.image.tobytes()


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.avi", "a.h264", "uneven.mp4"])
@pytest.mark.parametrize("selection", SELECTIONS)
def test_is_the_same_as_choosing_from_the_whole(videos: dict[str, Path], name: str, selection: str):
    asked = SELECTIONS[selection]
    with open_video(videos[name]) as video:
        whole = [key(frame) for frame in video]
    begin = exact_seconds(asked.get("start", 0))
    end = exact_seconds(asked.get("end", 1000))
    expected = [item for item in whole if begin <= item[0] < end][:: asked.get("stride", 1)][: asked.get("max_frames")]
    with open_video(videos[name], **asked) as video:
        frames = list(video)
    assert [key(frame) for frame in frames] == expected
    assert [frame.index for frame in frames] == list(range(len(expected)))
    assert video.problems == []
    assert video.info.num_frames in (None, len(expected))
    assert video.info.fps is None or video.info.fps > 0


def test_the_beginning_of_a_long_file_is_not_decoded(videos: dict[str, Path], monkeypatch: pytest.MonkeyPatch):
    times = []
    stored = PyAVSource._stored_time
    monkeypatch.setattr(PyAVSource, "_stored_time", lambda self, frame: times.append(frame.time) or stored(self, frame))
    for name in ("a.mp4", "a.mkv"):
        times.clear()
        with open_video(videos[name], start=3.5, end=3.6) as video:
            list(video)
        assert min(times) > 1.9


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_a_keyframe_that_others_before_it_refer_to(tmp_path: Path, codec: str):
    """With open groups of pictures, those shown before the keyframe cannot be decoded after a jump to it; they are not wanted."""
    import av

    rng = np.random.default_rng(0)
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as output:
        settings = (
            {"x264-params": "open-gop=1:keyint=10:log=none"}
            if codec == "libx264"
            else {"x265-params": "open-gop=1:keyint=10:log-level=none"}
        )
        stream = output.add_stream(codec, rate=25, options=settings)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for _ in range(100):
            frame = av.VideoFrame.from_ndarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8), format="rgb24")
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    with open_video(path) as video:
        whole = [key(frame) for frame in video]
    for start in (1.6, 2.0, 2.04, 3.2):
        with open_video(path, start=start) as video:
            assert [key(frame) for frame in video] == [item for item in whole if item[0] >= exact_seconds(start)]
        assert video.problems == []


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"start": -1}, "not a time"),
        ({"start": "soon"}, "not a time"),
        ({"end": float("nan")}, "not a time"),
        ({"start": "1/0"}, "not a time"),
        ({"start": "1e999999999"}, "not a time"),
        ({"start": "1e4_00"}, "not a time"),
        ({"end": "1e400"}, "not a time"),
        ({"end": Fraction(10) ** 400}, "not a time"),
        ({"start": "1:-30"}, "not a time"),
        ({"start": 10**9}, "no frame from 1e\\+09 s"),
        ({"start": 2, "end": 2}, "not after the start"),
        ({"stride": 0}, "stride"),
        ({"max_frames": 0}, "max_frames"),
        ({"start": 99}, r"no frame from 99 s to the end"),
        ({"start": 1.01, "end": 1.02}, r"no frame from 1.01 s to 1.02 s"),
    ],
)
def test_selections_of_nothing_are_refused_in_one_line(videos: dict[str, Path], asked: dict, expected: str):
    with pytest.raises(VideoError, match=expected) as caught:
        open_video(videos["a.mp4"], **asked)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1.1", Fraction(11, 10)), (1.1, Fraction(11, 10)), ("1:30", 90), ("1:00:00.5", Fraction(7201, 2)), (3, 3)],
)
def test_times_are_what_is_written(text, seconds):
    assert exact_seconds(text) == seconds


def test_pictures_and_arrays_are_selected_too(tmp_path: Path):
    images = [np.full((8, 8, 3), number, dtype=np.uint8) for number in range(20)]
    with open_video(images, fps=10, start=0.5, end=1.5, stride=3, max_frames=3) as video:
        assert [int(frame.image[0, 0, 0]) for frame in video] == [5, 8, 11]


def test_facts_of_the_selected_part(videos: dict[str, Path]):
    with open_video(videos["a.mp4"], start=1, end=3, stride=2) as video:
        assert video.info.fps == Fraction(25, 2)
        assert video.info.duration == 2
    with open_video(videos["a.mp4"], stride=3) as video:
        assert video.info.num_frames == 34
    with open_video(videos["a.mp4"], max_frames=10) as video:
        assert (video.info.num_frames, video.info.duration) == (10, 0.4)


def test_reading_goes_no_further_than_needed():
    taken = []
    wanted = Selection(max_frames=2).of_items((taken.append(n) or n for n in range(100)), Fraction)
    assert list(wanted) == [0, 1]
    assert taken == [0, 1]
