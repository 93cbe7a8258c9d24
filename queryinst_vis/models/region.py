"""A region of interest: the model sees a rectangle of each picture only, and what it finds is in pixels of the whole picture."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F

from queryinst_vis.errors import UserError
from queryinst_vis.masks import BitMasks, Masks, RoiMasks
from queryinst_vis.models.base import ImageModel
from queryinst_vis.models.wrapper import ModelWrapper
from queryinst_vis.structures import Instances

Region = tuple[int, int, int, int]  # left, top, width, height in pixels


def region_inside(region: Region, *, width: int, height: int) -> Region:
    """The part of a region that lies in pictures of a size. UserError: there is none."""
    left, top = max(region[0], 0), max(region[1], 0)
    right, bottom = min(region[0] + region[2], width), min(region[1] + region[3], height)
    if right <= left or bottom <= top:
        text = ",".join(map(str, region))
        raise UserError(f"the region of interest {text} (left,top,width,height) lies outside of the {width} x {height} pictures")
    return left, top, right - left, bottom - top


class RegionOfInterest(ModelWrapper):
    """An image model whose `predict` looks at a region, inside of each image; all else is the model's own."""

    def __init__(self, model: ImageModel, region: Region) -> None:
        super().__init__(model)
        self.region = region

    @torch.inference_mode()
    def predict(self, images: Sequence[np.ndarray], *, min_score: float = 0.0) -> list[Instances]:
        """Instances of each image (uint8 [H, W, 3] RGB), best first, without those scored below `min_score`."""
        left, top, width, height = self.region
        parts = [np.ascontiguousarray(image[top : top + height, left : left + width]) for image in images]
        found = self.model.predict(parts, min_score=min_score)
        return [_placed(part, left, top, image.shape[:2]) for part, image in zip(found, images, strict=True)]


def _placed(found: Instances, left: int, top: int, image_hw: tuple[int, int]) -> Instances:
    """Instances of a part whose pixel (0, 0) is (left, top) of an image."""
    boxes = found.boxes + found.boxes.new_tensor([left, top, left, top])
    masks = None if found.masks is None else _placed_masks(found.masks, left, top, image_hw)
    return replace(found, image_hw=image_hw, boxes=boxes, masks=masks)


def _placed_masks(masks: Masks, left: int, top: int, image_hw: tuple[int, int]) -> Masks:
    if isinstance(masks, RoiMasks):
        boxes = masks.roi_boxes + masks.roi_boxes.new_tensor([left, top, left, top])
        return RoiMasks(masks.probabilities, boxes, image_hw, masks.threshold)
    height, width = masks.image_hw
    margins = (left, image_hw[1] - left - width, top, image_hw[0] - top - height)
    return BitMasks(F.pad(masks.bitmaps(), margins))
