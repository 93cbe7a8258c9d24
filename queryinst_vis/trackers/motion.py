"""Where objects will be: constant velocity of the box's centre, in pixels per second, so that the frame rate does not matter."""

import torch
from torch import Tensor

VELOCITY_MEMORY = 0.15  # seconds over which velocity is smoothed
HORIZON = 0.5  # seconds an object is believed to go on straight; after that it is looked for where this leads


def centres(boxes: Tensor) -> Tensor:
    """[T, 4] xyxy -> [T, 2]."""
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def predict_boxes(boxes: Tensor, velocities: Tensor, elapsed: Tensor) -> Tensor:
    """Boxes [T, 4] moved along velocities [T, 2] for `elapsed` >= 0 seconds [T]."""
    shift = velocities * elapsed.clamp(max=HORIZON)[:, None]
    return boxes + shift.repeat(1, 2)


def update_velocities(velocities: Tensor, before: Tensor, now: Tensor, elapsed: Tensor) -> Tensor:
    """Velocities [T, 2] after boxes went from `before` to `now` [T, 4] in `elapsed` >= 0 seconds [T]; no time, no change."""
    gain = 1 - torch.exp(-elapsed / VELOCITY_MEMORY)
    measured = (centres(now) - centres(before)) / elapsed.clamp(min=1e-6)[:, None]
    return velocities + gain[:, None] * (measured - velocities)
