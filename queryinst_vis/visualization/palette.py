"""Colours for objects: the same id has the same colour in every frame, and ids near each other differ clearly."""

import colorsys
from functools import lru_cache

Colour = tuple[int, int, int]  # RGB, 0 to 255

_GOLDEN_RATIO = 0.618033988749895  # steps of the hue by this never come near each other soon
_TONES = ((0.85, 1.0), (0.60, 1.0), (0.90, 0.80))  # (saturation, value), taken in turn


@lru_cache(maxsize=4096)
def colour_of(number: int) -> Colour:
    """RGB colour of a track id or of a row."""
    hue = (0.02 + number * _GOLDEN_RATIO) % 1.0
    saturation, value = _TONES[number % len(_TONES)]
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def text_colour_on(background: Colour) -> Colour:
    """Black or white, whichever reads better on a colour (its luma decides)."""
    red, green, blue = background
    return (0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else (255, 255, 255)
