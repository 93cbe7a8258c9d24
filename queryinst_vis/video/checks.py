"""What a program may hand to a writer: mistakes are told at once, as a ValueError."""

from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from queryinst_vis.structures import VideoInfo


def check_time(pts: int, last: int | None) -> None:
    """ValueError: a picture at `pts` cannot follow one at `last`, or be the first."""
    if pts < 0 or (last is not None and pts <= last):
        raise ValueError(f"times must grow from 0 on: {pts} {'is the first' if last is None else f'follows {last}'}")


def check_rate(fps: Fraction | float | None) -> Fraction:
    """The rate as a fraction: 29.97 is 2997/100. ValueError: there is none."""
    rate = Fraction(fps).limit_denominator(1001) if fps is not None and 0 < fps < float("inf") else 0
    if not rate:
        raise ValueError(f"VideoWriter needs a frame rate, fps=25 for example, or the `info` of a source; got fps={fps}")
    return rate


def check_image(image: ArrayLike, info: VideoInfo | None) -> np.ndarray:
    """The picture as an array. ValueError: it is not uint8 RGB, or not of the size in `info`."""
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(f"expected a picture uint8 [H, W, 3] RGB, got {image.dtype} {list(image.shape)}")
    if info is not None and image.shape[:2] != (info.height, info.width):
        raise ValueError(f"expected a picture of {info.height} x {info.width} x 3, got {' x '.join(map(str, image.shape))}")
    return image
