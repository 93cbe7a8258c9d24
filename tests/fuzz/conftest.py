"""A child process and the files it damages, for all tests of this folder."""

from collections import Counter
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
    """How many inputs ended in which way is printed at the end; `pytest -s` shows it."""
    child = Child(inputs)
    yield child
    child.close()
    for target, counts in child.counts.items():
        print(f"\n{target}: {counts['result']} results, {counts['refused']} refused, {counts['failure']} failures", end="")
    total = sum(child.counts.values(), Counter())
    print(f"\nall {total.total()}: {dict(total)}, the slowest in {child.slowest:.2f} s")
