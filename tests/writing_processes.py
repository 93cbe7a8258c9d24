"""Processes that write a video and are killed at a chosen moment, or may write only so much.

This file is the program, too: one process imports everything once and forks a writer for each trial.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from fractions import Fraction

from blobs import two_discs

from queryinst_vis.errors import UserError
from queryinst_vis.structures import VideoInfo
from queryinst_vis.video import VideoWriter

FPS = 25


@dataclass
class Trial:
    """A video to write. most_bytes: the size that no file may exceed.

    kill_after: kill the writer when so many pictures were taken in, and `delay` seconds have passed.
    """

    path: str
    num_frames: int
    codec: str = "h264"
    sound: str | None = None
    kill_after: int | None = None
    delay: float = 0.0
    most_bytes: int | None = None


@dataclass
class Outcome:
    """taken: pictures that `write` took; is_closed: whether `close` came back; error: what was said, if anything."""

    taken: int
    is_closed: bool
    error: str


def run_trials(trials: list[Trial], *, seconds: float = 120) -> list[Outcome]:
    """Run all of them, one after the other, in processes of their own."""
    work = json.dumps([asdict(trial) for trial in trials])
    done = subprocess.run([sys.executable, __file__], input=work, capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, done.stderr
    return [Outcome(**outcome) for outcome in json.loads(done.stdout)]


def _write(trial: Trial, pipe: int) -> None:
    if trial.most_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (trial.most_bytes, trial.most_bytes))
    info = VideoInfo(128, 96, Fraction(FPS), Fraction(1, FPS))
    pictures = [two_discs(index) for index in range(30)]
    try:
        with VideoWriter(trial.path, info, codec=trial.codec, audio_from=trial.sound) as writer:
            for index in range(trial.num_frames):
                writer.write(pictures[index % 30], index)
                os.write(pipe, b".")
    except UserError as error:
        os.write(pipe, f"!{error}".encode())
    else:
        os.write(pipe, f"c{'; '.join(writer.problems)}".encode())


def _attempt(trial: Trial) -> Outcome:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        try:
            _write(trial, writing)
        finally:
            os._exit(0)
    os.close(writing)
    said = b""
    while chunk := os.read(reading, 1 if trial.kill_after is not None else 4096):
        said += chunk
        if len(said) == trial.kill_after:
            time.sleep(trial.delay)
            os.kill(child, signal.SIGKILL)
            break
    while chunk := os.read(reading, 4096):  # what was written before it died
        said += chunk
    os.close(reading)
    os.waitpid(child, 0)
    taken = len(said) - len(said.lstrip(b"."))
    rest = said[taken:].decode()
    return Outcome(taken, rest.startswith("c"), rest[1:])


if __name__ == "__main__":
    print(json.dumps([asdict(_attempt(Trial(**trial))) for trial in json.load(sys.stdin)]))
