"""Videos of the wild against what ffprobe and ffmpeg say of them (tests/golden/formats_ffprobe.json)."""

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from ffprobe_reading import digest, grid

from queryinst_vis.video import VideoError, open_video

EXPECTED = json.loads((Path(__file__).parents[1] / "golden" / "formats_ffprobe.json").read_text())
HD_WITHOUT_MATRIX = {"corrupted.mp4"}  # which ffmpeg takes for BT.601; players and the package take it for BT.709
DAMAGED = {"BA_MW_D_IDR_LOST.264", "Error_I_P.264", "corrupted.mp4"}


@pytest.mark.parametrize("name", EXPECTED)
def test_number_size_times_and_first_picture_are_those_of_ffprobe(shared: Callable[[str], Path], name: str):
    path, expected = shared(f"media/formats/{name}"), EXPECTED[name]
    if expected is None:
        with pytest.raises(VideoError) as caught:
            open_video(path)
        assert "\n" not in str(caught.value)
        return
    times, first = [], None
    with open_video(path) as source:
        for frame in source:
            first = frame.image if first is None else first
            times.append(frame.pts * frame.time_base)
            assert frame.image_hw == (source.info.height, source.info.width)
    assert (len(times), source.info.width, source.info.height) == tuple(expected[key] for key in ("frames", "width", "height"))
    if expected["times"] is None:  # a raw stream, timed by its rate
        assert times == [number / source.info.fps for number in range(len(times))]
    else:
        assert digest(times) == expected["times"]
    assert np.abs(np.subtract(grid(first), expected["first"])).max() <= (10 if name in HD_WITHOUT_MATRIX else 4)
    assert bool(source.problems) == (name in DAMAGED), source.problems


FAMOUS_TRAPS = {
    "sample.flv": Fraction(29000, 967),  # says 1000 frames per second
    "sample_with_srt.mkv": Fraction(29000, 967),
    "video_desks.3gp": Fraction(3550, 251),  # metadata that is not UTF-8
    "MOV00006.3gp": Fraction(2775, 188),
    "no_duration.webm": Fraction(15000, 1001),
    "BA_MW_D_IDR_LOST.264": Fraction(25),
}


@pytest.mark.parametrize("name", FAMOUS_TRAPS)
def test_rate_can_be_believed(shared: Callable[[str], Path], name: str):
    with open_video(shared(f"media/formats/{name}")) as source:
        assert source.info.fps == FAMOUS_TRAPS[name]


@pytest.mark.parametrize("name", [name for name, expected in EXPECTED.items() if expected and expected["frames"] > 20])
def test_beginning_in_the_middle_gives_the_same_pictures(shared: Callable[[str], Path], name: str):
    path = shared(f"media/formats/{name}")
    with open_video(path) as source:
        whole = [(frame.pts, frame.image.tobytes()) for frame in source][:200]
        time_base = source.info.time_base
    start = whole[len(whole) * 3 // 4][0] * time_base
    with open_video(path, start=start) as source:
        part = [(frame.pts, frame.image.tobytes()) for frame, _ in zip(source, range(10), strict=False)]
    assert part == [item for item in whole if item[0] * time_base >= start][:10]
