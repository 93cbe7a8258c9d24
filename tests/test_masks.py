"""Compact masks say what the dense ones would: pasting, codes, areas, boxes and overlaps, wherever the boxes lie."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pycocotools import mask as coco_mask

from queryinst_vis import masks as masks_module
from queryinst_vis.masks import BitMasks, RoiMasks
from queryinst_vis.ops import rle as rle_ops
from queryinst_vis.ops.paste import paste_runs


def paste_whole_image(probability: torch.Tensor, box: torch.Tensor, image_hw: tuple[int, int]) -> np.ndarray:
    """Mask R-CNN's pasting over every pixel of the image: uint8 [H, W], an independent and slow way."""
    height, width = image_hw
    x = (torch.arange(width) + 0.5 - box[0]) / (box[2] - box[0]) * 2 - 1
    y = (torch.arange(height) + 0.5 - box[1]) / (box[3] - box[1]) * 2 - 1
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)[None]
    return (F.grid_sample(probability[None, None], grid, align_corners=False)[0, 0] >= 0.5).numpy().astype(np.uint8)


def random_roi_masks(seed: int, count: int = 12, image_hw: tuple[int, int] = (37, 53)) -> RoiMasks:
    """Boxes inside, partly outside and wholly outside the image, from a fraction of a pixel to many times its size."""
    generator = torch.Generator().manual_seed(seed)
    centre = torch.rand(count, 2, generator=generator) * torch.tensor([120.0, 90.0]) - 35
    size = 0.3 * 500 ** torch.rand(count, 2, generator=generator)
    boxes = torch.cat([centre - size / 2, centre + size / 2], dim=1)
    return RoiMasks(torch.rand(count, 7, 7, generator=generator), boxes, image_hw)


@pytest.mark.parametrize("seed", range(25))
def test_everything_follows_from_the_dense_masks(seed: int) -> None:
    masks = random_roi_masks(seed)
    expected = np.stack(
        [paste_whole_image(p, box, masks.image_hw) for p, box in zip(masks.probabilities, masks.roi_boxes, strict=True)]
    )
    np.testing.assert_array_equal(masks.bitmaps(), expected.astype(bool))
    codes = [coco_mask.encode(np.asfortranarray(mask)) for mask in expected]
    assert masks.rles() == codes
    assert masks.areas().tolist() == coco_mask.area(codes).tolist()
    xywh = coco_mask.toBbox(codes)
    np.testing.assert_array_equal(masks.boxes()[:, 2:] - masks.boxes()[:, :2], xywh[:, 2:])
    seen = xywh[:, 2] > 0
    np.testing.assert_array_equal(masks.boxes()[seen, :2], xywh[seen, :2])
    overlap = coco_mask.iou(codes, codes, [False] * len(codes))
    np.testing.assert_allclose(masks.iou(masks), np.where(np.isfinite(overlap), overlap, 0), atol=1e-6)


@pytest.mark.parametrize(
    "box",
    [
        (200.0, 10, 230, 20),  # right of the image
        (-90.0, -90, -50, -50),
        (5.0, 5, 5, 20),  # no width
        (5.0, 5, 5, 5),
        (20.0, 5, 10, 20),  # turned over
        (float("nan"), 0, 5, 5),
        (0.0, 0, float("inf"), 5),
        (-1e30, -1e30, 1e30, 1e30),
    ],
)
def test_boxes_that_show_nothing_or_are_no_boxes(box: tuple[float, ...]) -> None:
    masks = RoiMasks(torch.ones(1, 4, 4), torch.tensor([box]), (30, 40))
    (area,) = masks.areas().tolist()
    assert area in (0, 30 * 40)
    assert masks.rles()[0]["size"] == [30, 40]
    assert masks.bitmaps().sum() == area
    assert masks.iou(masks).shape == (1, 1)


def test_no_masks() -> None:
    for masks in (RoiMasks(torch.zeros(0, 28, 28), torch.zeros(0, 4), (9, 9)), BitMasks(torch.zeros(0, 9, 9, dtype=torch.bool))):
        assert len(masks) == 0
        assert masks.rles() == []
        assert masks.bitmaps().shape == (0, 9, 9)
        assert masks.boxes().shape == (0, 4)
        assert masks.areas().shape == (0,)
        assert masks.iou(masks).shape == (0, 0)


def test_both_kinds_agree() -> None:
    roi = random_roi_masks(99)
    bits = BitMasks(roi.bitmaps())
    assert bits.rles() == roi.rles()
    assert bits.boxes().equal(roi.boxes())
    assert bits.areas().equal(roi.areas())
    assert bits.iou(roi).equal(roi.iou(bits).T)


def test_picking_and_joining() -> None:
    for masks in (random_roi_masks(3), BitMasks(random_roi_masks(3).bitmaps())):
        picked = masks[torch.tensor([4, 1])]
        assert picked.bitmaps().equal(masks.bitmaps()[[4, 1]])
        joined = type(masks).cat([picked, masks[:2]])
        assert joined.areas().tolist() == masks.areas()[[4, 1, 0, 1]].tolist()


def test_masks_of_different_images_do_not_mix() -> None:
    first, second = random_roi_masks(0), random_roi_masks(0, image_hw=(37, 54))
    with pytest.raises(ValueError, match="cannot be joined"):
        RoiMasks.cat([first, second])
    with pytest.raises(ValueError, match="cannot be compared"):
        first.iou(second)


@pytest.mark.parametrize(
    "make",
    [
        lambda: RoiMasks(torch.zeros(2, 4, 4), torch.zeros(3, 4), (9, 9)),
        lambda: RoiMasks(torch.zeros(2, 4), torch.zeros(2, 4), (9, 9)),
        lambda: BitMasks(torch.zeros(2, 4, 4)),
        lambda: BitMasks(torch.zeros(4, 4, dtype=torch.bool)),
    ],
)
def test_wrong_shapes_are_refused(make) -> None:
    with pytest.raises(ValueError, match="expected"):
        make()


@pytest.fixture
def pasted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many masks each call pasted."""
    calls: list[int] = []
    monkeypatch.setattr(masks_module, "paste_runs", lambda cells, *rest: calls.append(len(cells)) or paste_runs(cells, *rest))
    return calls


def test_a_mask_is_pasted_once_whoever_asks(pasted: list[int]) -> None:
    masks = RoiMasks(torch.rand(3, 7, 7), torch.tensor([[0.0, 0, 9, 9], [4, 4, 30, 20], [8, 2, 12, 25]]), (30, 40))
    some = masks[torch.tensor([2, 0])]
    expected = some.rles()
    assert pasted == [2]
    assert masks[torch.tensor([True, False, True])].rles() == expected[::-1]
    assert masks[[2]].areas().tolist() == [int(rle_ops.decode(expected[0]).sum())]
    assert masks[::2].rles() == expected[::-1]
    assert sum(window.bitmap.sum() for window in some.windows()) == some.areas().sum()
    assert pasted == [2]
    assert masks.rles()[::2] == expected[::-1]
    assert pasted == [2, 1]
    assert masks.to("cpu").rles() == masks.rles()
    assert pasted == [2, 1, 3]


def test_only_who_asks_for_windows_makes_bitmaps(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    make = masks_module.window_of_runs
    monkeypatch.setattr(masks_module, "window_of_runs", lambda *args: made.append(1) or make(*args))
    masks = random_roi_masks(2)
    masks.rles(), masks.areas(), masks.boxes(), masks.iou(masks[:5]), masks[3:].paste()
    assert made == []
    for _ in range(2):
        list(masks[:4].windows())
    assert len(made) == 4


def test_a_mask_that_is_chosen_twice_is_pasted_once(pasted: list[int]) -> None:
    masks = random_roi_masks(1)[[3, 3, 0, 3]]
    codes = masks.rles()
    assert pasted == [2]
    assert codes[0] == codes[1] == codes[3] == random_roi_masks(1).rles()[3]


@pytest.mark.parametrize("threshold", [0.0, -1.0, float("nan")])
def test_a_threshold_that_sets_what_is_outside_the_boxes_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        RoiMasks(torch.zeros(2, 4, 4), torch.zeros(2, 4), (9, 9), threshold)
