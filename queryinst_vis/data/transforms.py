"""Random augmentation of samples: the recipes of QueryInst (1x, multi-scale, multi-scale with crop) and of the small model.

A transform is a pure function of the sample and of a random generator, which the dataset makes from (seed, epoch, index): the
same key gives the same picture, whatever was loaded before it and in whichever process.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from torchvision.transforms.v2 import functional as pixels

from queryinst_vis.data.geometry import crop, flip, resize, tighten_cut_boxes
from queryinst_vis.data.sample import Sample
from queryinst_vis.limits import Count, Share
from queryinst_vis.ops.resize import fit_hw


class Transform(Protocol):
    """What datasets apply, in order."""

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample: ...


def augment(sample: Sample, transforms: Iterable[Transform], rng: np.random.Generator) -> Sample:
    """Apply transforms in order."""
    for transform in transforms:
        sample = transform(sample, rng)
    return replace(sample, image=sample.image.contiguous())  # a crop must not carry the whole image to another process


class RandomFlip:
    """Mirror left and right with a probability."""

    def __init__(self, probability: Share = 0.5) -> None:
        self.probability = probability

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        return flip(sample) if rng.random() < self.probability else sample


class RandomShortSide:
    """Resize, keeping the ratio: short side to one of `shorts` (one value: a plain resize), long side at most `long`; pixels."""

    def __init__(self, shorts: Sequence[int], *, long: int) -> None:
        if not len(shorts) or min(shorts) < 1 or long < 1:
            raise ValueError(f"sides must be positive, got short sides {list(shorts)} and long side {long}")
        self.shorts = shorts
        self.long = long

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        short = self.shorts[int(rng.integers(len(self.shorts)))]
        return resize(sample, fit_hw(sample.image_hw, short, self.long))


class RandomScale:
    """Resize, keeping the ratio, into one of `scales`, pairs of (long side, short side) in pixels (mmdetection's `value` mode).

    One pair, such as (640, 360) of MaskTrack R-CNN, is a plain resize.
    """

    def __init__(self, scales: Sequence[tuple[int, int]]) -> None:
        if not len(scales):
            raise ValueError("scales must hold at least one pair (long side, short side)")
        for long, short in scales:
            _check_sides("a scale", short, long)
        self.scales = scales

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        long, short = self.scales[int(rng.integers(len(self.scales)))]
        return resize(sample, fit_hw(sample.image_hw, short, long))


class RandomScaleRange:
    """Resize, keeping the ratio: limits of the long and of the short side are uniform integers, drawn independently.

    longs, shorts: (lowest, highest) in pixels, both included (mmdetection's `range` mode). SipMask-VIS, which the multi-scale
    QueryInst-VIS follows, has longs (649, 960) and shorts (360, 480).
    """

    def __init__(self, *, longs: tuple[int, int], shorts: tuple[int, int]) -> None:
        _check_sides("longs", *longs)
        _check_sides("shorts", *shorts)
        self.longs = longs
        self.shorts = shorts

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        long, short = (int(rng.integers(low, high + 1)) for low, high in (self.longs, self.shorts))
        return resize(sample, fit_hw(sample.image_hw, short, long))


class RandomCrop:
    """Cut out a window whose sides are uniform integers in [min(side, low), min(side, high)] (mmdetection's `absolute_range`)."""

    def __init__(self, low: int, high: int) -> None:
        if not 1 <= low <= high:
            raise ValueError(f"expected 1 <= low <= high, got low {low} and high {high}")
        self.low = low
        self.high = high

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        hw = [int(rng.integers(min(side, self.low), min(side, self.high) + 1)) for side in sample.image_hw]
        return crop(sample, _place(hw[0], hw[1], sample.image_hw, rng))


class RandomResizedCrop:
    """Cut out a window and scale it to a fixed size: every pixel of a batch is picture, none is padding.

    size_hw: (height, width) of the result in pixels. zoom: range of the factor by which the window is smaller than the largest
    one of that shape in the image, drawn log-uniformly. stretch: the largest change of the ratio of width to height, as a factor.
    Objects that lose more than 1 - `min_visible` of their box are dropped; boxes that were cut are made tight around what is left
    of their masks.
    """

    def __init__(
        self,
        size_hw: tuple[Count, Count],
        *,
        zoom: tuple[float, float] = (1.0, 2.0),
        stretch: float = 1.25,
        min_visible: Share = 0.1,
    ) -> None:
        if not 1 <= zoom[0] <= zoom[1] or stretch < 1:
            raise ValueError(f"expected 1 <= zoom[0] <= zoom[1] and stretch >= 1, got zoom {zoom} and stretch {stretch}")
        self.size_hw = size_hw
        self.zoom = zoom
        self.stretch = stretch
        self.min_visible = min_visible

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        height, width = sample.image_hw
        ratio = self.size_hw[1] / self.size_hw[0] * _log_uniform(1 / self.stretch, self.stretch, rng)
        zoom = _log_uniform(*self.zoom, rng)
        window_width = min(width, height * ratio) / zoom
        window_hw = max(int(window_width / ratio), 1), max(int(window_width), 1)
        cut = crop(sample, _place(*window_hw, sample.image_hw, rng), min_visible=self.min_visible)
        return resize(tighten_cut_boxes(cut), self.size_hw)


class RandomChoice:
    """Apply one of several lists of transforms, each as likely as the others."""

    def __init__(self, pipelines: Sequence[Sequence[Transform]]) -> None:
        self.pipelines = pipelines

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        for transform in self.pipelines[int(rng.integers(len(self.pipelines)))]:
            sample = transform(sample, rng)
        return sample


class RandomColour:
    """Change brightness, contrast and saturation, each by a factor uniform in [1 - amount, 1 + amount]."""

    def __init__(self, *, brightness: Share = 0.3, contrast: Share = 0.3, saturation: Share = 0.3) -> None:
        self.amounts = (brightness, contrast, saturation)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        brightness, contrast, saturation = (rng.uniform(1 - amount, 1 + amount) for amount in self.amounts)
        image = pixels.adjust_brightness(sample.image, brightness)
        image = pixels.adjust_contrast(image, contrast)
        return replace(sample, image=pixels.adjust_saturation(image, saturation))


def _check_sides(name: str, low: int, high: int) -> None:
    if not 1 <= low <= high:
        raise ValueError(f"{name}: expected 1 <= lower <= higher pixels, got {low} and {high}")


def _log_uniform(low: float, high: float, rng: np.random.Generator) -> float:
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def _place(height: int, width: int, image_hw: tuple[int, int], rng: np.random.Generator) -> tuple[int, int, int, int]:
    """A window of that size somewhere in the image: (top, left, height, width)."""
    top = int(rng.integers(image_hw[0] - height + 1))
    left = int(rng.integers(image_hw[1] - width + 1))
    return top, left, height, width
