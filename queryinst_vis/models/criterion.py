"""What one stage of QueryInst is trained on: classes, boxes and masks of the queries matched with objects.

Deviation from mmdetection: every normaliser is at least one object over all processes, so a batch without objects trains (there
it multiplies the class loss by millions). Beyond it: crowd regions, box-only objects, classes not annotated in an image.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import roi_align

from queryinst_vis.limits import NotNegative
from queryinst_vis.models.losses import dice_loss, focal_loss, giou_loss, l1_loss, quality_focal_loss
from queryinst_vis.models.matching import HungarianMatcher, Match
from queryinst_vis.ops.boxes import clip_boxes, paired_iou
from queryinst_vis.ops.distributed import target_normalizer
from queryinst_vis.registry import MODELS
from queryinst_vis.structures import Targets

_CROWD_OVERLAP = 0.5  # part of a box inside a crowd region above which the box is no background


@MODELS.register_module()
@dataclass(slots=True)
class QueryCriterion:
    """Weights of matching and losses; defaults are the reference's.

    soft_labels: a matched query's class is taught to be its box's IoU with the object instead of 1 (quality focal loss), so that
    scores rank boxes by how well they fit; what NanoDet's logits, where queries start from them, already mean.
    """

    cls_weight: NotNegative = 2.0
    l1_weight: NotNegative = 5.0
    giou_weight: NotNegative = 2.0
    mask_weight: NotNegative = 8.0
    soft_labels: bool = False

    def match(self, logits: Tensor, boxes: Tensor, objects: Sequence[Targets], image_hw: Tensor) -> list[Match]:
        """Per image the match of its queries with its objects. objects: without crowd regions (see `without_crowd`)."""
        matcher = HungarianMatcher(cls_weight=self.cls_weight, l1_weight=self.l1_weight, giou_weight=self.giou_weight)
        whwh = image_hw.flip(1).repeat(1, 2)
        return [matcher(logits[i], boxes[i], t.labels, t.boxes, whwh[i]) for i, t in enumerate(objects)]

    def class_and_box_losses(
        self,
        logits: Tensor,
        boxes: Tensor,
        matches: Sequence[Match],
        objects: Sequence[Targets],
        targets: Sequence[Targets],
        image_hw: Tensor,
    ) -> dict[str, Tensor]:
        """loss_cls, loss_bbox, loss_iou, and the accuracy (%) of the matched queries, which is only for the log.

        logits [B, Q, C]; boxes [B, Q, 4], not detached; objects: without crowd regions; targets: with them.
        """
        rows, matched, whwh, index = _matched_rows(boxes, matches, objects, image_hw)
        onehot = torch.zeros_like(logits, dtype=torch.float32)
        onehot[index] = 1.0
        weights = class_weights(boxes.detach(), onehot, targets)
        count = target_normalizer(rows.new_tensor(float(len(rows))))
        if self.soft_labels:
            quality = onehot.index_put(index, paired_iou(rows.detach(), matched))
            loss_cls = quality_focal_loss(logits, quality, weights=weights)
        else:
            loss_cls = focal_loss(logits, onehot, weights=weights)
        correct = (logits[index[:2]].argmax(-1) == index[2]).float()
        return {
            "loss_cls": self.cls_weight * loss_cls / count,
            "loss_bbox": self.l1_weight * l1_loss(rows, matched, whwh) / count,
            "loss_iou": self.giou_weight * giou_loss(rows, matched) / count,
            "accuracy": 100.0 * correct.sum() / max(len(correct), 1),
        }

    def mask_loss(self, mask_logits: Tensor, mask_targets: Tensor) -> Tensor:
        """Dice loss. Both [P, h, w], one row per matched query whose object has a mask."""
        count = target_normalizer(mask_targets.new_tensor(float(len(mask_targets))))
        return self.mask_weight * dice_loss(mask_logits, mask_targets) / count


def without_crowd(targets: Sequence[Targets]) -> list[Targets]:
    """The objects of each image: what queries are matched with."""
    return [t[~t.is_crowd] for t in targets]


def class_weights(boxes: Tensor, onehot: Tensor, targets: Sequence[Targets]) -> Tensor | None:
    """[B, Q, C] in {0, 1}: 0 where a query's class says nothing about this image; None when every element counts.

    No loss for classes nobody annotated in the image, nor for an unmatched query that lies on a crowd region of the class.
    """
    if all(t.annotated_classes is None and not t.is_crowd.any() for t in targets):
        return None
    weights = torch.ones_like(onehot)
    for row, row_boxes, row_onehot, t in zip(weights, boxes, onehot, targets, strict=True):
        if t.annotated_classes is not None:
            row *= t.annotated_classes.to(row.dtype)
        for crowd_box, label in zip(t.boxes[t.is_crowd], t.labels[t.is_crowd], strict=True):
            inside = _covered(row_boxes, crowd_box) > _CROWD_OVERLAP
            row[inside & (row_onehot.sum(1) == 0), label] = 0.0
    return weights


def _covered(boxes: Tensor, region: Tensor) -> Tensor:
    """Part of each box [Q, 4] that lies in one region [4], in [0, 1]."""
    size = (torch.minimum(boxes[:, 2:], region[2:]) - torch.maximum(boxes[:, :2], region[:2])).clamp(min=0)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    return size.prod(1) / area.clamp(min=1e-6)


def _matched_rows(
    boxes: Tensor, matches: Sequence[Match], objects: Sequence[Targets], image_hw: Tensor
) -> tuple[Tensor, Tensor, Tensor, tuple[Tensor, Tensor, Tensor]]:
    """Matched queries' boxes, their objects' boxes, the image's w, h, w, h, all [P, 4]; and (image, query, label), each [P]."""
    image = torch.cat([torch.full_like(m.queries, i) for i, m in enumerate(matches)])
    query = torch.cat([m.queries for m in matches])
    matched = torch.cat([t.boxes[m.objects] for m, t in zip(matches, objects, strict=True)])
    label = torch.cat([t.labels[m.objects] for m, t in zip(matches, objects, strict=True)])
    return boxes[image, query], matched, image_hw.flip(1).repeat(1, 2)[image], (image, query, label)


def padded_masks(targets: Targets, canvas_hw: tuple[int, int]) -> Tensor | None:
    """float [M, 1, H, W]: the masks of an image on the batch's canvas, as `crop_masks` reads them."""
    if targets.masks is None:
        return None
    height, width = targets.masks.image_hw
    masks = F.pad(targets.masks.tensor, (0, canvas_hw[1] - width, 0, canvas_hw[0] - height))
    return masks[:, None].float()


def crop_masks(masks: Tensor, rows: Tensor, boxes: Tensor, size: int) -> Tensor:
    """What masks look like inside boxes: {0, 1} float [P, size, size].

    masks: from `padded_masks`; rows: int64 [P], the mask of each box; boxes: [P, 4] xyxy, clipped to the canvas here (the RoI of
    the mask head's features is not).
    """
    clipped = clip_boxes(boxes, (masks.shape[-2], masks.shape[-1]))
    rois = torch.cat([rows[:, None].to(clipped.dtype), clipped], dim=1)
    covered = roi_align(masks, rois, size, 1.0, sampling_ratio=-1, aligned=True)
    return (covered[:, 0] >= 0.5).float()
