"""QueryInst as one function of tensors, from normalised pixels to chosen detections and their masks: what is exported.

`forward` of the model gives all queries, and `postprocess` chooses on the host. Here the choice is part of the graph, so that the
mask head runs on what is kept, and another program needs nothing of ours but resizing and pasting.
"""

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from queryinst_vis.models.queryinst import QueryInst, QueryState
from queryinst_vis.models.roi_gather import roi_pooling
from queryinst_vis.ops.nms import nms_mask


class Detections(NamedTuple):
    """R detections of a batch, image by image, best first.

    image, query, label: int64 [R]; score [R]; boxes [R, 4] xyxy in input pixels; class_scores [R, C]; embeds [R, E];
    masks [R, m, m], probabilities inside the boxes.
    """

    image: Tensor
    query: Tensor
    label: Tensor
    score: Tensor
    boxes: Tensor
    class_scores: Tensor
    embeds: Tensor
    masks: Tensor


class DetectionNetwork(nn.Module):
    """A trained model for inference, without what the host does."""

    def __init__(self, model: QueryInst) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor, image_hw: Tensor, min_score: Tensor) -> tuple[Tensor, ...]:
        """images: [B, 3, H, W] normalised and padded; image_hw: float [B, 2], without padding; min_score: float [].

        Gives the fields of Detections, as a plain tuple, which every format knows.
        """
        state, pyramid = self.model(images, image_hw)
        image, query, label, score = self._pick(state.logits.sigmoid(), state.boxes, min_score)
        boxes, masks, embeds = self._read(pyramid, state, *(F.pad(rows, (0, 1)) for rows in (image, query, label)))
        class_scores = state.logits[image, query].sigmoid()
        return image, query, label, score, boxes[:-1], class_scores, embeds[:-1], masks[:-1]

    def _read(
        self, pyramid: list[Tensor], state: QueryState, image: Tensor, query: Tensor, label: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes, masks and embeddings of at least one detection: graphs cannot hold layers that may get no rows."""
        model = self.model
        boxes, head = state.boxes[image, query], model.mask_heads[-1]
        roi_features = roi_pooling(pyramid, model.strides)(boxes, image, head.roi_size)
        features = model.mask_heads.features(-1, state.mask_embeds[image, query], roi_features)
        masks = head.class_logits(features, label).sigmoid()
        return boxes, masks, model._embeds_of(pyramid, state, image, query)

    def _pick(self, scores: Tensor, boxes: Tensor, min_score: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """image, query, label, score [R] of the best query x class pairs; scores [B, Q, C], boxes [B, Q, 4]."""
        num_classes, threshold = scores.shape[2], self.model.nms_threshold
        flat = scores.flatten(1)
        top, pair = flat.topk(min(self.model.max_detections, flat.shape[1]), dim=1)  # [B, K]
        query, label = pair // num_classes, pair % num_classes
        keep = top >= min_score
        if threshold is not None:
            candidates = boxes.gather(1, query[..., None].expand(-1, -1, 4))
            apart = (candidates.amax((1, 2)) + 1)[:, None] * label  # classes far from each other, as torchvision has it
            keep = keep & nms_mask(candidates + apart[..., None], threshold)
        image, rank = keep.nonzero().unbind(1)
        return image, query[image, rank], label[image, rank], top[image, rank]
