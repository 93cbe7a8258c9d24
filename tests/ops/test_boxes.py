"""Box arithmetic against brute force and torchvision."""

import pytest
import torch
from torchvision.ops import box_iou as torchvision_iou
from torchvision.ops import generalized_box_iou

from queryinst_vis.ops.boxes import box_area, box_giou, box_iou, clip_boxes, cxcywh_to_xyxy, decode_deltas, xyxy_to_xywh


def random_boxes(count: int, seed: int) -> torch.Tensor:
    corners = torch.rand(count, 2, 2, generator=torch.Generator().manual_seed(seed)) * 100
    return torch.cat([corners.amin(1), corners.amax(1) + 1], dim=1)


@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 3), (4, 0), (1, 1), (30, 40)])
def test_overlaps_are_torchvisions(n: int, m: int) -> None:
    a, b = random_boxes(n, 0), random_boxes(m, 1)
    torch.testing.assert_close(box_iou(a, b), torchvision_iou(a, b))
    torch.testing.assert_close(box_giou(a, b), generalized_box_iou(a, b))


def test_degenerate_boxes_give_numbers() -> None:
    boxes = torch.tensor([[5.0, 5, 5, 5], [9, 9, 3, 3], [0, 0, 10, 10]])
    assert box_area(boxes).tolist() == [0, 0, 100]
    assert torch.isfinite(box_iou(boxes, boxes)).all()
    assert torch.isfinite(box_giou(boxes, boxes)).all()


def test_formats() -> None:
    xyxy = torch.tensor([[10.0, 20, 30, 60]])
    assert cxcywh_to_xyxy(torch.tensor([[20.0, 40, 20, 40]])).equal(xyxy)
    assert xyxy_to_xywh(xyxy).tolist() == [[10, 20, 20, 40]]


def test_zero_deltas_change_nothing() -> None:
    boxes = random_boxes(20, 2)
    torch.testing.assert_close(decode_deltas(boxes, torch.zeros(20, 4)), boxes, atol=1e-4, rtol=0)


def test_clipping() -> None:
    boxes = torch.tensor([[-5.0, -5, 200, 50], [300, 10, 400, 20]])
    assert clip_boxes(boxes, (40, 100)).tolist() == [[0, 0, 100, 40], [100, 10, 100, 20]]
