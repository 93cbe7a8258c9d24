"""Image resizing of the reference recipes, to the pixel (mmcv's `imresize`, OpenCV bilinear), and their rounding of sizes."""

from functools import lru_cache

import mmcv
import numpy as np
import torch
from torch import Tensor


def fit_hw(image_hw: tuple[int, int], short: int, long: int) -> tuple[int, int]:
    """(height, width) after scaling by the largest factor that keeps the short side <= `short` and the long side <= `long`."""
    height, width = image_hw
    factor = min(long / max(height, width), short / min(height, width))
    return max(int(height * factor + 0.5), 1), max(int(width * factor + 0.5), 1)


def resize_image(image: np.ndarray, hw: tuple[int, int], *, interpolation: str = "bilinear") -> np.ndarray:
    """uint8 [H, W, 3] or [H, W] -> the same at (height, width) = `hw`."""
    if image.shape[:2] == hw:
        return image
    return mmcv.imresize(image, (hw[1], hw[0]), interpolation=interpolation, backend="cv2")


def resize_tensor(image: Tensor, hw: tuple[int, int]) -> Tensor:
    """uint8 [H, W, C] -> the same at (height, width) = `hw`, on its device; every pixel as `resize_image` has it.

    OpenCV's bilinear resizing in whole numbers: weights in 2048ths, and the mean of four pixels where both sides are halved.
    """
    if image.shape[:2] == hw:
        return image
    pixels = image.to(torch.int32)
    if image.shape[:2] == (2 * hw[0], 2 * hw[1]):
        return (pixels.unflatten(0, (-1, 2)).unflatten(2, (-1, 2)).sum((1, 3), dtype=torch.int32) + 2 >> 2).to(torch.uint8)
    upper, lower, upper_share, lower_share = _taps(image.shape[0], hw[0], False, image.device)
    left, right, left_share, right_share = _taps(image.shape[1], hw[1], True, image.device)
    rows = [
        (half.index_select(1, left) * left_share[:, None] + half.index_select(1, right) * right_share[:, None]) >> 4
        for half in (pixels.index_select(0, upper), pixels.index_select(0, lower))
    ]
    upper_part, lower_part = (
        row * share[:, None, None] >> 16 for row, share in zip(rows, (upper_share, lower_share), strict=True)
    )
    return (upper_part + lower_part + 2 >> 2).clamp_(0, 255).to(torch.uint8)


@lru_cache(maxsize=64)
def _taps(length: int, new_length: int, is_clamped: bool, device: torch.device) -> tuple[Tensor, ...]:
    """For each new pixel along a side the two it is made of, int64, and their shares in 2048ths, int32.

    is_clamped: nothing is taken of a pixel's neighbour where the other is outside; OpenCV does so along rows alone.
    """
    position = ((np.arange(new_length) + 0.5) * (length / new_length) - 0.5).astype(np.float32)
    first = np.floor(position).astype(np.int64)
    share = position - first.astype(np.float32)
    if is_clamped:
        share[(first < 0) | (first >= length - 1)] = 0
        first = first.clip(0, length - 1)
    pixels = (first.clip(0, length - 1), (first + 1).clip(0, length - 1))
    shares = (np.rint((1 - share) * 2048).astype(np.int32), np.rint(share * 2048).astype(np.int32))
    return tuple(torch.from_numpy(array).to(device) for array in (*pixels, *shares))
