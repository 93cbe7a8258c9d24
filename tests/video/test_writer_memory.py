"""Writing takes the same memory, files and threads however long the video is. Prints the figures of docs/reliability.md."""

import subprocess
import sys
from pathlib import Path

import pytest
from blobs import two_discs, write_video

PROGRAM = """
import gc, os, sys
from fractions import Fraction
import numpy as np
from queryinst_vis.structures import VideoInfo
from queryinst_vis.video import VideoWriter

path, codec, sound, num_frames = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

pictures = np.random.default_rng(0).integers(0, 255, (20, 9, 16, 3), dtype=np.uint8).repeat(40, 1).repeat(40, 2)
with VideoWriter(path, VideoInfo(640, 360, Fraction(25), Fraction(1, 90000)), codec=codec, audio_from=sound) as writer:
    for index in range(num_frames):
        writer.write(pictures[index % 20], 3600 * index)
        if index in (num_frames // 5, num_frames - 1):
            gc.collect()
            print(resident(), len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task")))
print(resident(), len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task")))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "h264"), ("a.mkv", "h264"), ("a.webm", "vp9")])
def test_memory_is_flat_over_5000_pictures(tmp_path: Path, name: str, codec: str):
    sound = write_video(tmp_path / "sound.mp4", [two_discs(0)] * 5000, sound="aac")
    arguments = [str(tmp_path / name), codec, str(sound), "5000"]
    done = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, timeout=900, check=True)
    warm, late, closed = ([float(number) for number in line.split()] for line in done.stdout.splitlines())
    print(f"{name[1:]} {codec}: {warm[0]:.1f} MB after 1000 pictures, {late[0]:.1f} after 5000, {closed[0]:.1f} once closed")
    assert late[0] - warm[0] < 5
    assert late[1:] == warm[1:]
    assert closed[0] - warm[0] < 10
