"""Image resizing of the reference recipes, to the pixel (mmcv's `imresize`, OpenCV bilinear), and their rounding of sizes."""

import mmcv
import numpy as np


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
