"""What all tests share: one thread for torch, extra data that not everybody has, the skip of tests that need a GPU."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"  # real annotated images and videos beside the clone; no part of the project

torch.set_num_threads(1)  # the same sums in the same order everywhere, and no quarrel for cores
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background job ignores, and its processes with it


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not torch.cuda.is_available():
        no_gpu = pytest.mark.skip(reason="needs a CUDA device")
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(no_gpu)


@pytest.fixture(scope="session")
def repo_root() -> Path:
    """The clone."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """A path inside ../shared by its name there, e.g. shared("media/clips/bedroom.mp4"); skips the test where it is missing."""

    def find(relative: str) -> Path:
        path = SHARED / relative
        if not path.exists():
            pytest.skip(f"needs ../shared/{relative}")
        return path

    return find


@pytest.fixture(scope="session")
def shared_data(shared: Callable[[str], Path]) -> Path:
    """../shared/data: small COCO sets and detector weights."""
    return shared("data")


@pytest.fixture(scope="session")
def shared_media(shared: Callable[[str], Path]) -> Path:
    """../shared/media: videos of many formats, and clips with ground truth."""
    return shared("media")
