"""A writing process that is killed at any moment leaves a file that plays, with all but the last second of its pictures."""

from contextlib import suppress
from fractions import Fraction
from itertools import count
from pathlib import Path

import av
import numpy as np
import pytest
from blobs import two_discs, write_video
from writing_processes import FPS, Trial, run_trials

from queryinst_vis.video.codecs import CODECS, FRAGMENT

KINDS = [
    ("a.mp4", "h264"),
    ("a.mp4", "av1"),
    ("a.mp4", "vp9"),
    ("a.mov", "h264"),
    ("a.mov", "prores"),
    ("a.mkv", "h264"),
    ("a.mkv", "prores"),
    ("a.webm", "vp9"),
    ("a.webm", "av1"),
]
WITH_SOUND = [("a.mp4", "h264"), ("a.mkv", "h264"), ("a.webm", "vp9")]
NUM_FRAMES = 100
OVERTAKING = 4  # a picture that was encoded before three that it follows; they may be missing


def most_missing(codec: str) -> int:
    """Pictures that a kill may cost: the fragment in progress with the picture that ends it, what the encoder holds, two more.

    One waits until it is known how long it is shown, and one may be overtaken.
    """
    return int(FRAGMENT * FPS) + 1 + CODECS[codec].held + 2


def trials(folder: Path, name: str, codec: str, *, moments: int, sound: Path | None = None) -> list[Trial]:
    """Kills spread over the whole of the writing and the finishing."""
    result = []
    for number, taken in zip(count(), np.linspace(1, NUM_FRAMES, moments).astype(int).tolist()):
        (folder / str(number)).mkdir(parents=True)
        delay = 0.0005 * (number % 5)
        path, heard = str(folder / str(number) / name), str(sound) if sound else None
        result.append(Trial(path, NUM_FRAMES, codec, heard, kill_after=taken, delay=delay))
    for number in range(moments, 2 * moments):  # all pictures are taken: in the midst of the finishing, a few milliseconds
        (folder / str(number)).mkdir()
        path, heard = str(folder / str(number) / name), str(sound) if sound else None
        result.append(Trial(path, NUM_FRAMES, codec, heard, kill_after=NUM_FRAMES, delay=0.02 * (number - moments) / moments))
    return result


def left_over(trial: Trial) -> Path | None:
    """The file that a user finds, under its name or as a .part."""
    path = Path(trial.path)
    return next((found for found in (path, path.with_name(path.name + ".part")) if found.exists()), None)


def times_in(path: Path) -> list[Fraction]:
    """Times of the pictures that decode, up to one that was cut off; none where nothing does."""
    times: list[Fraction] = []
    with suppress(av.FFmpegError, IndexError), av.open(f"file:{path}") as container:
        times.extend(frame.pts * frame.time_base for frame in container.decode(video=0))
    return times


def check(trial: Trial, taken: int, *, allowed: int) -> int:
    """How many pictures are missing."""
    found = left_over(trial)
    times = times_in(found) if found else []
    shown = [int(time * FPS) for time in times]
    assert times == [Fraction(index, FPS) for index in shown]
    end = max(len(shown) - OVERTAKING, 0)
    assert shown[:end] == list(range(end))
    assert shown == sorted(set(shown))
    assert taken - allowed <= len(times) <= min(taken + 1, NUM_FRAMES), (trial, taken, len(times))
    return max(taken - len(times), 0)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str, bool], list[tuple[Trial, int]]]:
    """Trials by name, codec and whether there is sound, each with the number of pictures that were taken."""
    folder = tmp_path_factory.mktemp("killed")
    sound = write_video(folder / "sound.mp4", [two_discs(0)] * NUM_FRAMES, sound="aac")
    tried = {(*kind, False): trials(folder / kind[1] / kind[0], *kind, moments=3) for kind in KINDS}
    tried |= {(*kind, True): trials(folder / "sound" / kind[0], *kind, moments=3, sound=sound) for kind in WITH_SOUND}
    outcomes = iter(run_trials([trial for some in tried.values() for trial in some]))
    return {kind: [(trial, next(outcomes).taken) for trial in some] for kind, some in tried.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_plays_after_a_kill_at_any_moment(killed, kind: tuple[str, str]):
    for trial, taken in killed[(*kind, False)]:
        check(trial, taken, allowed=most_missing(kind[1]))


@pytest.mark.parametrize("kind", WITH_SOUND)
def test_sound_plays_after_a_kill(killed, kind: tuple[str, str]):
    for trial, taken in killed[(*kind, True)]:
        shown = taken - check(trial, taken, allowed=most_missing(kind[1]))
        found = left_over(trial)
        if found and shown > FPS:
            with av.open(f"file:{found}") as container:
                heard = sum(frame.samples for frame in container.decode(audio=0)) / 48000
            assert heard >= shown / FPS - 0.3


@pytest.mark.slow
def test_plays_after_hundreds_of_kills(tmp_path: Path):
    """Prints the figures of docs/reliability.md."""
    for name, codec in KINDS:
        tried = trials(tmp_path / codec / name, name, codec, moments=40)
        outcomes = run_trials(tried, seconds=600)
        missing = [
            check(trial, outcome.taken, allowed=most_missing(codec)) for trial, outcome in zip(tried, outcomes, strict=True)
        ]
        finished = sum(Path(trial.path).exists() for trial in tried)
        print(f"{name[1:]} {codec}: {len(tried)} kills, most pictures missing {max(missing)}, {finished} came after the end")
