"""Four pictures in one (mosaic, YOLOv4, arXiv 2004.10934): smaller objects, and more of them in a picture.

Unlike there, pictures are cut to fill their tiles, so that no pixel is padding.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from queryinst_vis.data.geometry import crop, resize, tighten_cut_boxes
from queryinst_vis.data.loading import SampleKey
from queryinst_vis.data.sample import Sample
from queryinst_vis.limits import Count, Share
from queryinst_vis.masks import BitMasks
from queryinst_vis.structures import Targets

_CENTRE = (0.35, 0.65)  # where the tiles meet, as a part of each side
_MIN_VISIBLE = 0.1  # objects of which a tile shows a smaller part are dropped


class MosaicDataset(Dataset[Sample]):
    """Samples of another dataset, some of them as one of four tiles of a picture.

    size_hw: (height, width) of a mosaic in pixels, best that of the dataset's samples; probability: that a sample becomes one.
    The three others and their augmentation are drawn from the sample's key. A class counts as annotated in a mosaic when it is
    annotated in all four pictures.
    """

    def __init__(self, dataset: Dataset[Sample], *, size_hw: tuple[Count, Count], probability: Share = 0.5) -> None:
        self.dataset = dataset
        self.size_hw = size_hw
        self.probability = probability
        self.classes: tuple[str, ...] = dataset.classes  # type: ignore[attr-defined]

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]

    @property
    def aspect_ratios(self) -> np.ndarray:
        """float [len], width / height of a mosaic."""
        return np.full(len(self), self.size_hw[1] / self.size_hw[0])

    def __getitem__(self, key: int | SampleKey) -> Sample:
        key = SampleKey.of(key)
        rng = np.random.default_rng((*key, 1))  # other numbers than those the dataset draws from the key
        sample = self.dataset[key]  # type: ignore[index]
        if rng.random() >= self.probability:
            return sample
        return mosaic([sample, *(self._draw(key.epoch, rng) for _ in range(3))], self.size_hw, rng)

    def _draw(self, epoch: int, rng: np.random.Generator) -> Sample:
        index, seed = int(rng.integers(len(self))), int(rng.integers(2**31))
        return self.dataset[SampleKey(seed, epoch, index)]  # type: ignore[index]


def mosaic(samples: Sequence[Sample], size_hw: tuple[int, int], rng: np.random.Generator) -> Sample:
    """Four samples as tiles (top left, top right, bottom left, bottom right) of one, which bears the first one's name."""
    height, width = size_hw
    row, column = (round(side * rng.uniform(*_CENTRE)) for side in size_hw)
    tiles = [(0, 0, row, column), (0, column, row, width), (row, 0, height, column), (row, column, height, width)]
    image = torch.zeros((3, height, width), dtype=torch.uint8)
    parts = []
    for sample, (top, left, bottom, right) in zip(samples, tiles, strict=True):
        part = _fill(sample, (bottom - top, right - left), rng)
        image[:, top:bottom, left:right] = part.image
        parts.append(_placed(part.targets, (top, left), part.image_hw, size_hw))
    return replace(samples[0], image=image, targets=_joined(parts))


def _fill(sample: Sample, hw: tuple[int, int], rng: np.random.Generator) -> Sample:
    """Scaled to cover (height, width) = `hw`, its ratio kept, and cut to it at random."""
    factor = max(side / own for side, own in zip(hw, sample.image_hw, strict=True))
    covering = [max(round(own * factor), side) for side, own in zip(hw, sample.image_hw, strict=True)]
    scaled = resize(sample, (covering[0], covering[1]))
    top, left = (int(rng.integers(own - side + 1)) for side, own in zip(hw, covering, strict=True))
    return tighten_cut_boxes(crop(scaled, (top, left, *hw), min_visible=_MIN_VISIBLE))


def _placed(targets: Targets, corner: tuple[int, int], hw: tuple[int, int], size_hw: tuple[int, int]) -> Targets:
    """Targets of a picture of size `hw` that now lies at (top, left) = `corner` of one of size `size_hw`."""
    top, left = corner
    bitmaps = torch.zeros((len(targets), *size_hw), dtype=torch.bool)
    if targets.masks is not None:
        bitmaps[:, top : top + hw[0], left : left + hw[1]] = targets.masks.tensor
    return replace(targets, boxes=targets.boxes + torch.tensor([left, top, left, top]), masks=BitMasks(bitmaps))


def _joined(parts: Sequence[Targets]) -> Targets:
    rows = {name: torch.cat([getattr(part, name) for part in parts]) for name in ("boxes", "labels", "has_mask", "is_crowd")}
    masks = BitMasks.cat([part.masks for part in parts if part.masks is not None])
    annotated = reduce(_in_both, [part.annotated_classes for part in parts])
    return Targets(**rows, masks=masks if rows["has_mask"].any() else None, annotated_classes=annotated)


def _in_both(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    """Classes [C] annotated in two pictures, None meaning all."""
    if a is None or b is None:
        return b if a is None else a
    return a & b
