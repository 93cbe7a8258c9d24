"""Damaged files of every kind: each gives a result or a typed error in one line, never a crash, a hang or a traceback.

A failure names target and seed; `python tests/fuzz/replay.py TARGET SEED` repeats it. What was found is in test_found.py.
"""

from contextlib import closing
from pathlib import Path

import pytest
from fuzz.children import Child
from fuzz.mutations import mutate, mutate_json
from fuzz.targets import TARGETS

_QUICK, _MANY = 16, 400  # seeds of a target of weight 1


@pytest.mark.parametrize("target", TARGETS)
def test_damaged_files(child: Child, target: str):
    assert not child.failures(target, range(int(_QUICK * TARGETS[target].weight)))


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_many_damaged_files(child: Child, target: str):
    assert not child.failures(target, range(1000, 1000 + int(_MANY * TARGETS[target].weight)))
    assert child.slowest < 20


@pytest.mark.parametrize("target", TARGETS)
def test_sound_files_are_read(inputs: Path, target: str):
    """Else every damaged file would be refused, and nothing be tested."""
    result = TARGETS[target].read(inputs / TARGETS[target].sample)
    assert not isinstance(result, int) or result == 0  # a command's exit code


def test_damage_follows_from_its_seed():
    data = bytes(range(256)) * 4
    assert [mutate(data, seed) for seed in range(50)] == [mutate(data, seed) for seed in range(50)]
    assert len({mutate(data, seed) for seed in range(50)}) > 45
    text = b'{"a": [1, 2, {"b": 3}], "c": "x"}'
    assert len({mutate_json(text, seed) for seed in range(50)}) > 40


def test_harness_tells_how_reading_ended(tmp_path: Path):
    (tmp_path / "sample").write_bytes(b"sample")
    bad = {
        "crash": "SIGSEGV",
        "hang": "Timeout",
        "memory": "MemoryError",
        "untyped": "KeyError",
        "exit": "ended",
        "lines": "a line",
    }
    with closing(Child(tmp_path, targets="fuzz.endings", most_seconds=1)) as child:
        for ending, told in bad.items():
            (found,) = child.failures(ending, [7])
            assert found.startswith(f"{ending}, seed 7")
            assert told in found
        assert not child.failures("typed", [0, 1])
        assert not child.failures("result", [0])
        assert (child.counts["typed"], child.counts["result"]) == ({"refused": 2}, {"result": 1})
