"""Mask IoU from grids: against the exact one, and what is done where there are no masks."""

import pytest
import torch

from queryinst_vis.masks import BitMasks, RoiMasks
from queryinst_vis.ops.boxes import box_iou
from queryinst_vis.structures import Instances
from queryinst_vis.trackers.mask_overlap import GRID, mask_grids, mask_iou

IMAGE_HW = (240, 320)


def make_discs(centres: list[tuple[float, float]], radius: float = 40) -> BitMasks:
    y, x = torch.meshgrid(torch.arange(IMAGE_HW[0]) + 0.5, torch.arange(IMAGE_HW[1]) + 0.5, indexing="ij")
    return BitMasks(torch.stack([(x - cx) ** 2 + (y - cy) ** 2 <= radius**2 for cx, cy in centres]))


def make_found(masks, boxes: torch.Tensor | None = None) -> Instances:
    boxes = masks.boxes() if boxes is None else boxes
    return Instances(IMAGE_HW, boxes, torch.ones(len(boxes)), torch.zeros(len(boxes), dtype=torch.int64), masks=masks)


class WindowsOnly:
    """Masks of a kind that is not known."""

    def __init__(self, masks: BitMasks):
        self.masks = masks

    def __len__(self):
        return len(self.masks)

    def windows(self):
        return self.masks.windows()


def overlap_of(first: Instances, second: Instances) -> torch.Tensor:
    return mask_iou(first.boxes, mask_grids(first), second.boxes, mask_grids(second))


@pytest.mark.parametrize("kind", [lambda masks: masks, WindowsOnly], ids=["BitMasks", "others"])
def test_dense_masks_overlap_as_their_pixels_do(kind):
    first, second = make_discs([(100, 100), (200, 150)]), make_discs([(110, 105), (150, 150), (205, 150)])
    result = overlap_of(make_found(kind(first), first.boxes()), make_found(kind(second), second.boxes()))
    exact = first.iou(second)
    near = box_iou(first.boxes(), second.boxes()) > 0.1
    assert torch.allclose(result[near], exact[near], atol=0.03)


def test_roi_masks_overlap_as_their_pixels_do():
    probabilities = torch.rand(5, 28, 28, generator=torch.Generator().manual_seed(0))
    probabilities = torch.nn.functional.avg_pool2d(probabilities[None], 9, stride=1, padding=4)[0] * 1.1
    boxes = torch.tensor(
        [[10.0, 10, 150, 130], [30, 20, 160, 150], [200, 100, 290, 200], [12, 14, 140, 135], [190, 90, 300, 190]]
    )
    masks = RoiMasks(probabilities, boxes, IMAGE_HW)
    result, exact = overlap_of(make_found(masks, boxes), make_found(masks, boxes)), masks.iou(masks)
    near = box_iou(boxes, boxes) > 0.1
    assert torch.allclose(result[near], exact[near], atol=0.05)


def test_masks_whose_boxes_left_the_image_keep_their_place():
    """Boxes of detections are clipped, those masks live in are not."""
    masks = RoiMasks(torch.ones(1, 28, 28), torch.tensor([[-100.0, 0, 100, 100]]), IMAGE_HW)
    masks.probabilities[:, :, 14:] = 0  # only what is outside is covered
    assert not mask_grids(make_found(masks, torch.tensor([[0.0, 0, 100, 100]]))).any()


def test_objects_in_one_box_that_share_no_pixel():
    halves = torch.zeros(2, 28, 28)
    halves[0, :14], halves[1, 14:] = 1, 1
    found = make_found(
        RoiMasks(halves, torch.tensor([[50.0, 50, 150, 150]] * 2), IMAGE_HW), torch.tensor([[50.0, 50, 150, 150]] * 2)
    )
    assert overlap_of(found, found).tolist() == [[1, 0], [0, 1]]


def test_a_mask_is_moved_with_its_box():
    disc = make_found(make_discs([(100, 100)]))
    elsewhere = mask_iou(disc.boxes + 60, mask_grids(disc), disc.boxes + 60, mask_grids(disc))
    assert elsewhere.item() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("masks", [None, BitMasks(torch.zeros(2, *IMAGE_HW, dtype=torch.bool))], ids=["none", "empty"])
def test_boxes_count_where_there_are_no_masks(masks):
    boxes = torch.tensor([[50.0, 50, 150, 150], [100, 50, 200, 150]])
    first, second = make_found(masks, boxes), make_found(make_discs([(100, 100), (150, 100)]), boxes)
    assert overlap_of(first, second).tolist() == box_iou(boxes, boxes).tolist()


def test_nothing():
    nothing = Instances.empty(IMAGE_HW)
    assert mask_grids(nothing).shape == (0, GRID, GRID)
    assert overlap_of(nothing, make_found(make_discs([(100, 100)]))).shape == (0, 1)


def test_boxes_without_area():
    found = make_found(make_discs([(100, 100)] * 2), torch.tensor([[100.0, 100, 100, 100], [100, 50, 90, 150]]))
    assert overlap_of(found, found).isfinite().all()
