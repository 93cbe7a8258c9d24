"""A child process and the files it damages, for all tests of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fuzz.children import Child
from fuzz.inputs import make_inputs


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small sound files."""
    folder = tmp_path_factory.mktemp("fuzz")
    make_inputs(folder)
    return folder


@pytest.fixture(scope="session")
def child(inputs: Path) -> Iterator[Child]:
    child = Child(inputs)
    yield child
    child.close()
