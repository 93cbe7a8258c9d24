"""What a long video costs in memory while it is written and when it is closed, the database's included."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from queryinst_vis.results import KINDS

MOST = 20e6  # bytes
WRITE = """
import resource
import sys
import torch
from found_objects import INFO, frame, write
from queryinst_vis.masks import BitMasks
from queryinst_vis.structures import Instances

kind, path, num_frames = sys.argv[1], sys.argv[2], int(sys.argv[3])
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

def peak():
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

for name, length in (("warm", 50), ("long", num_frames)):
    before = peak()
    with write(kind, f"{path}/{name}") as log:
        for index in range(length):
            log.add(frame(index), instances(index))
print(peak() - before)
"""


def growth(kind: str, folder: Path, num_frames: int, repo_root: Path) -> int:
    """Bytes by which a process grew at its largest, after a short video, while it wrote a long one."""
    command = [sys.executable, "-c", WRITE, kind, str(folder), str(num_frames)]
    environment = os.environ | {"PYTHONPATH": str(repo_root / "tests"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return int(done.stdout)


def test_two_thousand_frames_of_twenty_masks(tmp_path: Path, repo_root: Path):
    used = growth("json", tmp_path, 2000, repo_root)
    assert used < MOST / 2
    assert (tmp_path / "long").stat().st_size > 40_000 * 100


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_twenty_thousand_frames_of_twenty_masks(kind: str, tmp_path: Path, repo_root: Path):
    used = growth(kind, tmp_path, 20_000, repo_root)
    print(f"{kind}: {used / 1e6:.1f} MB")
    assert used < MOST
