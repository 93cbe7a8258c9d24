"""What is in a synthetic video and how it moves: drawn once per video, then read at any time.

Positions are in pixels of a resting camera, times in frames, angles in radians.
"""

import colorsys
import math
from dataclasses import dataclass, replace

import numpy as np

from queryinst_vis.data.synthetic.paths import Path, arrange_paths
from queryinst_vis.data.synthetic.settings import SyntheticSettings
from queryinst_vis.data.synthetic.shapes import CLASSES
from queryinst_vis.data.synthetic.textures import Colour, packed_tile, random_pattern
from queryinst_vis.data.waves import Wave, random_wave

OBJECT_TILE, BACKGROUND_TILE = 128, 512  # pixels, powers of two
_GOLDEN_RATIO = 0.618033988749895  # hues in steps of it are far apart
_SLOW = (0.06, 0.14)  # radians per frame of what changes slowly


@dataclass(frozen=True, slots=True)
class Appearance:
    """What look-alikes share. shape: its name; radius in pixels; tile: packed texture."""

    shape: str
    radius: float
    tile: np.ndarray


@dataclass(frozen=True, slots=True)
class Mover:
    """One object. log_scale: of its size; angle; gains: of red, green and blue."""

    looks: Appearance
    path: Path
    log_scale: Wave
    angle: Wave
    spin: float  # radians per frame
    gains: tuple[Wave, Wave, Wave]


@dataclass(frozen=True, slots=True)
class Pillar:
    """A bar across the whole picture, at rest. angle: 0 for upright; half_width in pixels."""

    x: float
    angle: float
    half_width: float
    tile: np.ndarray


@dataclass(frozen=True, slots=True)
class Camera:
    """How far it looks to the side, in pixels, and the logarithm of its magnification."""

    x: Wave
    y: Wave
    log_zoom: Wave


@dataclass(frozen=True, slots=True)
class Light:
    """Brightness over time, and how much it rises along x and y from one end of the picture to the other."""

    gain: Wave
    slope: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Scene:
    """movers: the farthest first."""

    background: np.ndarray  # packed tile
    movers: list[Mover]
    pillars: list[Pillar]
    camera: Camera
    light: Light


def random_scene(settings: SyntheticSettings, rng: np.random.Generator) -> Scene:
    """Everything of one video."""
    palette = _background_palette(settings, rng)
    looks, twins = _appearances(settings, rng, palette)
    paths = arrange_paths(settings, rng, [look.radius for look in looks], twins)
    movers = [_mover(settings, rng, look, path) for look, path in zip(looks, paths, strict=True)]
    return Scene(
        background=packed_tile(_background_pattern(rng), *palette),
        movers=[movers[i] for i in rng.permutation(len(movers))],
        pillars=_pillars(settings, rng, palette),
        camera=_camera(settings, rng),
        light=_light(settings, rng),
    )


def _background_palette(settings: SyntheticSettings, rng: np.random.Generator) -> tuple[Colour, Colour]:
    contrast, saturation = settings.background_contrast, settings.background_saturation
    hues, middle = rng.uniform(0, 1, 2), rng.uniform(0.4, 0.6)
    saturations = saturation * rng.uniform(0.5, 1, 2)
    low, high = middle - contrast / 2, middle + contrast / 2
    return _colour(hues[0], saturations[0], low), _colour(hues[1], saturations[1], high)


def _background_pattern(rng: np.random.Generator) -> np.ndarray:
    """A coarse pattern and a fine one."""
    coarse = random_pattern(rng, BACKGROUND_TILE, waves=rng.uniform(3, 6))
    fine = random_pattern(rng, BACKGROUND_TILE, waves=rng.uniform(12, 36))
    return 0.6 * coarse + 0.4 * fine


def _appearances(
    settings: SyntheticSettings, rng: np.random.Generator, palette: tuple[Colour, Colour]
) -> tuple[list[Appearance], list[int | None]]:
    """Of each object, and which earlier one it is the look-alike of."""
    looks: list[Appearance] = []
    twins: list[int | None] = []
    first_hue = rng.uniform()
    for number in range(int(rng.integers(settings.num_objects[0], settings.num_objects[1] + 1))):
        is_twin = rng.uniform() < settings.lookalikes and number > 0
        twin = int(rng.integers(number)) if is_twin else None
        fresh = _appearance(settings, rng, first_hue + number * _GOLDEN_RATIO, palette)
        looks.append(fresh if twin is None else looks[twin])
        twins.append(twin)
    return looks, twins


def _appearance(settings: SyntheticSettings, rng: np.random.Generator, hue: float, palette: tuple[Colour, Colour]) -> Appearance:
    bright = _colour(hue, rng.uniform(0.6, 1), rng.uniform(0.8, 1))
    other = _colour(hue + rng.uniform(-0.15, 0.15), rng.uniform(0.4, 1), rng.uniform(0.15, 0.5))
    colours = [_mix(colour, behind, settings.camouflage) for colour, behind in zip((other, bright), palette, strict=True)]
    pattern = random_pattern(rng, OBJECT_TILE, waves=rng.uniform(3, 7))
    return Appearance(
        shape=CLASSES[int(rng.integers(len(CLASSES)))],
        radius=rng.uniform(*settings.object_size) * settings.side / 2,
        tile=packed_tile(pattern, colours[0], colours[1]),
    )


def _mover(settings: SyntheticSettings, rng: np.random.Generator, looks: Appearance, path: Path) -> Mover:
    return Mover(
        looks=looks,
        path=path,
        log_scale=random_wave(rng, settings.scale_change, rng.uniform(*_SLOW)),
        angle=random_wave(rng, 0.3 * min(settings.spin / 0.05, 1), rng.uniform(*_SLOW), base=rng.uniform(0, 2 * math.pi)),
        spin=rng.uniform(-settings.spin, settings.spin),
        gains=(_gain(settings, rng), _gain(settings, rng), _gain(settings, rng)),
    )


def _gain(settings: SyntheticSettings, rng: np.random.Generator) -> Wave:
    return random_wave(rng, settings.colour_drift, rng.uniform(*_SLOW), base=1.0)


def _pillars(settings: SyntheticSettings, rng: np.random.Generator, palette: tuple[Colour, Colour]) -> list[Pillar]:
    count = int(rng.integers(settings.pillars[0], settings.pillars[1] + 1))
    width = settings.size_hw[1]
    parts = (rng.permutation(count) + rng.uniform(0.2, 0.8, count)) / max(count, 1)  # one to each part of the picture
    return [
        Pillar(
            x=width * part,
            angle=rng.uniform(-0.25, 0.25),
            half_width=settings.side * rng.uniform(0.08, 0.15),
            tile=packed_tile(_background_pattern(rng), *(_mix(colour, (0.0, 0.0, 0.0), 0.35) for colour in palette[::-1])),
        )
        for part in parts.tolist()
    ]


def _camera(settings: SyntheticSettings, rng: np.random.Generator) -> Camera:
    pan, shake = settings.pan * settings.side, settings.shake * settings.side

    def sideways() -> Wave:
        slow, fast = random_wave(rng, pan, rng.uniform(*_SLOW)), random_wave(rng, shake, rng.uniform(1, 2))
        return replace(slow, terms=slow.terms + fast.terms)

    return Camera(sideways(), sideways(), random_wave(rng, settings.zoom, rng.uniform(*_SLOW)))


def _light(settings: SyntheticSettings, rng: np.random.Generator) -> Light:
    gain = random_wave(rng, settings.lighting, rng.uniform(0.1, 0.3), base=1.0)
    angle, strength = rng.uniform(0, 2 * math.pi), settings.lighting * rng.uniform(0, 1)
    return Light(gain, (strength * math.cos(angle), strength * math.sin(angle)))


def _colour(hue: float, saturation: float, value: float) -> Colour:
    return colorsys.hsv_to_rgb(hue % 1.0, saturation, min(max(value, 0.0), 1.0))


def _mix(a: Colour, b: Colour, share: float) -> Colour:
    red, green, blue = (x + (y - x) * share for x, y in zip(a, b, strict=True))
    return red, green, blue
