"""What the simulated detector sees: annotated objects and false ones, how they look in each frame, and how hard that is."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from pycocotools import mask as coco_mask
from scipy.special import ndtr

from queryinst_vis.evaluation.mask_tracks import MaskTrack, mask_areas
from queryinst_vis.evaluation.simulated.difficulty import Difficulty
from queryinst_vis.ops.rle import RLE, decode

MASK_SIZE = 28
PLAIN_SIZE = 0.15  # square root of the share of the picture from which an object is not small
HIDING_FRAMES = 10  # before and after, to which a size is compared to tell how much of an object is hidden
GHOST_FRAMES = 3  # that a false detection lasts, on average
OBJECT_SCORE, GHOST_SCORE = 0.85, 0.2
HARD_SCORE = 0.45  # lower is the score of an object of which next to nothing is seen
HARD_MISSES = 6.0  # times miss_rate that such an object is missed more often
SCORE_NOISE = 0.12


class View(NamedTuple):
    """A thing in one frame. box: float64 [4] xyxy; shape: float32 [28, 28], how much of each cell of the box it covers; hardness:
    0 in plain view, 1 for next to nothing."""

    box: np.ndarray
    shape: np.ndarray
    hardness: float


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that is found, by frame. score: in plain view; is_real: or else a false detection."""

    label: int
    score: float
    is_real: bool
    views: dict[int, View]


@dataclass(frozen=True, slots=True)
class Luck:
    """What the detector makes of one thing in each of T frames: whether it misses it, with what score and class it finds it."""

    missed: np.ndarray  # bool [T]
    scores: np.ndarray  # float64 [T]
    flipped: np.ndarray  # bool [T]
    other_label: int  # that it is taken for when flipped

    @classmethod
    def draw(cls, thing: Thing, difficulty: Difficulty, num_frames: int, num_classes: int, rng: np.random.Generator) -> "Luck":
        hardness = np.array([thing.views[t].hardness if t in thing.views else 0.0 for t in range(num_frames)])
        misses, scores, flips = _slow_noise(rng, 3, num_frames, difficulty.persistence)
        chance = np.minimum(difficulty.miss_rate * (1 + HARD_MISSES * hardness), 1) if thing.is_real else 0.0
        return cls(
            missed=ndtr(misses) < chance,
            scores=np.clip(thing.score - HARD_SCORE * hardness + SCORE_NOISE * scores, 0.01, 0.99),
            flipped=(ndtr(flips) < difficulty.class_flips) & (num_classes > 1),
            other_label=(thing.label + int(rng.integers(1, max(num_classes, 2)))) % num_classes,
        )


def annotated_thing(track: MaskTrack, label: int, image_hw: tuple[int, int]) -> Thing:
    """An annotated object of one video."""
    frames = sorted(track.masks)
    areas = np.zeros(frames[-1] + 1 if frames else 0)
    areas[frames] = mask_areas(track.masks[t] for t in frames)
    views = {}
    for t in frames:
        whole = areas[max(t - HIDING_FRAMES, 0) : t + HIDING_FRAMES + 1].max()
        size = (areas[t] / (image_hw[0] * image_hw[1])) ** 0.5
        hardness = max(1 - areas[t] / whole, 1 - min(size / PLAIN_SIZE, 1))
        views[t] = View(*_crop(track.masks[t]), hardness)
    return Thing(label, OBJECT_SCORE, True, views)


def false_things(
    per_frame: float, num_frames: int, num_classes: int, image_hw: tuple[int, int], rng: np.random.Generator
) -> Iterator[Thing]:
    """Ellipses that are seen somewhere for some frames, `per_frame` of them at a time on average."""
    start = 1 - GHOST_FRAMES  # so that the first frame has as many as the others
    for born in range(start, num_frames):
        for _ in range(rng.poisson(per_frame / GHOST_FRAMES)):
            last = born + int(rng.geometric(1 / GHOST_FRAMES))
            box, label = _random_box(image_hw, rng), int(rng.integers(num_classes))
            views = {t: View(box, _ELLIPSE, 0.0) for t in range(max(born, 0), min(last, num_frames))}
            yield Thing(label, GHOST_SCORE, False, views)


def _random_box(image_hw: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    scale = np.array([image_hw[1], image_hw[0]])
    size = rng.uniform(0.05, 0.4, 2) * scale
    corner = rng.uniform(0, 1, 2) * (scale - size)
    return np.concatenate([corner, corner + size])


def _ellipse() -> np.ndarray:
    axis = (np.arange(MASK_SIZE) + 0.5) / MASK_SIZE * 2 - 1
    return (axis[:, None] ** 2 + axis**2 < 1).astype(np.float32)


_ELLIPSE = _ellipse()


def _crop(code: RLE) -> tuple[np.ndarray, np.ndarray]:
    """Tight box xyxy of a mask and the share of each of its 28 x 28 cells that is covered."""
    x, y, width, height = coco_mask.toBbox(code).astype(int)
    window = torch.from_numpy(decode(code)[y : y + height, x : x + width]).float()
    shape = F.adaptive_avg_pool2d(window[None], (MASK_SIZE, MASK_SIZE))[0]
    return np.array([x, y, x + width, y + height], dtype=float), shape.numpy()


def _slow_noise(rng: np.random.Generator, count: int, length: int, persistence: float) -> np.ndarray:
    """float64 [count, length], standard normal each, correlated from step to step."""
    noise = rng.standard_normal((count, length))
    for t in range(1, length):
        noise[:, t] = persistence * noise[:, t - 1] + (1 - persistence**2) ** 0.5 * noise[:, t]
    return noise
