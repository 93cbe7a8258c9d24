"""What a network found in a batch, as rows of tensors, and how they become `Instances`."""

from typing import NamedTuple, Self

import torch
from torch import Tensor

from queryinst_vis.masks import MASK_THRESHOLD, RoiMasks
from queryinst_vis.ops.device_paste import crossing_pixels, runs_of_crossings
from queryinst_vis.ops.host_copy import to_host
from queryinst_vis.structures import ImageBatch, Instances

_CAPACITY = 1 << 16  # columns that all masks of an image enter and leave, which a GPU has room for; else the host pastes


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
        return [self.where(self.image == index)._of_image(batch, index) for index in range(len(batch))]

    def _of_image(self, batch: ImageBatch, index: int) -> Instances:
        """All, which are of one image."""
        image_hw, boxes = batch.original_sizes[index], self.boxes / _scales(batch)[index]
        return Instances(
            image_hw,
            boxes,
            self.score,
            self.label,
            class_scores=self.class_scores,
            masks=RoiMasks(self.masks, boxes, image_hw),
            embeds=self.embeds,
            query_ids=self.query,
        )


def instances_from_device(found: Detections, keep: Tensor, batch: ImageBatch) -> list[Instances]:
    """The instances of each image from as many rows for every image, of which some count: bool [R]. Masks are pasted on the
    device, and all comes to the host in one copy."""
    boxes = found.boxes / _scales(batch).to(found.boxes.device)[found.image]
    count = len(keep) // len(batch)
    rows = [slice(index * count, (index + 1) * count) for index in range(len(batch))]
    pasted = [
        crossing_pixels(found.masks[some], boxes[some], keep[some], image_hw, MASK_THRESHOLD, capacity=_CAPACITY)
        for some, image_hw in zip(rows, batch.original_sizes, strict=True)
    ]
    *fields, keep = to_host([*found, *(tensor for pair in pasted for tensor in pair), keep])
    found, crossings = Detections(*fields[: len(found)]), fields[len(found) :]
    results = []
    for index, some in enumerate(rows):
        kept = keep[some]
        instances = found.where(some).where(kept)._of_image(batch, index)
        pixels, counts = crossings[2 * index : 2 * index + 2]
        runs = runs_of_crossings(pixels.numpy(), counts[kept].numpy())  # the others took no room
        if runs is not None:
            instances.masks = instances.masks.with_runs(runs)
        results.append(instances)
    return results


def _scales(batch: ImageBatch) -> Tensor:
    """float32 [B, 4], by which boxes of the network's input are larger than those of the original images."""
    sizes, originals = torch.tensor(batch.sizes), torch.tensor(batch.original_sizes)
    return (sizes / originals).flip(1).repeat(1, 2)
