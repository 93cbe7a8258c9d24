"""A JSON list read item by item: a file of any size in the memory of a few items. `json` itself parses each item."""

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

_SPACE = re.compile(r"[ \t\n\r]*")
_LONGEST_TOKEN = 16  # characters; what is so close to the end of what was read may look otherwise when there is more
_BYTE_ORDER_MARK = "\ufeff"


class JsonError(ValueError):
    """A text that is no JSON list, with the position in characters."""


class NotAListError(JsonError):
    """JSON perhaps, but no list."""


class JsonList:
    """Iterates over (item, whether NaN or Infinity stood in it, which JSON does not have). Raises JsonError.

    stream: UTF-8; chunk: bytes read at a time.
    """

    def __init__(self, stream: BinaryIO, *, chunk: int = 1 << 22) -> None:
        self._stream, self._chunk = stream, chunk
        self._characters = codecs.getincrementaldecoder("utf-8")()
        self._json = json.JSONDecoder(parse_constant=self._note_constant)
        self._text, self._at = "", 0  # what was read and not dropped yet; how far it is parsed
        self._dropped = 0
        self._is_complete = False
        self._has_constants = False

    def __iter__(self) -> Iterator[tuple[Any, bool]]:
        if (begin := self._peek()) != "[":
            self._refuse_begin(begin)
        self._at += 1
        while self._peek() != "]":
            yield self._item()
            if self._peek() == ",":
                self._at += 1
                if self._peek() == "]":
                    raise self._error(self._at, "a comma before the end of the list")
            elif self._peek() != "]":
                raise self._error(self._at, "expected a comma or the end of the list")
        self._at += 1
        if self._peek():
            raise self._error(self._at, "something comes after the end of the list")

    def _item(self) -> tuple[Any, bool]:
        while True:
            self._has_constants = False
            try:
                item, end = self._json.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if self._is_complete or not self._may_go_on(error):
                    raise self._error(error.pos, error.msg) from None
            except (ValueError, RecursionError) as error:
                raise self._error(self._at, str(error)) from None
            else:
                if end < len(self._text) - _LONGEST_TOKEN or self._is_complete:  # else it may be the first digits of a number
                    self._at = end
                    return item, self._has_constants
            self._fill()

    def _may_go_on(self, error: json.JSONDecodeError) -> bool:
        return error.msg.startswith("Unterminated string") or error.pos >= len(self._text) - _LONGEST_TOKEN

    def _peek(self) -> str:
        """The next character that is no space, "" at the end."""
        while True:
            self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text) or self._is_complete:
                return self._text[self._at : self._at + 1]
            self._fill()

    def _fill(self) -> None:
        """Read on; twice as much when an item was longer than what there is."""
        rest = self._text[self._at :]
        data = self._stream.read(max(self._chunk, len(rest)))
        self._is_complete = not data
        try:
            more = self._characters.decode(data, final=not data)
        except UnicodeDecodeError as error:
            raise self._error(len(self._text), f"not UTF-8 ({error.reason})") from None
        self._dropped += self._at
        self._text, self._at = rest + more, 0

    def _refuse_begin(self, begin: str) -> None:
        if begin == _BYTE_ORDER_MARK:
            raise self._error(self._at, "a byte order mark; save it as UTF-8 without one")
        if begin in ("{", '"') or begin.isdigit() or begin in "-tfn":
            kind = "it is empty" if not begin else "it is an object" if begin == "{" else "it is a single value"
            raise NotAListError(f"{kind}, must be a list of entries")
        raise self._error(self._at, "expected a list")

    def _note_constant(self, name: str) -> float:
        self._has_constants = True
        return float(name.replace("Infinity", "inf"))

    def _error(self, place: int, text: str) -> JsonError:
        return JsonError(f"character {self._dropped + place}: {text}")
