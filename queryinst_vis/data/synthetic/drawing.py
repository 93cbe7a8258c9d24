"""A synthetic scene at a time: its picture, and the masks of what is visible of each object.

Pictures are made of whole numbers and masks of exact ones, so that every machine draws the same.
"""

import math
from dataclasses import dataclass

import numpy as np

from queryinst_vis.data.synthetic.fixed_point import Similarity
from queryinst_vis.data.synthetic.scene import BACKGROUND_TILE, OBJECT_TILE, Mover, Pillar, Scene
from queryinst_vis.data.synthetic.settings import SyntheticSettings
from queryinst_vis.data.synthetic.shapes import REACH, SHAPES
from queryinst_vis.data.synthetic.textures import sample_tile
from queryinst_vis.masks import Window

_OUTLINE = 0.12  # width of the dark edge, in radii
_SUBFRAME = 2.5  # pixels that things move between the moments a blurred picture is averaged over
_MAX_SUBFRAMES = 5


@dataclass(frozen=True, slots=True)
class _Placed:
    """An object in the picture: window (top, left, h, w), and signed distances to its edge, in pixels, float64 [h, w]."""

    window: tuple[int, int, int, int]
    distance: np.ndarray
    to_shape: Similarity
    radius: float

    @property
    def slices(self) -> tuple[slice, slice]:
        top, left, height, width = self.window
        return slice(top, top + height), slice(left, left + width)


@dataclass(frozen=True, slots=True)
class Artist:
    """Draws a scene."""

    scene: Scene
    settings: SyntheticSettings

    def masks(self, time: float) -> list[Window]:
        """Of each mover, the pixels whose centre lies in it and in nothing before it; a window may be empty."""
        covered = np.zeros(self.settings.size_hw, dtype=bool)
        for pillar in self.scene.pillars:
            placed = self._place_pillar(pillar, time)
            covered[placed.slices] |= placed.distance <= 0
        windows = []
        for mover in reversed(self.scene.movers):
            placed = self._place(mover, time)
            inside = placed.distance <= 0
            windows.append(Window(placed.window[0], placed.window[1], inside & ~covered[placed.slices]))
            covered[placed.slices] |= inside
        return windows[::-1]

    def picture(self, time: float, rng: np.random.Generator) -> np.ndarray:
        """uint8 [H, W, 3] RGB, blurred by motion around that time, with noise drawn from `rng`."""
        shutter, count = self.settings.shutter, self._num_subframes(time)
        moments = [time + shutter * ((i + 0.5) / count - 0.5) for i in range(count)]
        total = sum(self._sharp(moment) for moment in moments) // count
        return self._noisy(self._lit(total, time), rng)

    def _num_subframes(self, time: float) -> int:
        """As many as the fastest object needs."""
        start, end = (self._landmarks(time + sign * self.settings.shutter / 2) for sign in (-1, 1))
        fastest = max(math.dist(a, b) for a, b in zip(start, end, strict=True))
        return min(max(math.ceil(fastest / _SUBFRAME), 1), _MAX_SUBFRAMES)

    def _landmarks(self, time: float) -> list[tuple[float, float]]:
        """Where the scene's origin and the centres of all objects are in the picture."""
        return [self._view(time, (0.0, 0.0))[0], *(self._pose(mover, time)[0] for mover in self.scene.movers)]

    def _sharp(self, time: float) -> np.ndarray:
        """int32 [H, W, 3]."""
        canvas = self._background(time)
        for mover in self.scene.movers:
            placed = self._place(mover, time)
            if placed.distance.size:
                _paint(canvas, placed, self._surface(mover, placed, time))
        for pillar in self.scene.pillars:
            placed = self._place_pillar(pillar, time)
            _paint(canvas, placed, sample_tile(pillar.tile, placed.to_shape, placed.window))
        return canvas

    def _view(self, time: float, point: tuple[float, float]) -> tuple[tuple[float, float], float]:
        """Where the camera shows a point of the scene, and its magnification."""
        camera, (height, width) = self.scene.camera, self.settings.size_hw
        zoom = math.exp(camera.log_zoom.at(time))
        x, y = point[0] - width / 2 - camera.x.at(time), point[1] - height / 2 - camera.y.at(time)
        return (x * zoom + width / 2, y * zoom + height / 2), zoom

    def _background(self, time: float) -> np.ndarray:
        origin, zoom = self._view(time, (0.0, 0.0))
        middle = BACKGROUND_TILE / 2
        to_tile = Similarity.about(origin, scale=1 / zoom, angle=0.0, to=(middle, middle))
        return sample_tile(self.scene.background, to_tile, (0, 0, *self.settings.size_hw))

    def _pose(self, mover: Mover, time: float) -> tuple[tuple[float, float], float]:
        """Centre and radius in the picture, pixels."""
        centre, zoom = self._view(time, mover.path.at(time))
        return centre, mover.looks.radius * math.exp(mover.log_scale.at(time)) * zoom

    def _place(self, mover: Mover, time: float) -> _Placed:
        centre, radius = self._pose(mover, time)
        angle = mover.angle.at(time) + mover.spin * time
        to_shape = Similarity.about(centre, scale=1 / radius, angle=-angle, to=(0.0, 0.0))
        window = _window_around(centre, REACH * radius + 1, self.settings.size_hw)
        return _Placed(window, SHAPES[mover.looks.shape](*to_shape.grid(window)) * radius, to_shape, radius)

    def _place_pillar(self, pillar: Pillar, time: float) -> _Placed:
        height, width = self.settings.size_hw
        foot, zoom = self._view(time, (pillar.x, height / 2))
        to_shape = Similarity.about(foot, scale=1 / zoom, angle=pillar.angle, to=(0.0, 0.0))
        radius = pillar.half_width * zoom
        reach = radius / math.cos(pillar.angle) + max(foot[1], height - foot[1]) * abs(math.tan(pillar.angle)) + 2
        left, right = (min(max(math.floor(foot[0] + step), 0), width) for step in (-reach, reach))
        window = (0, left, height, right - left)
        distance = np.abs(to_shape.grid(window)[0]) - pillar.half_width
        return _Placed(window, np.broadcast_to(distance, window[2:]) * zoom, to_shape, radius)

    def _surface(self, mover: Mover, placed: _Placed, time: float) -> np.ndarray:
        """int32 [h, w, 3]: texture, changed colour, dark edge."""
        scale = OBJECT_TILE / (2 * REACH)
        shape = placed.to_shape
        to_tile = Similarity(*(value * scale for value in (shape.cosine, shape.sine, shape.left, shape.top)))
        surface = sample_tile(mover.looks.tile, to_tile, placed.window)
        gains = np.array([math.floor(gain.at(time) * 256) for gain in mover.gains], dtype=np.int32)
        edge = np.clip(1 + placed.distance / (_OUTLINE * placed.radius), 0, 1)  # 0 in the middle, 1 at the edge
        shade = np.floor(256 * (1 - self.settings.outline * edge)).astype(np.int32)
        return np.minimum((surface * gains >> 8) * shade[..., None] >> 8, 255)

    def _lit(self, picture: np.ndarray, time: float) -> np.ndarray:
        light, (height, width) = self.scene.light, self.settings.size_hw
        x = (np.arange(width) / width - 0.5) * light.slope[0]
        y = (np.arange(height) / height - 0.5) * light.slope[1]
        gain = np.floor((light.gain.at(time) + x + y[:, None]) * 256).astype(np.int32)
        return picture * gain[..., None] >> 8

    def _noisy(self, picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if self.settings.noise:
            noise = rng.standard_normal(picture.shape, dtype=np.float32) * np.float32(self.settings.noise)
            picture = picture + np.floor(noise + np.float32(0.5)).astype(np.int32)
        return np.clip(picture, 0, 255).astype(np.uint8)


def _paint(canvas: np.ndarray, placed: _Placed, surface: np.ndarray) -> None:
    """With an edge that is one pixel soft: half covered where the mask ends."""
    opacity = np.floor(np.clip(0.5 - placed.distance, 0, 1) * 256).astype(np.int32)[..., None]
    part = canvas[placed.slices]
    part += (surface - part) * opacity >> 8


def _window_around(centre: tuple[float, float], reach: float, image_hw: tuple[int, int]) -> tuple[int, int, int, int]:
    """(top, left, h, w) of the square's part that is in the picture; empty when it is outside."""
    ranges = []
    for middle, length in zip(centre[::-1], image_hw, strict=True):
        start = min(max(math.floor(middle - reach), 0), length)
        ranges.append((start, min(max(math.ceil(middle + reach), start), length)))
    (top, bottom), (left, right) = ranges
    return top, left, max(bottom - top, 0), max(right - left, 0)
