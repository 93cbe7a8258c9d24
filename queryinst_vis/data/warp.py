"""An affine map of a sample: pixels bilinear and mirrored beyond the edge, masks by the nearest neighbour and empty there.

Boxes are made anew from the masks; those of objects without a mask enclose their mapped corners.
"""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import torch

from queryinst_vis.data.sample import Sample
from queryinst_vis.masks import BitMasks, Window
from queryinst_vis.structures import Targets

_NOTHING = Window(0, 0, np.zeros((0, 0), dtype=bool))


def warp(sample: Sample, matrix: np.ndarray, *, min_visible: float = 0.0, gains: np.ndarray | None = None) -> Sample:
    """The sample seen through a map, in a picture of the same size.

    matrix: float64 [2, 3], from points (x, y) to new ones, where the first pixel's centre is (0.5, 0.5). min_visible: objects of
    which a smaller share is inside are dropped, as are those of which nothing is; of crowd regions any pixel is enough. gains:
    float [3], factors of red, green and blue.
    """
    height, width = sample.image_hw
    pixels = np.ascontiguousarray(sample.image.permute(1, 2, 0).numpy())
    moved = cv2.warpAffine(
        pixels, _for_opencv(matrix), (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    if gains is not None:
        levels = np.clip(np.arange(256)[:, None] * gains + 0.5, 0, 255).astype(np.uint8)  # [256, 3]
        moved = cv2.LUT(moved, levels[None])
    targets = _warp_targets(sample.targets, matrix, (height, width), min_visible)
    return replace(sample, image=torch.from_numpy(moved).permute(2, 0, 1), targets=targets)


def _warp_targets(targets: Targets, matrix: np.ndarray, image_hw: tuple[int, int], min_visible: float) -> Targets:
    has_mask, is_crowd = targets.has_mask.tolist(), targets.is_crowd.tolist()  # type: ignore[union-attr]
    sources = list(targets.masks.windows()) if targets.masks is not None else [_NOTHING] * len(targets)
    enlarged = abs(np.linalg.det(matrix[:, :2]))
    kept, boxes, windows = [], [], []
    for row, (box, source) in enumerate(zip(targets.boxes.numpy(), sources, strict=True)):
        outer = _mapped_box(_box_of(source) if has_mask[row] else box, matrix)
        window = _warp_window(source, outer, matrix, image_hw) if has_mask[row] else _NOTHING
        inner = _box_of(window) if has_mask[row] else np.clip(outer, 0, [*image_hw[::-1], *image_hw[::-1]])
        visible, whole = (window.bitmap.sum(), source.bitmap.sum() * enlarged) if has_mask[row] else (_area(inner), _area(outer))
        if visible > 0 and (is_crowd[row] or visible >= min_visible * whole):
            kept.append(row)
            boxes.append(inner)
            windows.append(window)
    return replace(
        targets[torch.tensor(kept, dtype=torch.int64)],
        boxes=torch.from_numpy(np.array(boxes, dtype=np.float32).reshape(-1, 4)),
        masks=None if targets.masks is None else _dense(windows, image_hw),
    )


def _warp_window(source: Window, outer: np.ndarray, matrix: np.ndarray, image_hw: tuple[int, int]) -> Window:
    """The mapped mask, cut to the pixels that are set; `outer`: the box it may fill."""
    low = np.clip(np.floor(outer[:2]) - 1, 0, image_hw[::-1]).astype(int)
    high = np.clip(np.ceil(outer[2:]) + 1, 0, image_hw[::-1]).astype(int)
    if not source.bitmap.size or (high <= low).any():
        return _NOTHING
    # From pixels of the source's window to those of the mapped one.
    local = matrix.copy()
    local[:, 2] += matrix[:, :2] @ [source.left, source.top] - low
    bitmap = np.ascontiguousarray(source.bitmap).view(np.uint8)
    size = (int(high[0] - low[0]), int(high[1] - low[1]))
    mapped = cv2.warpAffine(bitmap, _for_opencv(local), size, flags=cv2.INTER_NEAREST).view(bool)
    (tight,) = BitMasks(torch.from_numpy(mapped)[None]).windows()
    return Window(tight.top + int(low[1]), tight.left + int(low[0]), tight.bitmap)


def _for_opencv(matrix: np.ndarray) -> np.ndarray:
    """The same map where the first pixel's centre is (0, 0)."""
    shifted = matrix.copy()
    shifted[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5
    return shifted


def _mapped_box(box: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """float64 [4] xyxy around the mapped corners of a box."""
    x1, y1, x2, y2 = box
    corners = np.array([[x1, x2, x1, x2], [y1, y1, y2, y2]])
    mapped = matrix[:, :2] @ corners + matrix[:, 2:]
    return np.concatenate([mapped.min(1), mapped.max(1)])


def _box_of(window: Window) -> np.ndarray:
    height, width = window.bitmap.shape
    return np.array([window.left, window.top, window.left + width, window.top + height], dtype=np.float64)


def _area(box: np.ndarray) -> float:
    return float(np.prod(np.maximum(box[2:] - box[:2], 0)))


def _dense(windows: Sequence[Window], image_hw: tuple[int, int]) -> BitMasks:
    bitmaps = np.zeros((len(windows), *image_hw), dtype=bool)
    for bitmap, (top, left, window) in zip(bitmaps, windows, strict=True):
        bitmap[top : top + window.shape[0], left : left + window.shape[1]] = window
    return BitMasks(torch.from_numpy(bitmaps))
