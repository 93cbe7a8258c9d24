"""Pixels the way they are meant to be seen: the eight orientations of a display matrix, and frames of another size."""

import struct
from typing import NamedTuple

import av
import numpy as np
from av.sidedata.sidedata import Type as SideDataType

from queryinst_vis.video.pixels import to_rgb


class Orientation(NamedTuple):
    """How stored pixels become upright: transpose first, then flip."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    def apply(self, image: np.ndarray) -> np.ndarray:
        """[h, w, 3] as stored -> upright, contiguous."""
        if self.transpose:
            image = image.transpose(1, 0, 2)
        return np.ascontiguousarray(image[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1])


def orientation_of(frame: av.VideoFrame) -> Orientation:
    """From a frame's display matrix; its nine 16.16 numbers are (a b u, c d v, x y w): x' = a x + c y, y' = b x + d y."""
    for data in (frame.side_data[i] for i in range(len(frame.side_data))):
        if data.type == SideDataType.DISPLAYMATRIX:
            a, b, _, c, d = struct.unpack("=5i", bytes(data)[:20])
            if abs(a) + abs(d) >= abs(b) + abs(c):
                return Orientation(False, flip_x=a < 0, flip_y=d < 0)
            return Orientation(True, flip_x=c < 0, flip_y=b < 0)
    return Orientation()


def letterbox(frame: av.VideoFrame, width: int, height: int) -> np.ndarray:
    """A frame scaled to fit into [height, width, 3] RGB, aspect kept, centred on black."""
    scale = min(width / frame.width, height / frame.height)
    inner_w, inner_h = max(round(frame.width * scale), 1), max(round(frame.height * scale), 1)
    inner = to_rgb(frame, width=inner_w, height=inner_h)
    canvas = np.zeros((height, width, 3), dtype=np.uint8)
    top, left = (height - inner_h) // 2, (width - inner_w) // 2
    canvas[top : top + inner_h, left : left + inner_w] = inner
    return canvas
