"""Names of files in lines for people: a name may hold line breaks, and codes that a terminal obeys."""

import re

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def printable(text: str) -> str:
    """The text on one line: control characters as Python writes them, \\n for a line break."""
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)
