"""A small database beside an output, for formats that are written by track or know a track's class at the end only.

It takes in a frame at a time, in memory that does not grow, and survives a kill of the process at any moment: it then holds
every frame that was added (`convert-tracks NAME.spool OUT`).
"""

import json
import sqlite3
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from queryinst_vis.errors import UserError
from queryinst_vis.results import checks
from queryinst_vis.results.records import FrameRecord, Header, ObjectRecord, scores_by_class

# The write-ahead log survives a kill of this process; that the disk is never waited for keeps it cheap. Locking comes first: so
# there is no file for shared memory, and a spool on a full disk can be read.
_SETTINGS = "PRAGMA locking_mode=EXCLUSIVE; PRAGMA synchronous=OFF; PRAGMA cache_size=-2000;"
_TRACK = "num_frames INTEGER, score_sum REAL, class_sums BLOB"
_TABLES = f"""
PRAGMA journal_mode=WAL;
BEGIN;
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT);
CREATE TABLE frames (frame INTEGER PRIMARY KEY, time REAL);
CREATE TABLE rows (frame INTEGER, track INTEGER, label INTEGER, score REAL, x REAL, y REAL, w REAL, h REAL, counts TEXT,
                   PRIMARY KEY (frame, track)) WITHOUT ROWID;
CREATE INDEX rows_by_track ON rows (track, frame);
CREATE TABLE tracks (track INTEGER PRIMARY KEY, {_TRACK});
CREATE TABLE marks (mark INTEGER, track INTEGER, {_TRACK}, PRIMARY KEY (mark, track));
COMMIT;
"""
_NEEDED = {"facts", "frames", "rows", "tracks", "marks"}


class SpoolInUseError(UserError):
    """Another process writes it."""


class SpooledTrack(NamedTuple):
    """label: the class with the highest score on average; score: the mean over its frames."""

    id: int
    label: int
    score: float
    num_frames: int


class Spool:
    """sqlite3.Error comes out of every method when the disk is full or the file is damaged."""

    def __init__(self, path: Path, connection: sqlite3.Connection, header: Header, kind: str) -> None:
        """Use `create` or `open`."""
        self.path, self.header, self.kind = path, header, kind
        self._database = connection

    @classmethod
    def create(cls, path: Path, header: Header, kind: str) -> Self:
        """A new one; what was there is gone. kind: the format it is for."""
        for file in files_of(path):
            file.unlink(missing_ok=True)
        connection = _connect(path)
        try:
            connection.executescript(_SETTINGS + _TABLES)
            facts = {"header": header.facts() | {"categories": header.categories()}, "kind": kind}
            connection.executemany("INSERT INTO facts VALUES (?, ?)", [(k, json.dumps(v)) for k, v in facts.items()])
        except sqlite3.Error:
            connection.close()
            raise
        return cls(path, connection, header, kind)

    @classmethod
    def open(cls, path: Path) -> Self:
        """One that a run has left. UserError: it is none, or is in use."""
        if not path.is_file():
            raise UserError(f"there is no file {path}")
        connection = None
        try:
            connection = _connect(path)
            connection.executescript(_SETTINGS)
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if not tables >= _NEEDED:
                raise UserError(f"{path} is no spool of results")
            facts = {name: json.loads(value) for name, value in connection.execute("SELECT name, value FROM facts")}
            return cls(path, connection, _header(facts["header"], str(path)), facts["kind"])
        except (sqlite3.Error, UserError, ValueError, KeyError, TypeError) as error:
            if connection is not None:
                connection.close()
            if isinstance(error, UserError):
                raise
            if "locked" in str(error):
                raise SpoolInUseError(f"{path} is in use by another run") from None
            raise UserError(f"{path} is no spool of results, or damaged: {one_line(error)}") from None

    def add(self, record: FrameRecord) -> None:
        """All of a frame, or nothing."""
        classes = scores_by_class(record, len(self.header.classes))
        rows = [(record.index, o.track_id, o.label, o.score, *o.box, o.counts) for o in record.objects]
        self._database.execute("BEGIN")
        try:
            self._database.execute("INSERT INTO frames VALUES (?, ?)", (record.index, record.time))
            self._database.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            for item, sums in zip(record.objects, classes, strict=True):
                self._add_to_track(item, sums)
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    def _add_to_track(self, item: ObjectRecord, sums: np.ndarray) -> None:
        query = "SELECT num_frames, score_sum, class_sums FROM tracks WHERE track = ?"
        known = self._database.execute(query, (item.track_id,)).fetchone()
        num_frames, score_sum, before = known or (0, 0.0, bytes(sums.nbytes))
        values = (item.track_id, num_frames + 1, score_sum + item.score, (np.frombuffer(before) + sums).tobytes())
        self._database.execute("REPLACE INTO tracks VALUES (?, ?, ?, ?)", values)

    @property
    def num_frames(self) -> int:
        return self._one("SELECT count(*) FROM frames")

    @property
    def length(self) -> int:
        """The least number of frames a video with these frames has."""
        return max(self.num_frames, 1 + self._one("SELECT ifnull(max(frame), -1) FROM frames"))

    def tracks(self) -> Iterator[SpooledTrack]:
        """By id."""
        for track, num_frames, score_sum, sums in self._database.execute("SELECT * FROM tracks ORDER BY track"):
            yield SpooledTrack(track, int(np.frombuffer(sums).argmax()), score_sum / num_frames, num_frames)

    def sightings(self, track_id: int) -> Iterator[tuple[int, float | None, ObjectRecord]]:
        """(frame index, time, object) of a track, in order."""
        query = """SELECT rows.frame, time, track, label, score, x, y, w, h, counts
                   FROM rows INDEXED BY rows_by_track JOIN frames USING (frame) WHERE track = ? ORDER BY frame"""
        for index, time, *values in self._database.execute(query, (track_id,)):
            yield index, time, _object(values)

    def frames(self) -> Iterator[FrameRecord]:
        """In order, those without objects too."""
        query = """SELECT frames.frame, time, track, label, score, x, y, w, h, counts
                   FROM frames LEFT JOIN rows USING (frame) ORDER BY frames.frame, track"""
        for (index, time), rows in groupby(self._database.execute(query), key=itemgetter(0, 1)):
            yield FrameRecord(index, time, [_object(values) for _, _, *values in rows if values[0] is not None])

    def mark(self) -> int:
        """Remember this state; the last two are kept. The number is the mark's."""
        number = 1 + self._one("SELECT ifnull(max(value), 0) FROM facts WHERE name = 'mark'")
        last = self._one("SELECT ifnull(max(frame), -1) FROM frames")
        self._database.execute("BEGIN")
        self._database.execute("DELETE FROM marks WHERE mark < ?", (number - 1,))
        self._database.execute("INSERT INTO marks SELECT ?, * FROM tracks", (number,))
        self._database.execute("DELETE FROM facts WHERE name = ?", (f"last {number - 2}",))
        self._database.execute("REPLACE INTO facts VALUES ('mark', ?), (?, ?)", (number, f"last {number}", str(last)))
        self._database.execute("COMMIT")
        return number

    def back_to(self, mark: int) -> None:
        """Forget what came after a mark. UserError: it is not known any more."""
        last = self._database.execute("SELECT value FROM facts WHERE name = ?", (f"last {mark}",)).fetchone()
        if last is None:
            raise UserError(f"{self.path} does not hold the place to go on from")
        self._database.execute("BEGIN")
        for table in ("frames", "rows"):
            self._database.execute(f"DELETE FROM {table} WHERE frame > ?", (int(last[0]),))
        self._database.execute("DELETE FROM tracks")
        columns = "track, num_frames, score_sum, class_sums"
        self._database.execute(f"INSERT INTO tracks SELECT {columns} FROM marks WHERE mark = ?", (mark,))
        self._database.execute("DELETE FROM marks WHERE mark > ?", (mark,))  # the next one replaces them, not those before
        self._database.execute("UPDATE facts SET value = ? WHERE name = 'mark'", (mark,))
        self._database.execute("COMMIT")

    def close(self) -> None:
        """The file stays."""
        self._database.close()

    def discard(self) -> None:
        """Nothing stays."""
        self.close()
        for file in files_of(self.path):
            file.unlink(missing_ok=True)

    def _one(self, query: str) -> int:
        return int(self._database.execute(query).fetchone()[0])


class Document:
    """The text of a result in pieces, made of a spool. `problems` are known when the last piece is out."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self.header = spool.header
        self.problems: list[str] = []

    def __iter__(self) -> Iterator[str]:
        raise NotImplementedError


def _connect(path: Path) -> sqlite3.Connection:
    """Any thread may use it, one at a time."""
    return sqlite3.connect(path, isolation_level=None, timeout=0.2, check_same_thread=False)


def one_line(error: Exception) -> str:
    """SQLite quotes what it could not read."""
    return " ".join(str(error).split())[:200]


def files_of(path: Path) -> list[Path]:
    """The files of a spool."""
    return [path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm", "-journal")]


def _header(facts: Any, where: str) -> Header:
    names = checks.category_names(checks.field(facts, "categories", where), where)
    return checks.header(facts, names, where)


def _object(values: list[Any]) -> ObjectRecord:
    track, label, score, x, y, w, h, counts = values
    return ObjectRecord(track, label, score, (x, y, w, h), counts)
