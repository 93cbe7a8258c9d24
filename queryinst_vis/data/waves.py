"""Smooth random curves over time, for generated motion: they never jump, stay within bounds and can be read at any time."""

import math
from dataclasses import dataclass

import numpy as np

_SECOND = (1.6, 2.4)  # frequency of the second term, as a multiple of the first's: it makes the motion uneven


@dataclass(frozen=True, slots=True)
class Wave:
    """base + sum of amplitude * sin(frequency * time + phase) over `terms` of (amplitude, frequency, phase)."""

    base: float = 0.0
    terms: tuple[tuple[float, float, float], ...] = ()

    def at(self, time: float) -> float:
        """The curve's value."""
        return self.base + sum(a * math.sin(frequency * time + phase) for a, frequency, phase in self.terms)

    def moved(self, distance: float) -> "Wave":
        """The same curve, higher by `distance`."""
        return Wave(self.base + distance, self.terms)


def random_wave(rng: np.random.Generator, amplitude: float, frequency: float, *, base: float = 0.0, second: float = 0.3) -> Wave:
    """A curve that stays within base +- amplitude.

    frequency: radians per unit of time of its main term; second: share of the amplitude that a faster term has.
    """
    faster = frequency * rng.uniform(*_SECOND)
    phases = rng.uniform(0, 2 * math.pi, 2).tolist()
    return Wave(base, ((amplitude * (1 - second), frequency, phases[0]), (amplitude * second, faster, phases[1])))
