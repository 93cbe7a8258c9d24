"""Annotation files as tables of rows with ids: reading the JSON, and finding rows that lack what their format needs."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from queryinst_vis.errors import UserError
from queryinst_vis.ops.bounds import PIXELS

Rows = list[dict[str, Any]]
_LARGEST_ID = (1 << 63) - 1
_LONGEST_PART = 255  # bytes of a folder's or file's name, on all common systems


class DatasetError(UserError):
    """Annotations or images that cannot be used, named by file and id."""


@dataclass(frozen=True, slots=True)
class Format:
    """What a kind of annotation file is made of. required: table -> fields each row has; texts: table -> fields that are text;
    optional: tables that may be missing or null (a test set has no annotations)."""

    name: str
    required: Mapping[str, tuple[str, ...]]
    texts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    optional: tuple[str, ...] = ("annotations",)

    def sound_tables(self, content: dict[str, Any]) -> tuple[dict[str, Rows], list[str]]:
        """Of each table the rows that have all fields and an id of their own, and a line about each of the others."""
        tables, problems = {}, []
        for key in self.required:
            tables[key], found = self._sound_rows(content.get(key), key)
            problems += found
        return tables, problems

    def _sound_rows(self, rows: Any, key: str) -> tuple[Rows, list[str]]:
        if rows is None and key in self.optional:
            return [], []
        if not isinstance(rows, list):
            return [], [f"not {self.name} annotations: expected a list of objects under {key!r}"]
        seen: set[int] = set()
        sound, problems = [], []
        for position, row in enumerate(rows):
            problem = self._problem(row, key, position, seen)
            if problem:
                problems.append(problem)
            else:
                seen.add(row["id"])
                sound.append(row)
        return sound, problems

    def _problem(self, row: Any, key: str, position: int, seen: set[int]) -> str | None:
        if not isinstance(row, dict):
            return f"not {self.name} annotations: expected a list of objects under {key!r}, entry {position} is none"
        missing = [name for name in self.required[key] if name not in row]
        if missing:
            return f"entry {position} of {key!r} (id {row.get('id')}) has no {missing[0]!r}"
        if not is_whole(row["id"]):
            return f"entry {position} of {key!r}: the id must be a whole number, got {row['id']!r:.40}"
        if abs(row["id"]) > _LARGEST_ID:
            return f"entry {position} of {key!r}: the id has {row['id'].bit_length()} bits, at most 63 are read"
        for name in self.texts.get(key, ()):
            if not isinstance(row[name], str):
                return f"entry {position} of {key!r} (id {row['id']}): {name} must be text, got {row[name]!r}"
        if row["id"] in seen:
            return f"the id {row['id']} occurs twice in {key!r}"
        return None


def read_json(path: str | Path, *, change: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """The parsed content. Raises DatasetError when there is no such file or it is not JSON.

    change: what to make of each object, innermost first, while the file is parsed.
    """
    try:
        return json.loads(Path(path).read_bytes(), object_hook=change)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # JSONDecodeError and UnicodeDecodeError are ValueErrors
        raise DatasetError(f"{path}: not a JSON file: {error}") from None


def is_whole(value: Any) -> bool:
    """Whether a JSON value is a whole number; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def size_problem(row: Mapping[str, Any]) -> str | None:
    """What is wrong with the `width` and `height` of an image or a video."""
    if not all(is_whole(row[side]) and row[side] > 0 for side in ("width", "height")):
        return "width and height must be whole numbers above 0"
    if problem := PIXELS.problem(row["width"] * row["height"]):
        return f"its pictures are too large: {problem}"
    return None


def file_name_problem(name: str) -> str | None:
    """What is wrong with the name of a picture in a data set's folder: it leads out of it, or no system has such names.

    Links inside the folder are followed: who put them there owns the folder, while anybody may have written the file of names.
    """
    parts = name.replace("\\", "/").split("/")
    if not name or "\0" in name or not is_encodable(name) or any(len(part.encode()) > _LONGEST_PART for part in parts):
        return f"{name!r:.80} is no name of a file"
    if not parts[0] or ".." in parts or re.match("[A-Za-z]:", name):
        return f"{name!r:.80} leads out of the folder of images; names are relative to it and without '..'"
    return None


def is_encodable(text: str) -> bool:
    """JSON can hold halves of characters, which no file name, file or terminal takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def list_pieces(items: Iterable[str]) -> Iterator[str]:
    """The text of a JSON list of items, each the text of one, on a line of its own: pieces to write one after the other."""
    before = "[\n"
    for item in items:
        yield before + item
        before = ",\n"
    yield "\n]\n" if before != "[\n" else "[]\n"
