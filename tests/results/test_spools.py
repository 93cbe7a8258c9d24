"""Spools that are damaged, or none."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from found_objects import frame, instances, write

from queryinst_vis.data.json_tables import DatasetError
from queryinst_vis.errors import UserError
from queryinst_vis.results import KINDS, convert_result


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    log = write("json", tmp_path / "a.json")
    for index in range(3):
        log.add(frame(index), instances([1, 2]))
    log.suspend()
    return tmp_path / "a.json.spool"


def change(spool: Path, statement: str) -> None:
    with closing(sqlite3.connect(spool)) as database, database:
        database.execute(statement)


@pytest.mark.parametrize("kind", KINDS)
def test_code_that_is_none(kind: str, spool: Path, tmp_path: Path):
    """Masks of a spool went into the writers unseen, which ended by a traceback."""
    change(spool, "UPDATE rows SET counts = '\"x\"' WHERE frame = 1 AND track = 2")
    with pytest.raises(DatasetError, match=r"a\.json\.spool.* (damaged|cannot be read)"):
        convert_result(spool, tmp_path / "out", to=kind)


@pytest.mark.parametrize("column", ["label = 7", "score = 'high'", "x = NULL", "counts = 5"])
def test_values_that_are_none(column: str, spool: Path, tmp_path: Path):
    change(spool, f"UPDATE rows SET {column} WHERE frame = 1")
    with pytest.raises(DatasetError, match=r"a\.json\.spool"):
        convert_result(spool, tmp_path / "out", to="jsonl")


@pytest.mark.parametrize("value", ["'[]'", "'{}'", "x'7bff7d0a0a'", "NULL"])
def test_header_that_is_none_is_one_line(value: str, spool: Path, tmp_path: Path):
    """SQLite's message on text that is no text has several lines."""
    change(spool, f"UPDATE facts SET value = {value} WHERE name = 'header'")
    with pytest.raises(UserError, match=r"^[^\n]*a\.json\.spool[^\n]*$"):
        convert_result(spool, tmp_path / "out", to="json")


def test_damage_is_not_told_as_a_full_disk(spool: Path, tmp_path: Path):
    data = spool.read_bytes()
    spool.write_bytes(data[: len(data) // 2])
    with pytest.raises(UserError, match="damaged") as told:
        convert_result(spool, tmp_path / "out", to="json")
    assert "cannot write" not in str(told.value)
    assert not (tmp_path / "out").exists()


def test_the_database_of_something_else_is_not_touched(tmp_path: Path):
    with closing(sqlite3.connect(tmp_path / "mine.db")) as database, database:
        database.execute("CREATE TABLE recipes (name TEXT)")
    before = (tmp_path / "mine.db").read_bytes()
    with pytest.raises(UserError, match="is no spool of results"):
        convert_result(tmp_path / "mine.db", tmp_path / "out", to="json")
    assert (tmp_path / "mine.db").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["mine.db"]
