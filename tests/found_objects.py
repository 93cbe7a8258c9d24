"""What writers of results are given in tests: frames of a small video and tracked objects in them."""

from fractions import Fraction

import numpy as np
import torch

from queryinst_vis.masks import BitMasks
from queryinst_vis.results import ResultWriter, open_result
from queryinst_vis.structures import Frame, Instances, VideoInfo

HW = (24, 32)
INFO = VideoInfo(32, 24, Fraction(25), Fraction(1, 25), num_frames=3, duration=0.12)
CLASSES = ("cat", 'a "big" dog, brown')


def frame(index: int) -> Frame:
    return Frame(np.zeros((*HW, 3), dtype=np.uint8), index, index, Fraction(1, 25))


def instances(ids: list[int], *, label: int = 0, class_scores: list[list[float]] | None = None) -> Instances:
    """Boxes side by side, one after the other, two pixels apart; masks fill them. At most five have pixels of their own."""
    count = len(ids)
    masks = torch.zeros((count, *HW), dtype=torch.bool)
    boxes = torch.zeros((count, 4))
    for place in range(count):
        left = 6 * (place % 5)
        masks[place, 4:10, left : left + 4] = True
        boxes[place] = torch.tensor([left, 4, left + 4, 10])
    return Instances(
        HW,
        boxes,
        torch.full((count,), 0.8),
        torch.full((count,), label),
        None if class_scores is None else torch.tensor(class_scores),
        BitMasks(masks),
        track_ids=torch.tensor(ids, dtype=torch.int64),
    )


def write(kind: str, path, **options) -> ResultWriter:
    return open_result(kind, path, **{"video_name": "in.mp4", "info": INFO, "classes": CLASSES} | options)
