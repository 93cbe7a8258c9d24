"""What a long video costs in memory while it is written and when it is closed, the database's included."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from queryinst_vis.results import KINDS

MOST = 20e6  # bytes
pytestmark = pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="measures memory as Linux tells it")
WRITE = """
import sys
from pathlib import Path
import torch
from found_objects import INFO, frame, write
from queryinst_vis.masks import BitMasks
from queryinst_vis.structures import Instances

kind, path, num_frames, hoarded = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
HW, COUNT = (INFO.height, INFO.width), 20

def found(index):
    masks = torch.zeros((COUNT, *HW), dtype=torch.bool)
    for place in range(COUNT):
        masks[place, place : place + 3 + index % 2, :: 1 + (index + place) % 3] = True
    ids = torch.arange(COUNT) + 1 + COUNT * (index // 1000)
    scores = torch.full((COUNT,), 0.5) + 0.01 * (index % 7)
    boxes = torch.rand(COUNT, 4)
    return Instances(HW, boxes, scores, ids % 2, torch.rand(COUNT, 2), BitMasks(masks), track_ids=ids)

KINDS_OF_FRAMES = [found(index) for index in range(0, 100)]

def instances(index):
    shared = KINDS_OF_FRAMES[index % 100]
    shared.track_ids = torch.arange(COUNT) + 1 + COUNT * (index // 1000)
    return shared

def status(name):
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return 1024 * int(line.split()[1])

kept = []
for name, length in (("warm", 50), ("long", num_frames)):
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = status("VmRSS")
    with write(kind, f"{path}/{name}") as log:
        for index in range(length):
            log.add(frame(index), instances(index))
            kept.append(bytes(hoarded))
print(status("VmHWM") - before)
"""


def growth(kind: str, folder: Path, num_frames: int, repo_root: Path, *, hoarded: int = 0) -> int:
    """Bytes by which a process grew at its largest, after a short video, while it wrote a long one.

    hoarded: bytes it keeps of each frame for nothing, to see that this is seen.
    """
    command = [sys.executable, "-c", WRITE, kind, str(folder), str(num_frames), str(hoarded)]
    environment = os.environ | {"PYTHONPATH": str(repo_root / "tests"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return int(done.stdout)


def test_two_thousand_frames_of_twenty_masks(tmp_path: Path, repo_root: Path):
    used = growth("json", tmp_path, 2000, repo_root)
    assert used < MOST / 2
    assert (tmp_path / "long").stat().st_size > 40_000 * 100


def test_what_is_kept_of_each_frame_would_be_seen(tmp_path: Path, repo_root: Path):
    assert growth("jsonl", tmp_path, 500, repo_root, hoarded=50_000) > MOST


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_twenty_thousand_frames_of_twenty_masks(kind: str, tmp_path: Path, repo_root: Path):
    used = growth(kind, tmp_path, 20_000, repo_root)
    print(f"{kind}: {used / 1e6:.1f} MB")
    assert used < MOST
