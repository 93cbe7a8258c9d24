"""Memory of one frame serves the next."""

import platform
import subprocess
import sys

import pytest

from queryinst_vis.acceleration.memory import keep_freed_memory

# Maps like those of a network, of one frame after the other.
_FRAMES = """
import resource, sys
import numpy as np
from queryinst_vis.acceleration.memory import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
def frame():
    maps = [np.ones(10 << 20, dtype=np.uint8) for _ in range(10)]
    for pixels in maps:
        pixels += 1
for _ in range(4):
    frame()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    frame()
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 5)
"""

needs_glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")


def pages(how: str) -> float:
    """That the system has to give for each frame."""
    environment = {"PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-c", _FRAMES, how]
    return float(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


@needs_glibc
def test_pages_are_kept() -> None:
    assert pages("kept") < 100
    assert pages("as it is") > 1000  # else there is nothing to do any more


def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_ARENA_MAX", "2")
    assert not keep_freed_memory()
