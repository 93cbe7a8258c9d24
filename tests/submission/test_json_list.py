"""A list is read item by item, whatever the size of the pieces it comes in."""

import io
import json
from itertools import islice
from typing import Any

import pytest

from queryinst_vis.submission.json_list import JsonError, JsonList, NotAListError

CHUNKS = (1, 2, 3, 7, 64, 1 << 22)


def items(text: str | bytes, chunk: int) -> list[tuple[Any, bool]]:
    data = text if isinstance(text, bytes) else text.encode()
    return list(JsonList(io.BytesIO(data), chunk=chunk))


@pytest.mark.parametrize("chunk", CHUNKS)
@pytest.mark.parametrize(
    "value",
    [
        [],
        [1],
        [12345, -1.5e-7, 0],
        [None, True, False],
        [{"a": [1, {"b": '\u00e4\U0001f600\\"]}[{,'}]}, [], {}, "", [[]]],
        [{"long": "x" * 5000}, {"list": list(range(300))}],
    ],
)
def test_the_same_as_json(value: list, chunk: int):
    for text in (json.dumps(value), json.dumps(value, indent=2), f" \r\n\t{json.dumps(value, ensure_ascii=False)}\n\n"):
        assert items(text, chunk) == [(item, False) for item in value]


@pytest.mark.parametrize("chunk", CHUNKS)
def test_constants_that_json_does_not_have_are_noted(chunk: int):
    found = items('[{"a": NaN}, {"b": [1, -Infinity]}, {"c": 1}, Infinity]', chunk)
    assert [noted for _, noted in found] == [True, True, False, True]
    assert found[1][0] == {"b": [1, -float("inf")]}


@pytest.mark.parametrize("chunk", CHUNKS)
@pytest.mark.parametrize("text", ['{"results": []}', '"text"', "3", "-3", "null", "true", "", "  \n"])
def test_no_list(text: str, chunk: int):
    with pytest.raises(NotAListError, match="must be a list"):
        items(text, chunk)


@pytest.mark.parametrize("chunk", CHUNKS)
@pytest.mark.parametrize(
    ("text", "num_good", "match"),
    [
        ("[", 0, "character 1"),
        ("[1", 1, "character 2: expected a comma or the end"),
        ("[1,", 1, "character 3"),
        ("[1,]", 1, "a comma before the end"),
        ("[,1]", 0, "character 1"),
        ("[1 2]", 1, "character 3: expected a comma or the end"),
        ("[1]]", 1, "something comes after the end"),
        ("[1][2]", 1, "something comes after the end"),
        ('[1, {"a": 2', 1, "character 1"),
        ('[1, {"a": "xyz', 1, "Unterminated string"),
        ('[1, {"a" 2}]' + " " * 100, 1, "character 9"),
        ("[1, nul]", 1, "character 4"),
        ("[1, {'a': 2}]" + " " * 100, 1, "character 5"),
        ("\ufeff[1]", 0, "byte order mark"),
        ("<html>", 0, "expected a list"),
        (b"[1, \xff]", None, "not UTF-8"),
        (b'[1, "\xc3', None, "not UTF-8"),
        ("[1, " + "[" * 200_000 + "]", 1, "character"),
        ("[1, " + "7" * 5000 + "]", 1, "character 4"),
    ],
)
def test_broken_lists(text: str | bytes, num_good: int | None, match: str, chunk: int):
    chunk = max(chunk, len(text) // 1000)  # it reads the whole item again for each piece
    reader = iter(JsonList(io.BytesIO(text if isinstance(text, bytes) else text.encode()), chunk=chunk))
    if num_good is not None:
        assert len(list(islice(reader, num_good))) == num_good
    with pytest.raises(JsonError, match=match):
        list(reader)


def test_no_more_is_read_than_needed():
    """A mistake in the beginning of a large file is found there; what was parsed is dropped."""
    stream = io.BytesIO(b"[1 2" + b"," * 10_000_000)
    with pytest.raises(JsonError):
        list(JsonList(stream, chunk=1000))
    assert stream.tell() <= 2000
    reader = JsonList(io.BytesIO(b"[" + b",".join([b'{"a": "0123456789"}'] * 10_000) + b"]"), chunk=1000)
    assert max(len(reader._text) for _ in reader) < 2100
