"""The mask of what suppression keeps, against torchvision's, in torch and as operators of ONNX."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torchvision.ops import nms

from queryinst_vis.ops.nms import nms_mask, nms_without_waiting


@pytest.mark.parametrize("suppress", [nms_mask, nms_without_waiting])
@pytest.mark.parametrize(("images", "count"), [(1, 0), (1, 1), (2, 40), (3, 300)])
def test_it_keeps_what_torchvision_keeps(images: int, count: int, suppress: Callable[[Tensor, float], Tensor]) -> None:
    generator = torch.Generator().manual_seed(count)
    corner = 60 * torch.rand(images, count, 2, generator=generator)
    boxes = torch.cat([corner, corner + 40 * torch.rand(images, count, 2, generator=generator)], dim=-1)
    kept = suppress(boxes, 0.5)
    scores = torch.linspace(1, 0.1, count)
    assert kept.dtype == torch.bool
    for row, image_boxes in zip(kept, boxes, strict=True):
        assert row.nonzero().flatten().tolist() == nms(image_boxes, scores, 0.5).tolist()


def test_a_chain_is_settled_to_its_end() -> None:
    """Each box suppresses the next one unless it is suppressed itself: every other one stays."""
    left = 4.0 * torch.arange(60)
    boxes = torch.stack([left, torch.zeros(60), left + 10, torch.full((60,), 10.0)], dim=-1)[None]
    assert nms_without_waiting(boxes, 0.4).tolist() == nms_mask(boxes, 0.4).tolist() == [[True, False] * 30]


def test_the_best_of_equal_boxes_stays() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10]]).repeat(5, 1)[None]
    assert nms_mask(boxes, 0.5).tolist() == [[True, False, False, False, False]]


def test_shapes_without_values() -> None:
    assert nms_mask(torch.zeros(2, 7, 4, device="meta"), 0.5).shape == (2, 7)
