"""Where the objects of a synthetic video go: about the picture, across each other, out of it and back."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from queryinst_vis.data.synthetic.settings import SyntheticSettings
from queryinst_vis.data.waves import Wave, random_wave

_AMPLITUDE = (0.15, 0.35)  # of an object's to and fro along an axis, in sides
_CANDIDATES = 8  # places that are tried for one far from the other objects
_HIDDEN = 0.9  # radii that an object's centre is outside when hardly anything of it is seen
_MIDDLE = (0.3, 0.7)  # part of the video's time, and of the picture, in which objects meet


@dataclass(frozen=True, slots=True)
class Path:
    """Centre of an object over time, in pixels."""

    x: Wave
    y: Wave

    def at(self, time: float) -> tuple[float, float]:
        return self.x.at(time), self.y.at(time)

    def moved(self, x: float, y: float) -> "Path":
        return Path(self.x.moved(x), self.y.moved(y))


def arrange_paths(
    settings: SyntheticSettings, rng: np.random.Generator, radii: Sequence[float], twins: Sequence[int | None]
) -> list[Path]:
    """A path for each object; `twins`: which earlier object each one is the look-alike of, or None."""
    paths: list[Path] = []
    for number, (radius, twin) in enumerate(zip(radii, twins, strict=True)):
        leaves, crosses = rng.uniform(size=2) < (settings.exits, settings.crossings)
        if leaves:
            paths.append(_excursion(settings, rng, radius))
            continue
        path = _spread(settings, rng, paths, radius)
        if crosses and number:
            path = _led_across(settings, rng, path, paths[int(rng.integers(number)) if twin is None else twin])
        paths.append(path)
    return paths


def _to_and_fro(settings: SyntheticSettings, rng: np.random.Generator) -> Wave:
    amplitude = rng.uniform(*_AMPLITUDE)
    return random_wave(rng, amplitude * settings.side, rng.uniform(*settings.speed) / amplitude)


def _spread(settings: SyntheticSettings, rng: np.random.Generator, others: Sequence[Path], radius: float) -> Path:
    """A path inside the picture whose middle is far from those of the others."""
    height, width = settings.size_hw
    x, y = _to_and_fro(settings, rng), _to_and_fro(settings, rng)
    room_x, room_y = _room(width, x, radius), _room(height, y, radius)
    places = [(rng.uniform(*room_x), rng.uniform(*room_y)) for _ in range(_CANDIDATES)]
    best = max(places, key=lambda place: min((math.dist(place, (o.x.base, o.y.base)) for o in others), default=0.0))
    return Path(x, y).moved(*best)


def _room(length: int, wave: Wave, radius: float) -> tuple[float, float]:
    """Middles from which an object stays inside a side of the picture; the centre when there is none."""
    margin = min(sum(amplitude for amplitude, _, _ in wave.terms) + radius, length / 2)
    return margin, length - margin


def _led_across(settings: SyntheticSettings, rng: np.random.Generator, path: Path, other: Path) -> Path:
    """The same path, moved so that it meets another one while that is well inside the picture."""
    height, width = settings.size_hw
    times = [settings.num_frames * rng.uniform(*_MIDDLE) for _ in range(_CANDIDATES)]

    def distance_from_middle(time: float) -> float:
        x, y = other.at(time)
        return max(abs(x / width - 0.5), abs(y / height - 0.5))

    time = min(times, key=distance_from_middle)
    (x, y), (own_x, own_y) = other.at(time), path.at(time)
    return path.moved(x - own_x, y - own_y)


def _excursion(settings: SyntheticSettings, rng: np.random.Generator, radius: float) -> Path:
    """Out of the picture around the middle of the video, for the frames of absence, and back, as fast as objects get.

    Along one axis it swings from inside to just beyond the edge: base + amplitude * cos(frequency * (time - middle)).
    """
    upright, far_side = (rng.uniform(size=2) < 0.5).tolist()
    length = settings.size_hw[0 if upright else 1]
    amplitude = _AMPLITUDE[1] * settings.side
    frequency = settings.speed[1] / _AMPLITUDE[1]
    middle = settings.num_frames * rng.uniform(0.4, 0.6)
    away = min(frequency * rng.uniform(*settings.absence) / 2, math.pi / 2)
    base = length + _HIDDEN * radius - amplitude * math.cos(away)
    sign = 1 if far_side else -1
    swing = Wave(base if far_side else length - base, ((sign * amplitude, frequency, math.pi / 2 - frequency * middle),))
    along = _to_and_fro(settings, rng)
    room = _room(settings.size_hw[1 if upright else 0], along, radius)
    along = along.moved(rng.uniform(*room))
    return Path(along, swing) if upright else Path(swing, along)
