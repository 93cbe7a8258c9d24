"""Masks of N objects of one image, kept as small as they come: nothing becomes dense before someone draws it.

RoiMasks: probabilities inside boxes (QueryInst). BitMasks: dense bitmaps (annotations, and models that give whole-image masks).
Both answer the same questions: RoiMasks from the runs of their pixels, BitMasks from windows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, Self

import numpy as np
import torch
from torch import Tensor

from queryinst_vis.ops import rle as rle_ops
from queryinst_vis.ops.boxes import flip_boxes
from queryinst_vis.ops.paste import paste_runs
from queryinst_vis.ops.runs import area, overlaps, tight_box, window_of_runs

MASK_THRESHOLD = 0.5  # the probability from which a pixel is set


class Window(NamedTuple):
    """A mask cut to where it can be set: its pixel (0, 0) is the image's (top, left)."""

    top: int
    left: int
    bitmap: np.ndarray  # bool [h, w], inside the image; may be empty


class Masks(Protocol):
    """N masks of one image of (height, width) = `image_hw`."""

    image_hw: tuple[int, int]

    def __len__(self) -> int: ...

    def __getitem__(self, index) -> Self: ...

    def windows(self) -> Iterator[Window]: ...

    def bitmaps(self) -> Tensor: ...

    def rles(self) -> list[rle_ops.RLE]: ...

    def areas(self) -> Tensor: ...

    def boxes(self) -> Tensor: ...

    def iou(self, other: "Masks") -> Tensor: ...

    def flipped(self) -> Self: ...

    def to(self, device: torch.device | str) -> Self: ...


class _WindowedMasks:
    """What follows from `windows()` alone."""

    image_hw: tuple[int, int]

    def windows(self) -> Iterator[Window]:
        raise NotImplementedError

    def rles(self) -> list[rle_ops.RLE]:
        """COCO codes, bit-equal to pycocotools' encoding of the dense masks."""
        return [rle_ops.encode_window(w.bitmap, w.top, w.left, self.image_hw) for w in self.windows()]

    def areas(self) -> Tensor:
        """int64 [N], pixels."""
        return torch.tensor([int(w.bitmap.sum()) for w in self.windows()], dtype=torch.int64)

    def boxes(self) -> Tensor:
        """float32 [N, 4] xyxy: the tightest boxes around the pixels that are set; zeros for an empty mask."""
        return torch.tensor([_tight_box(w) for w in self.windows()], dtype=torch.float32).reshape(-1, 4)

    def iou(self, other: "_WindowedMasks") -> Tensor:
        """float32 [N, M]: pixels in both over pixels in either; 0 where both are empty."""
        _check_same_image(self, other)
        first, second = list(self.windows()), list(other.windows())
        overlap = np.array([[_overlap(a, b) for b in second] for a in first]).reshape(len(first), len(second))
        return _iou(overlap, [w.bitmap.sum() for w in first], [w.bitmap.sum() for w in second])


@dataclass(slots=True, eq=False)
class _Pasted:
    """A place for what is known of one mask, shared by all masks that hold it. edges: of its runs, see `ops/runs.py`."""

    edges: np.ndarray | None = None
    window: Window | None = None
    counts: bytes | None = None  # of its code


@dataclass(slots=True, eq=False)
class RoiMasks(_WindowedMasks):
    """Masks given as probabilities over their boxes.

    probabilities: float [N, h, w] in [0, 1]; roi_boxes: float [N, 4] xyxy in pixels of the image, which may leave it. Both
    stay as they are: a mask is pasted once, whoever asks for it, also of those chosen from these. `to` gives some not pasted yet.
    threshold: the probability from which a pixel is set, above 0.
    """

    probabilities: Tensor
    roi_boxes: Tensor
    image_hw: tuple[int, int]
    threshold: float = MASK_THRESHOLD
    _pasted: list[_Pasted] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.probabilities.ndim != 3 or self.roi_boxes.shape != (len(self.probabilities), 4):
            raise ValueError(
                f"expected probabilities [N, h, w] and boxes [N, 4], got {tuple(self.probabilities.shape)} "
                f"and {tuple(self.roi_boxes.shape)}"
            )
        if not self.threshold > 0:
            raise ValueError(f"threshold={self.threshold}: must be above 0, the probability outside the boxes")
        self._pasted = [_Pasted() for _ in range(len(self.probabilities))]

    def __len__(self) -> int:
        return len(self.probabilities)

    def __getitem__(self, index) -> "RoiMasks":
        chosen = np.arange(len(self))[np.asarray(index) if isinstance(index, Tensor) else index]
        some = RoiMasks(self.probabilities[index], self.roi_boxes[index], self.image_hw, self.threshold)
        some._pasted = [self._pasted[row] for row in chosen]
        return some

    def with_runs(self, edges: Sequence[np.ndarray]) -> "RoiMasks":
        """The same, pasted already, by a GPU say: edges of each mask, as `paste_runs` gives them."""
        same = self.to(self.probabilities.device)
        same._pasted = [_Pasted(edges=runs) for runs in edges]
        return same

    def to(self, device: torch.device | str) -> "RoiMasks":
        return RoiMasks(self.probabilities.to(device), self.roi_boxes.to(device), self.image_hw, self.threshold)

    def flipped(self) -> "RoiMasks":
        """The masks of the image mirrored left to right; nothing becomes dense."""
        boxes = flip_boxes(self.roi_boxes, self.image_hw[1])
        return RoiMasks(self.probabilities.flip(-1), boxes, self.image_hw, self.threshold)

    def windows(self) -> Iterator[Window]:
        for pasted, edges in zip(self._pasted, self._edges(), strict=True):
            if pasted.window is None:
                pasted.window = Window(*window_of_runs(edges, self.image_hw))
            yield pasted.window

    def rles(self) -> list[rle_ops.RLE]:
        """COCO codes, bit-equal to pycocotools' encoding of the dense masks."""
        codes = []
        for pasted, edges in zip(self._pasted, self._edges(), strict=True):
            if pasted.counts is None:
                pasted.counts = rle_ops.encode_runs(edges, self.image_hw)["counts"]
            codes.append(rle_ops.RLE(size=list(self.image_hw), counts=pasted.counts))
        return codes

    def areas(self) -> Tensor:
        """int64 [N], pixels."""
        return torch.tensor([area(edges) for edges in self._edges()], dtype=torch.int64)

    def boxes(self) -> Tensor:
        """float32 [N, 4] xyxy: the tightest boxes around the pixels that are set; zeros for an empty mask."""
        return torch.tensor([tight_box(edges, self.image_hw) for edges in self._edges()], dtype=torch.float32).reshape(-1, 4)

    def iou(self, other: _WindowedMasks) -> Tensor:
        """float32 [N, M]: pixels in both over pixels in either; 0 where both are empty."""
        if not isinstance(other, RoiMasks):
            return _WindowedMasks.iou(self, other)
        _check_same_image(self, other)
        first, second = self._edges(), other._edges()
        overlap = np.array([overlaps(edges, second) for edges in first]).reshape(len(first), len(second))
        return _iou(overlap, [area(edges) for edges in first], [area(edges) for edges in second])

    def paste(self) -> None:
        """Find the runs of all now: together they take much less time than one by one."""
        self._edges()

    def _edges(self) -> list[np.ndarray]:
        """The runs of each mask; those not known yet are pasted together."""
        rows = list({id(pasted): row for row, pasted in enumerate(self._pasted) if pasted.edges is None}.values())
        if rows:
            edges = paste_runs(self.probabilities[rows], self.roi_boxes[rows], self.image_hw, self.threshold)
            for row, found in zip(rows, edges, strict=True):
                self._pasted[row].edges = found
        return [pasted.edges for pasted in self._pasted]  # type: ignore[misc]

    def bitmaps(self) -> Tensor:
        """bool [N, H, W] on the CPU."""
        dense = torch.zeros((len(self), *self.image_hw), dtype=torch.bool)
        for row, (top, left, bitmap) in zip(dense, self.windows(), strict=True):
            row[top : top + bitmap.shape[0], left : left + bitmap.shape[1]] = torch.from_numpy(bitmap)
        return dense

    @staticmethod
    def cat(parts: Sequence["RoiMasks"]) -> "RoiMasks":
        """Join masks of one image."""
        first = parts[0]
        if any((p.image_hw, p.threshold) != (first.image_hw, first.threshold) for p in parts):
            raise ValueError("masks of different images or thresholds cannot be joined")
        return RoiMasks(
            torch.cat([p.probabilities for p in parts]),
            torch.cat([p.roi_boxes for p in parts]),
            first.image_hw,
            first.threshold,
        )


@dataclass(slots=True, eq=False)
class BitMasks(_WindowedMasks):
    """Dense masks: bool [N, H, W]."""

    tensor: Tensor

    def __post_init__(self) -> None:
        if self.tensor.ndim != 3 or self.tensor.dtype != torch.bool:
            raise ValueError(f"expected bool [N, H, W], got {self.tensor.dtype} {tuple(self.tensor.shape)}")

    @property
    def image_hw(self) -> tuple[int, int]:  # type: ignore[override]
        return self.tensor.shape[1], self.tensor.shape[2]

    def __len__(self) -> int:
        return len(self.tensor)

    def __getitem__(self, index) -> "BitMasks":
        return BitMasks(self.tensor[index])

    def to(self, device: torch.device | str) -> "BitMasks":
        return BitMasks(self.tensor.to(device))

    def flipped(self) -> "BitMasks":
        """The masks of the image mirrored left to right."""
        return BitMasks(self.tensor.flip(-1))

    def windows(self) -> Iterator[Window]:
        for bitmap in self.tensor.cpu().numpy():
            rows, columns = np.flatnonzero(bitmap.any(1)), np.flatnonzero(bitmap.any(0))
            if not len(rows):
                yield Window(0, 0, np.zeros((0, 0), dtype=bool))
                continue
            top, left = int(rows[0]), int(columns[0])
            yield Window(top, left, bitmap[top : rows[-1] + 1, left : columns[-1] + 1])

    def bitmaps(self) -> Tensor:
        """bool [N, H, W] on the CPU."""
        return self.tensor.cpu()

    @staticmethod
    def cat(parts: Sequence["BitMasks"]) -> "BitMasks":
        """Join masks of one image."""
        return BitMasks(torch.cat([p.tensor for p in parts]))


def _check_same_image(masks: _WindowedMasks, others: _WindowedMasks) -> None:
    if masks.image_hw != others.image_hw:
        raise ValueError(f"masks of images of {masks.image_hw} and {others.image_hw} cannot be compared")


def _iou(overlap: np.ndarray, areas: list[int], other_areas: list[int]) -> Tensor:
    """overlap: pixels in both, int [N, M]. Exact up to 16 million pixels."""
    both = overlap.astype(np.float32)
    either = np.array(areas, dtype=np.float32)[:, None] + np.array(other_areas, dtype=np.float32) - both
    return torch.from_numpy(both / np.maximum(either, 1))


def _tight_box(window: Window) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(window.bitmap.any(1)), np.flatnonzero(window.bitmap.any(0))
    if not len(rows):
        return 0, 0, 0, 0
    return (
        window.left + int(columns[0]),
        window.top + int(rows[0]),
        window.left + int(columns[-1]) + 1,
        window.top + int(rows[-1]) + 1,
    )


def _overlap(a: Window, b: Window) -> int:
    top, left = max(a.top, b.top), max(a.left, b.left)
    bottom = min(a.top + a.bitmap.shape[0], b.top + b.bitmap.shape[0])
    right = min(a.left + a.bitmap.shape[1], b.left + b.bitmap.shape[1])
    if bottom <= top or right <= left:
        return 0
    part_a = a.bitmap[top - a.top : bottom - a.top, left - a.left : right - a.left]
    part_b = b.bitmap[top - b.top : bottom - b.top, left - b.left : right - b.left]
    return int(np.count_nonzero(part_a & part_b))
