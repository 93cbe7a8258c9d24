"""The runs inside COCO's compressed run-length codes, of thousands of codes at once and without a loop over them.

A length is written in digits of base 32, lowest first, as characters from '0' on; 32 is added to all digits but the last, and a
last digit from 16 on makes it negative. Each length after the third is given as its difference to the one before the last.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_MAX_DIGITS = 6  # 30 bits, signed
_PAD = "0"  # a length of 0
_LEADING = bytes(range(ord("0") + 32, ord("0") + 64))  # characters of digits that are not the last of their number
_LAST = bytes(
    (character - ord("0") + 16) % 32 - 16 & 255 for character in range(256)
)  # value of a last digit, int8, by character


class RunPairs(NamedTuple):
    """Runs of zeros, each with the run of ones behind it, of many codes one after the other; both int32 [P].

    firsts: int64 [N], where the pairs of each code begin. A code has at least one; what its last one lacks has length 0.
    """

    zeros: np.ndarray
    ones: np.ndarray
    firsts: np.ndarray


def run_pairs(codes: Sequence[str]) -> RunPairs:
    """The runs of all codes. That lengths are not negative and fill their picture is not looked at.

    ValueError: a text is no such code.
    """
    if not codes:
        return RunPairs(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.int64))
    values, counts = _values(codes)
    is_odd = counts % 2 == 1
    if is_odd.any():
        values = np.insert(values, np.cumsum(counts)[is_odd], 0)
    lasts = np.cumsum(counts + is_odd) // 2 - 1
    firsts = np.concatenate([[0], lasts[:-1] + 1])
    zeros, ones = values[0::2].copy(), values[1::2].copy()
    begin = zeros[firsts]  # which nothing is a difference to
    zeros[firsts] = 0
    _undo_differences(zeros, firsts)
    _undo_differences(ones, firsts)
    zeros[firsts] = begin
    zeros[lasts[is_odd]] = 0
    ones[lasts] = 0
    return RunPairs(zeros, ones, firsts)


def _values(codes: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """int32, the numbers in all codes with a pad behind each, and how many each code has with its pad, int64 [N]."""
    try:
        text = (_PAD.join(codes) + _PAD).encode("ascii")
    except UnicodeEncodeError:
        raise ValueError("it holds characters that no code has") from None
    digits = np.frombuffer(text, dtype=np.uint8) - np.uint8(ord("0"))  # what is below '0' wraps around
    if digits.max() > 63:
        raise ValueError("it holds characters that no code has")
    ends = np.cumsum(np.fromiter(map(len, codes), np.int64, len(codes)) + 1)  # the places behind the pads
    if digits[ends - 2].max() >= 32:  # for an empty code this looks at the pad before it
        raise ValueError("the code ends too early")
    values = np.frombuffer(text.translate(_LAST, _LEADING), dtype=np.int8).astype(np.int32)
    leading = np.flatnonzero(digits >= 32)
    if len(leading):
        _add_leading(values, digits, leading)
    return values, np.diff(ends - np.searchsorted(leading, ends), prepend=0)


def _add_leading(values: np.ndarray, digits: np.ndarray, leading: np.ndarray) -> None:
    """Complete the numbers of two digits or more, of which `values` has the last digit."""
    is_first = np.append(True, leading[1:] != leading[:-1] + 1)
    firsts = np.flatnonzero(is_first)
    count = np.append(firsts[1:], len(leading)) - firsts  # leading digits of each such number
    if count.max() >= _MAX_DIGITS:
        raise ValueError(f"it holds a number of more than {_MAX_DIGITS} digits")
    begins = leading[firsts]
    low = (digits[begins] & 31).astype(np.int32)
    for place in range(1, count.max()):
        rows = np.flatnonzero(count > place)
        low[rows] |= (digits[begins[rows] + place] & 31).astype(np.int32) << 5 * place
    numbers = begins - firsts  # so many numbers came before
    values[numbers] = (values[numbers] << 5 * count.astype(np.int32)) + low


def _undo_differences(lengths: np.ndarray, firsts: np.ndarray) -> None:
    """Sum up within each code, in place."""
    totals = np.add.reduceat(lengths, firsts, dtype=np.int32)
    lengths[firsts[1:]] -= totals[:-1]  # so the running sum starts from 0 at each code
    np.cumsum(lengths, dtype=np.int32, out=lengths)
