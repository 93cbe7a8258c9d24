"""Losses of QueryInst, each a plain sum over its elements: the caller divides by the number of objects.

Focal loss: arXiv 1708.02002; quality focal loss: arXiv 2006.04388; generalised IoU: arXiv 1902.09630; dice: V-Net, arXiv
1606.04797, as in mmdetection (squares below).
"""

import torch.nn.functional as F
from torch import Tensor

from queryinst_vis.ops.boxes import paired_giou

_DICE_EPS = 2e-5


def focal_loss(
    logits: Tensor, onehot: Tensor, *, weights: Tensor | None = None, alpha: float = 0.25, gamma: float = 2.0
) -> Tensor:
    """Sum of the sigmoid focal loss over all elements. logits, onehot: [..., C]; weights: broadcast against them."""
    logits = logits.float()
    p = logits.sigmoid()
    miss = onehot * (1 - p) + (1 - onehot) * p
    balance = onehot * alpha + (1 - onehot) * (1 - alpha)
    loss = F.binary_cross_entropy_with_logits(logits, onehot, reduction="none") * balance * miss**gamma
    return (loss if weights is None else loss * weights).sum()


def quality_focal_loss(logits: Tensor, quality: Tensor, *, weights: Tensor | None = None, beta: float = 2.0) -> Tensor:
    """Sum of the focal loss towards soft labels (arXiv 2006.04388, equation 3). logits, quality in [0, 1]: [..., C]."""
    logits = logits.float()
    distance = (quality - logits.sigmoid()).abs() ** beta
    loss = F.binary_cross_entropy_with_logits(logits, quality, reduction="none") * distance
    return (loss if weights is None else loss * weights).sum()


def l1_loss(boxes: Tensor, targets: Tensor, whwh: Tensor) -> Tensor:
    """Sum of absolute differences in units of the image. boxes, targets: [P, 4]; whwh: [P, 4]."""
    return ((boxes - targets) / whwh).abs().sum()


def giou_loss(boxes: Tensor, targets: Tensor) -> Tensor:
    """Sum of 1 - GIoU over pairs [P, 4]."""
    return (1 - paired_giou(boxes, targets)).sum()


def dice_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Sum over P of 1 - dice. logits: [P, h, w]; targets: [P, h, w] in {0, 1}."""
    p, t = logits.float().sigmoid().flatten(1), targets.flatten(1)
    return (1 - 2 * (p * t).sum(1) / ((p * p).sum(1) + (t * t).sum(1) + _DICE_EPS)).sum()
