"""Pictures made by a program as a video: numpy arrays or tensors, from a list or as they come."""

from collections.abc import Iterable, Iterator, Sized
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import torch

from queryinst_vis.structures import Frame, VideoInfo
from queryinst_vis.video.base import Limits, StoredSource, VideoError
from queryinst_vis.video.pictures import DEFAULT_FPS


def is_picture(item: object) -> bool:
    """Whether this is one picture rather than a video or a name."""
    return isinstance(item, np.ndarray | torch.Tensor) and item.ndim == 3


class ArraySource(StoredSource):
    """uint8 [H, W, 3] RGB arrays or tensors of one size, one per frame, taken one at a time."""

    def __init__(self, pictures: Iterable[Any], *, fps: Fraction | None = None, limits: Limits | None = None) -> None:
        """Takes the first picture for its size. VideoError: there is none, or it is no picture."""
        fps = fps or DEFAULT_FPS
        self._limits = limits or Limits()
        num_frames = len(pictures) if isinstance(pictures, Sized) else None
        self._pictures = iter(pictures)
        first = next(self._pictures, None)
        if first is None:
            raise VideoError("a video of no pictures; at least one is needed")
        self._first = self._checked(first, 0)
        height, width = self._first.shape[:2]
        duration = None if num_frames is None else float(num_frames / fps)
        self.info = VideoInfo(width, height, fps, 1 / fps, num_frames=num_frames, duration=duration)

    def _checked(self, picture: Any, number: int) -> np.ndarray:
        image = picture.detach().cpu().numpy() if isinstance(picture, torch.Tensor) else picture
        if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            got = f"{image.dtype} {list(image.shape)}" if isinstance(image, np.ndarray) else type(picture).__name__
            raise VideoError(f"picture {number} is {got}; expected uint8 [H, W, 3], red first")
        if not image.size:
            raise VideoError(f"picture {number} is empty: {list(image.shape)}")
        self._limits.check_size(f"picture {number}", image.shape[1], image.shape[0])
        return np.ascontiguousarray(image)

    def _frames(self) -> Iterator[Frame]:
        first = Frame(self._first, 0, 0, self.info.time_base)
        yield first
        for number, picture in enumerate(self._pictures, 1):
            image = self._checked(picture, number)
            if image.shape != self._first.shape:
                sizes = (f"{shape[1]} x {shape[0]}" for shape in (image.shape, self._first.shape))
                raise VideoError("picture {} is {}, the first was {}; all of one size expected".format(number, *sizes))
            yield replace(first, image=image, index=number, pts=number)

    def close(self) -> None:
        """End a generator of pictures."""
        if hasattr(self._pictures, "close"):
            self._pictures.close()
