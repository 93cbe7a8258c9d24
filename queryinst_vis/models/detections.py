"""What a network found in a batch, as rows of tensors, and how they become `Instances`."""

from typing import NamedTuple, Self

import torch
from torch import Tensor

from queryinst_vis.masks import RoiMasks
from queryinst_vis.ops.host_copy import to_host
from queryinst_vis.structures import ImageBatch, Instances


class Detections(NamedTuple):
    """R detections of a batch, image by image, best first.

    image, query, label: int64 [R]; score [R]; boxes [R, 4] xyxy in input pixels; class_scores [R, C]; embeds [R, E];
    masks [R, m, m], probabilities inside the boxes. Numbers are float32.
    """

    image: Tensor
    query: Tensor
    label: Tensor
    score: Tensor
    boxes: Tensor
    class_scores: Tensor
    embeds: Tensor
    masks: Tensor

    def where(self, rows: Tensor) -> Self:
        """Some of them, by a bool mask [R] or indices."""
        return self._make(field[rows] for field in self)

    def cpu(self) -> Self:
        """On the host, in one copy."""
        return self._make(to_host(self))

    def instances(self, batch: ImageBatch) -> list[Instances]:
        """Those of each image of the batch in its original pixels; all are on the CPU."""
        results = []
        for index, ((height, width), original_hw) in enumerate(zip(batch.sizes, batch.original_sizes, strict=True)):
            found = self.where(self.image == index)
            boxes = found.boxes / torch.tensor([width / original_hw[1], height / original_hw[0]]).repeat(2)
            instances = Instances(
                original_hw,
                boxes,
                found.score,
                found.label,
                class_scores=found.class_scores,
                masks=RoiMasks(found.masks, boxes, original_hw),
                embeds=found.embeds,
                query_ids=found.query,
            )
            results.append(instances)
        return results
