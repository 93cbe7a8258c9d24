"""Random smooth camera motion over a still picture: zoom, turn, shear and travel, never beyond the picture's edge unasked."""

import math
from dataclasses import dataclass

import numpy as np

from queryinst_vis.data.waves import Wave, random_wave
from queryinst_vis.errors import UserError

_FREQUENCY = (0.6, 1.4)  # radians per unit of time


@dataclass(frozen=True, slots=True)
class AffinePath:
    """One drawn motion. A unit of time is the largest distance between frames of a training clip."""

    log_zoom: Wave
    angle: Wave  # radians
    shear: Wave
    x: Wave  # -1: the view touches the picture's left edge, 1: its right edge
    y: Wave
    gains: tuple[Wave, Wave, Wave]  # of red, green and blue
    overhang: float

    def matrix(self, time: float, image_hw: tuple[int, int]) -> np.ndarray:
        """float64 [2, 3]: from points (x, y) of the picture to those of the view, which is as large."""
        half = np.array([image_hw[1], image_hw[0]]) / 2
        cosine, sine = math.cos(self.angle.at(time)), math.sin(self.angle.at(time))
        linear = np.array([[cosine, -sine], [sine, cosine]]) @ np.array([[1, self.shear.at(time)], [0, 1]])
        reach = np.abs(np.linalg.inv(linear)) @ half  # of the view in the picture, from its middle, before zooming
        limit = half * (1 + 2 * self.overhang)
        zoom = math.exp(self.log_zoom.at(time)) * float((reach / limit).max())
        centre = half + (limit - reach / zoom) * [self.x.at(time), self.y.at(time)]
        return np.column_stack([zoom * linear, half - zoom * linear @ centre])

    def colour_gains(self, time: float) -> np.ndarray:
        """float64 [3], factors of red, green and blue."""
        return np.array([gain.at(time) for gain in self.gains])


@dataclass(frozen=True, slots=True, kw_only=True)
class AffineMotion:
    """Limits of the motion that is drawn for a picture.

    zoom: range of the smallest magnification during a clip, beyond what turning needs to stay inside; the more, the farther the
    view can travel and the more objects it leaves out. zoom_change: greatest factor on top of that, minus 1. rotation: degrees,
    +-. shear: +-. travel: part of the room there is that the view moves in, 0 to 1. overhang: part of the picture's sides that
    the view may reach beyond each edge; it sees mirrored pixels there, of which no mask tells. brightness, colour: change of all
    channels together and of each, +-.
    """

    zoom: tuple[float, float] = (1.05, 1.4)
    zoom_change: float = 0.2
    rotation: float = 8.0
    shear: float = 0.05
    travel: float = 1.0
    overhang: float = 0.0
    brightness: float = 0.1
    colour: float = 0.04

    def __post_init__(self) -> None:
        if not 1 <= self.zoom[0] <= self.zoom[1] <= 10:
            raise UserError(f"AffineMotion: zoom must be (low, high) with 1 <= low <= high <= 10, got {self.zoom}")
        limits = {"zoom_change": 3, "rotation": 180, "shear": 1, "travel": 1, "overhang": 0.5, "brightness": 0.5, "colour": 0.5}
        for name, limit in limits.items():
            if not 0 <= getattr(self, name) <= limit:
                raise UserError(f"AffineMotion: {name} must be from 0 to {limit}, got {getattr(self, name)}")

    def draw(self, rng: np.random.Generator) -> AffinePath:
        """A motion within the limits."""

        def wave(amplitude: float, base: float = 0.0) -> Wave:
            return random_wave(rng, amplitude, rng.uniform(*_FREQUENCY), base=base)

        half_change = math.log1p(self.zoom_change) / 2
        brightness = wave(self.brightness, base=1.0)
        return AffinePath(
            log_zoom=wave(half_change, base=math.log(rng.uniform(*self.zoom)) + half_change),
            angle=wave(math.radians(self.rotation)),
            shear=wave(self.shear),
            x=wave(self.travel),
            y=wave(self.travel),
            gains=tuple(Wave(1.0, (*brightness.terms, *wave(self.colour).terms)) for _ in range(3)),  # type: ignore[arg-type]
            overhang=self.overhang,
        )
