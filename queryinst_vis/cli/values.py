"""Values of options, for argparse: each takes the text and says in one line what it wanted instead."""

import argparse
from fractions import Fraction

from queryinst_vis.errors import UserError
from queryinst_vis.limits import NETWORK_SIDE
from queryinst_vis.video.selection import exact_rate


def rate(text: str) -> Fraction:
    """A number above 0."""
    try:
        return exact_rate(text)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def positive(text: str) -> int:
    """A number of at least 1."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got '{text}'")
    return int(text)


def network_side(text: str) -> int:
    """Pixels of a side of the pictures that a network looks at."""
    if not text.isdecimal() or int(text[:9]) not in NETWORK_SIDE:
        raise argparse.ArgumentTypeError(f"expected pixels from {NETWORK_SIDE[0]} to {NETWORK_SIDE[-1]}, got '{text}'")
    return int(text)


def above_zero(text: str) -> float:
    """A finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, got '{text}'")
    return value


def probability(text: str) -> float:
    """A number in [0, 1]."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, got '{text}'")
    return value
