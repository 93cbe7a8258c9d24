"""Random textures: square tiles of two colours that repeat without a seam, made of plane waves.

A tile is packed: uint64 [S * S], S a power of two, each pixel's red, green and blue 21 bits apart. So a weighted mean of packed
pixels is that of all three channels at once, and whole numbers make it the same on every machine.
"""

import math

import numpy as np

from queryinst_vis.data.synthetic.fixed_point import Similarity

Colour = tuple[float, float, float]  # RGB, 0 to 1

KINDS = ("stripes", "checks", "blobs", "gradient", "noise")
_BITS, _LEVELS = 21, 64  # of a channel, and weights along an axis: 255 * 64 * 64 < 2 ** 21


def random_pattern(rng: np.random.Generator, size: int, *, waves: float) -> np.ndarray:
    """float64 [size, size] in [0, 1] of a random kind; `waves`: about how many periods cross the tile."""
    kind = KINDS[int(rng.integers(len(KINDS)))]
    if kind == "stripes":
        return _soft_step(_plane_waves(rng, size, [_direction(rng, waves)]))
    if kind == "checks":
        x, y = _direction(rng, waves)
        return _soft_step(_plane_waves(rng, size, [(x, y)]) * _plane_waves(rng, size, [(-y, x)]) * 2)
    if kind == "blobs":
        return _soft_step(_plane_waves(rng, size, [_direction(rng, waves * rng.uniform(0.5, 1)) for _ in range(12)]))
    if kind == "gradient":
        return np.clip(_plane_waves(rng, size, [_direction(rng, 1)]) / 2 + 0.5, 0, 1)
    return np.clip(_plane_waves(rng, size, [_direction(rng, waves * rng.uniform(0.3, 3)) for _ in range(24)]) / 3 + 0.5, 0, 1)


def packed_tile(pattern: np.ndarray, low: Colour, high: Colour) -> np.ndarray:
    """uint64 [S * S]: the colour `low` where the pattern is 0, `high` where it is 1."""
    packed = np.zeros(pattern.shape, dtype=np.uint64)
    for channel, (a, b) in enumerate(zip(low, high, strict=True)):
        level = np.clip(np.floor((a + (b - a) * pattern) * 255 + 0.5), 0, 255).astype(np.uint64)
        packed |= level << np.uint64(channel * _BITS)
    return packed.ravel()


def sample_tile(tile: np.ndarray, to_tile: Similarity, window: tuple[int, int, int, int]) -> np.ndarray:
    """int32 [h, w, 3] of a window (top, left, h, w) of a picture, interpolated bilinearly; the tile repeats for ever.

    to_tile: from the picture's pixels to those of the tile.
    """
    size = math.isqrt(len(tile))
    x, y = to_tile.grid(window)
    column, row = (np.floor(place).astype(np.int64) for place in (x, y))
    right = ((x - column) * _LEVELS).astype(np.uint64)
    down = ((y - row) * _LEVELS).astype(np.uint64)
    column, next_column = column & (size - 1), (column + 1) & (size - 1)
    row, next_row = (row & (size - 1)) * size, ((row + 1) & (size - 1)) * size
    left, up = np.uint64(_LEVELS) - right, np.uint64(_LEVELS) - down
    mean = (tile[row + column] * left + tile[row + next_column] * right) * up
    mean += (tile[next_row + column] * left + tile[next_row + next_column] * right) * down
    colours = np.empty((*window[2:], 3), dtype=np.int32)
    for channel in range(3):
        colours[..., channel] = (mean >> np.uint64(channel * _BITS + 12)) & np.uint64(255)
    return colours


def _plane_waves(rng: np.random.Generator, size: int, directions: list[tuple[int, int]]) -> np.ndarray:
    """float64 [size, size]: waves of random phases, their sum of mean 0 and effective value 1 / sqrt(2) however many they are."""
    turn = 2j * math.pi * np.arange(size) / size
    phases = np.exp(1j * rng.uniform(0, 2 * math.pi, len(directions)))
    across = np.exp(np.outer([x for x, _ in directions], turn)) * phases[:, None]
    along = np.exp(np.outer([y for _, y in directions], turn))
    return (along.T @ across).real / math.sqrt(len(directions))


def _direction(rng: np.random.Generator, waves: float) -> tuple[int, int]:
    """Whole periods along x and y, so that the tile repeats without a seam."""
    angle = rng.uniform(0, 2 * math.pi)
    x, y = round(waves * math.cos(angle)), round(waves * math.sin(angle))
    return (x, y) if x or y else (1, 0)


def _soft_step(values: np.ndarray) -> np.ndarray:
    """From around 0 to [0, 1], mostly near its ends."""
    return np.clip(values * 2.5 + 0.5, 0, 1)
