"""Video on the standard input: the same frames as from the file, and no wait without end."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from blobs import two_discs, write_video

from queryinst_vis.video import Limits, VideoError, VideoSource, open_video

Feed = Callable[[bytes], None]


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Feed]:
    """Makes a pipe the standard input and writes into it what it is called with; the writing end stays open for `stay`."""
    reading, writing = os.pipe()
    threads = []

    def write(data: bytes, *, stay: bool = False) -> None:
        def work() -> None:
            with suppress(BrokenPipeError):
                for begin in range(0, len(data), 4096):
                    os.write(writing, data[begin : begin + 4096])
            if not stay:
                os.close(writing)

        threads.append(threading.Thread(target=work))
        threads[0].start()

    with open(reading, "rb", buffering=0) as file:
        monkeypatch.setattr(sys, "stdin", file)
        yield write
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
    with suppress(OSError):
        os.close(writing)


def is_sound(video: VideoSource, num_frames: int) -> bool:
    times = [frame.pts * frame.time_base for frame in video]
    return times == [index / video.info.fps for index in range(num_frames)] and not video.problems


@pytest.mark.parametrize("name", ["a.ts", "a.mp4", "a.mkv"])
def test_the_standard_input_is_a_video(tmp_path: Path, feed: Feed, name: str):
    options = {"movflags": "+faststart"} if name == "a.mp4" else None
    feed(write_video(tmp_path / name, [two_discs(index) for index in range(5)], container_options=options).read_bytes())
    with open_video("-") as video:
        assert is_sound(video, 5)


def noisy(path: Path) -> Path:
    """A video of 200 kB, its index at the end."""
    return write_video(path, list(np.random.default_rng(0).integers(0, 256, (20, 96, 128, 3), dtype=np.uint8)))


def test_a_file_as_standard_input_may_have_its_index_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with noisy(tmp_path / "a.mp4").open("rb") as file:
        monkeypatch.setattr(sys, "stdin", file)
        with open_video("-") as video:
            assert is_sound(video, 20)


def test_an_index_at_the_end_of_a_pipe_is_refused_with_what_would_help(tmp_path: Path, feed: Feed):
    feed(noisy(tmp_path / "a.mp4").read_bytes())
    with pytest.raises(VideoError, match="index at its end cannot be read from a pipe"):
        open_video("-")


@pytest.mark.parametrize(
    ("data", "expected"),
    [(b"", "is empty"), (b"hello\n" * 500, "text"), (b"#EXTM3U\n/etc/passwd\n", "text, or a list of other files")],
)
def test_what_is_no_video_is_refused(feed: Feed, data: bytes, expected: str):
    feed(data)
    with pytest.raises(VideoError, match=f"the standard input .*{expected}") as caught:
        open_video("-")
    assert "\n" not in str(caught.value)


def test_a_terminal_is_refused(monkeypatch: pytest.MonkeyPatch):
    main, terminal = os.openpty()
    with open(main, "rb", buffering=0), open(terminal, "rb", buffering=0) as file:
        monkeypatch.setattr(sys, "stdin", file)
        with pytest.raises(VideoError, match="is a terminal"):
            open_video("-")


def test_no_standard_input_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(VideoError, match="is closed"):
        open_video("-")


def test_a_pipe_that_says_nothing_is_given_up(feed: Feed):
    feed(b"", stay=True)
    begun = time.perf_counter()
    with pytest.raises(VideoError, match=r"the standard input: gave no data for 0.3 s"):
        open_video("-", limits=Limits(read_timeout=0.3))
    assert time.perf_counter() - begun < 10


def test_a_pipe_that_falls_silent_gives_what_came_and_tells(tmp_path: Path, feed: Feed):
    data = write_video(tmp_path / "a.ts", [two_discs(index) for index in range(50)]).read_bytes()
    feed(data[: len(data) // 2], stay=True)
    with open_video("-", limits=Limits(read_timeout=0.3)) as video:
        assert 5 < len(list(video)) < 50
    assert any("gave no data for 0.3 s" in problem for problem in video.problems)
