"""Box arithmetic. Boxes are xyxy float tensors, half open (no +1), unless the name says otherwise.

Box coding is the DeltaXYWH of R-CNN with the scales of Sparse R-CNN (arXiv 2011.12450): dx, dy are halved.
"""

import torch
from torch import Tensor

DELTA_SCALE = (0.5, 0.5, 1.0, 1.0)
MAX_LOG_RATIO = 4.135166556742356  # |ln(16 / 1000)|: one stage changes a side by at most this factor
_MIN_UNION = 1e-6


def cxcywh_to_xyxy(boxes: Tensor) -> Tensor:
    """[..., 4] centre, width, height -> corners."""
    centre, size = boxes[..., :2], boxes[..., 2:]
    return torch.cat([centre - 0.5 * size, centre + 0.5 * size], dim=-1)


def xyxy_to_xywh(boxes: Tensor) -> Tensor:
    """[..., 4] corners -> left, top, width, height (the JSON formats)."""
    return torch.cat([boxes[..., :2], boxes[..., 2:] - boxes[..., :2]], dim=-1)


def box_area(boxes: Tensor) -> Tensor:
    """[..., 4] -> [...] in square pixels; 0 for a box with a negative side."""
    size = (boxes[..., 2:] - boxes[..., :2]).clamp(min=0)
    return size[..., 0] * size[..., 1]


def _intersection_and_union(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    size = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0)
    intersection = size[..., 0] * size[..., 1]
    return intersection, box_area(a) + box_area(b) - intersection


def paired_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU of boxes broadcast against each other: [..., 4] and [..., 4] -> [...] in [0, 1]."""
    intersection, union = _intersection_and_union(a, b)
    return intersection / union.clamp(min=_MIN_UNION)


def paired_giou(a: Tensor, b: Tensor) -> Tensor:
    """Generalised IoU (arXiv 1902.09630) of boxes broadcast against each other: [...] in [-1, 1]."""
    intersection, union = _intersection_and_union(a, b)
    union = union.clamp(min=_MIN_UNION)
    enclosing = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    enclosing_area = (enclosing[..., 0] * enclosing[..., 1]).clamp(min=_MIN_UNION)
    return intersection / union - (enclosing_area - union) / enclosing_area


def box_iou(a: Tensor, b: Tensor) -> Tensor:
    """[N, 4], [M, 4] -> IoU [N, M]."""
    return paired_iou(a[:, None], b[None])


def box_giou(a: Tensor, b: Tensor) -> Tensor:
    """[N, 4], [M, 4] -> generalised IoU [N, M]."""
    return paired_giou(a[:, None], b[None])


def decode_deltas(boxes: Tensor, deltas: Tensor) -> Tensor:
    """Move and scale boxes [..., 4] xyxy by deltas [..., 4] (dx, dy, dw, dh) -> [..., 4] xyxy, not clipped to any image."""
    dx, dy, dw, dh = (delta if scale == 1 else delta * scale for delta, scale in zip(deltas.unbind(-1), DELTA_SCALE, strict=True))
    width, height = boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]
    centre_x = 0.5 * (boxes[..., 0] + boxes[..., 2]) + width * dx
    centre_y = 0.5 * (boxes[..., 1] + boxes[..., 3]) + height * dy
    half_width = 0.5 * width * dw.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp()
    half_height = 0.5 * height * dh.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp()
    return torch.stack([centre_x - half_width, centre_y - half_height, centre_x + half_width, centre_y + half_height], dim=-1)


def clip_boxes(boxes: Tensor, image_hw: tuple[int, int]) -> Tensor:
    """Clip [..., 4] xyxy to an image of (height, width)."""
    height, width = image_hw
    return torch.stack(
        [
            boxes[..., 0].clamp(0, width),
            boxes[..., 1].clamp(0, height),
            boxes[..., 2].clamp(0, width),
            boxes[..., 3].clamp(0, height),
        ],
        dim=-1,
    )


def flip_boxes(boxes: Tensor, width: float) -> Tensor:
    """Mirror [..., 4] xyxy left to right in an image of that width."""
    left, top, right, bottom = boxes.unbind(-1)
    return torch.stack([width - right, top, width - left, bottom], dim=-1)
