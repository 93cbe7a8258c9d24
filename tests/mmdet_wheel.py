"""mmdetection 3.3.0 as its wheel, for tests that compare with single files of it; it is not installed."""

import subprocess
import sys
from pathlib import Path

import pytest


def fetch_mmdet_wheel(folder: Path) -> Path:
    """The wheel, put into the folder. Skips the test when it cannot be fetched."""
    command = [sys.executable, "-m", "pip", "download", "mmdet==3.3.0", "--no-deps", "--quiet", "--dest", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot fetch mmdet 3.3.0: {done.stderr.strip().splitlines()[-1:]}")
    return next(folder.glob("mmdet-*.whl"))
