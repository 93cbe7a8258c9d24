"""The outermost boxes of MP4 and MOV files: their places, and cutting off one that was not written to its end."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Box(NamedTuple):
    """begin, end: bytes of the file, half open; the end may lie beyond that of a file that was cut off."""

    kind: str
    begin: int
    end: int


def outermost_boxes(path: Path) -> Iterator[Box]:
    """Boxes of a file in their order. OSError."""
    length = path.stat().st_size
    begin = 0
    with path.open("rb") as file:
        while begin + 8 <= length:
            file.seek(begin)
            head = file.read(16)
            size = int.from_bytes(head[:4], "big")
            if size == 1:  # the size follows in eight bytes
                size = int.from_bytes(head[8:16], "big")
            if size < 8:
                return
            yield Box(head[4:8].decode("latin-1"), begin, begin + size)
            begin += size


def cut_incomplete_fragment(path: Path) -> None:
    """Cut a file in fragments behind its last complete one. OSError.

    Players refuse the whole file where the description of a fragment ends in the midst.
    """
    length = path.stat().st_size
    ends = [box.end for box in outermost_boxes(path) if box.kind == "mdat" and box.end <= length]
    if ends and ends[-1] < length:
        os.truncate(path, ends[-1])
