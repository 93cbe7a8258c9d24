"""Turn, scale and shift in numbers of limited precision, so that what lies inside a shape is the same on every machine.

Factors are rounded to multiples of 2^-20. Their products with pixels and their sums are then exact in float64, and only the
rounding of a sine could differ between machines: by far less than the step.
"""

import math
from dataclasses import dataclass

import numpy as np

_STEP = 2.0**20


def rounded(value: float) -> float:
    """The nearest multiple of 2^-20."""
    return round(value * _STEP) / _STEP


@dataclass(frozen=True, slots=True)
class Similarity:
    """(x, y) -> (cosine x - sine y + left, sine x + cosine y + top); x and y in pixels, a pixel's centre at + 0.5."""

    cosine: float
    sine: float
    left: float
    top: float

    @classmethod
    def about(cls, centre: tuple[float, float], *, scale: float, angle: float, to: tuple[float, float]) -> "Similarity":
        """Takes `centre` to `to`, scales by `scale` and turns by `angle` radians."""
        cosine, sine = rounded(scale * math.cos(angle)), rounded(scale * math.sin(angle))
        x, y = centre
        return cls(cosine, sine, rounded(to[0] - cosine * x + sine * y), rounded(to[1] - sine * x - cosine * y))

    def grid(self, window: tuple[int, int, int, int]) -> tuple[np.ndarray, np.ndarray]:
        """x and y, float64, of the centres of the pixels in a window (top, left, h, w): [h, w] each, or, where nothing is turned,
        [w] and [h, 1]."""
        top, left, height, width = window
        x = np.arange(left, left + width) + 0.5
        y = (np.arange(top, top + height) + 0.5)[:, None]
        if not self.sine:
            return self.cosine * x + self.left, self.top + self.cosine * y
        return self.cosine * x + (self.left - self.sine * y), self.sine * x + (self.top + self.cosine * y)
