"""Non-maximum suppression of batches as one operation, `torch.ops.queryinst_vis.nms_mask`, that graphs can hold.

torchvision's own gives as many indices as it keeps, image by image; a mask has a shape that is known beforehand.
"""

import torch
from torch import Tensor
from torchvision.ops import nms

from queryinst_vis.ops.boxes import paired_iou


@torch.library.custom_op("queryinst_vis::nms_mask", mutates_args=())
def nms_mask(boxes: Tensor, threshold: float) -> Tensor:
    """Which boxes no better one of their image suppresses: bool [B, N].

    boxes: float [B, N, 4] xyxy, best first; threshold: IoU above which the worse of two goes.
    """
    if boxes.device.type == "cuda" and torch.cuda.is_current_stream_capturing():
        return nms_without_waiting(boxes, threshold)
    kept = torch.zeros(boxes.shape[:2], dtype=torch.bool, device=boxes.device)
    order = torch.arange(boxes.shape[1], 0, -1, device=boxes.device, dtype=boxes.dtype)
    for row, image_boxes in zip(kept, boxes, strict=True):
        row[nms(image_boxes, order, threshold)] = True
    return kept


@nms_mask.register_fake
def _(boxes: Tensor, threshold: float) -> Tensor:
    return boxes.new_empty(boxes.shape[:2], dtype=torch.bool)


def nms_without_waiting(boxes: Tensor, threshold: float) -> Tensor:
    """The same in a fixed number of operations, which a CUDA graph needs, and slower where there is none.

    After the i-th round the i best boxes are settled: a box stays when none of the better ones that stay suppresses it.
    """
    count = boxes.shape[1]
    rank = torch.arange(count, device=boxes.device)
    suppresses = (paired_iou(boxes[:, :, None], boxes[:, None]) > threshold) & (rank[:, None] < rank)  # [B, N, N]
    kept = torch.ones(boxes.shape[:2], dtype=torch.bool, device=boxes.device)
    for _ in range(count - 1):
        kept = ~(suppresses & kept[:, :, None]).any(1)
    return kept
