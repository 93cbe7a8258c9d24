"""Flip, resize and crop against values worked out by hand and against naive loops."""

import mmcv
import numpy as np
import pytest
import torch

from queryinst_vis.data.geometry import crop, flip, resize
from queryinst_vis.data.sample import Sample
from queryinst_vis.masks import BitMasks
from queryinst_vis.structures import Targets


def _sample(boxes: list, *, hw: tuple[int, int] = (20, 30), masks: bool = True, seed: int = 0) -> Sample:
    """Noise with boxes; each mask is noise inside its box."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(0, 256, (3, *hw), generator=generator, dtype=torch.uint8)
    bitmaps = torch.zeros((len(boxes), *hw), dtype=torch.bool)
    for bitmap, (x1, y1, x2, y2) in zip(bitmaps, boxes, strict=True):
        window = bitmap[int(y1) : int(y2), int(x1) : int(x2)]
        window[:] = torch.rand(window.shape, generator=generator) < 0.7
    targets = Targets(
        boxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        labels=torch.arange(len(boxes)),
        masks=BitMasks(bitmaps) if masks else None,
        annotated_classes=torch.tensor([True, False]),
    )
    return Sample(image, targets, 1, hw, "x.png")


BOXES = [[2, 3, 10, 12], [20, 5, 30, 20], [0, 0, 30, 20]]


def _assert_equal(a: Sample, b: Sample) -> None:
    assert torch.equal(a.image, b.image)
    assert torch.equal(a.targets.boxes, b.targets.boxes)
    assert (a.targets.masks is None) == (b.targets.masks is None)
    if a.targets.masks is not None:
        assert torch.equal(a.targets.masks.tensor, b.targets.masks.tensor)


@pytest.mark.parametrize("boxes", [BOXES, []], ids=["objects", "empty"])
@pytest.mark.parametrize("masks", [True, False], ids=["masks", "boxes"])
class TestAll:
    def test_flip_twice_is_nothing(self, boxes, masks):
        sample = _sample(boxes, masks=masks)
        _assert_equal(flip(flip(sample)), sample)

    def test_resize_to_the_same_size_is_nothing(self, boxes, masks):
        sample = _sample(boxes, masks=masks)
        _assert_equal(resize(sample, (20, 30)), sample)

    def test_crop_of_everything_is_nothing(self, boxes, masks):
        sample = _sample(boxes, masks=masks)
        _assert_equal(crop(sample, (0, 0, 20, 30)), sample)

    @pytest.mark.parametrize("change", [flip, lambda s: resize(s, (7, 50)), lambda s: crop(s, (1, 2, 10, 11))])
    def test_input_is_left_alone_and_the_rest_is_kept(self, boxes, masks, change):
        sample, before = _sample(boxes, masks=masks), _sample(boxes, masks=masks)
        changed = change(sample)
        _assert_equal(sample, before)
        assert changed.targets.annotated_classes is sample.targets.annotated_classes
        assert (changed.image_id, changed.original_hw, changed.file_name) == (1, (20, 30), "x.png")
        if changed.targets.masks is not None:
            assert changed.targets.masks.image_hw == changed.image_hw


def test_flip_by_hand():
    flipped = flip(_sample(BOXES)).targets
    assert flipped.boxes.tolist() == [[20, 3, 28, 12], [0, 5, 10, 20], [0, 0, 30, 20]]
    assert torch.equal(flipped.masks.tensor[0, 3:12, 20:28], _sample(BOXES).targets.masks.tensor[0, 3:12, 2:10].flip(-1))


@pytest.mark.parametrize(
    ("hw", "expected"),
    [
        ((40, 60), [4, 6, 20, 24]),
        ((10, 15), [1, 1.5, 5, 6]),
        ((20, 60), [4, 3, 20, 12]),  # each axis by its own factor
        ((1, 1), [2 / 30, 3 / 20, 10 / 30, 12 / 20]),
    ],
)
def test_resized_boxes_by_hand(hw, expected):
    boxes = resize(_sample(BOXES[:1]), hw).targets.boxes
    torch.testing.assert_close(boxes, torch.tensor([expected], dtype=torch.float32))


def test_resized_boxes_are_clipped():
    assert resize(_sample([[-4, 3, 40, 25]]), (40, 60)).targets.boxes.tolist() == [[0, 6, 60, 40]]


@pytest.mark.parametrize("hw", [(40, 60), (11, 17), (33, 20), (1, 3)])
def test_resized_pixels_are_those_of_mmcv(hw):
    sample = _sample(BOXES)
    resized = resize(sample, hw)
    pixels = mmcv.imresize(np.ascontiguousarray(sample.image.permute(1, 2, 0)), hw[::-1], backend="cv2")
    assert np.array_equal(resized.image.permute(1, 2, 0).numpy(), pixels)
    for before, after in zip(sample.targets.masks.tensor, resized.targets.masks.tensor, strict=True):
        expected = mmcv.imresize(before.numpy().astype(np.uint8), hw[::-1], interpolation="nearest", backend="cv2")
        assert np.array_equal(after.numpy(), expected.astype(bool))


@pytest.mark.parametrize(
    ("window", "min_visible", "labels", "boxes"),
    [
        ((3, 2, 9, 8), 0, [0, 2], [[0, 0, 8, 9], [0, 0, 8, 9]]),
        ((0, 0, 20, 2), 0, [2], [[0, 0, 2, 20]]),  # the first box only touches the window
        ((0, 0, 4, 3), 0, [0, 2], [[2, 3, 3, 4], [0, 0, 3, 4]]),
        ((0, 0, 4, 3), 0.02, [2], [[0, 0, 3, 4]]),  # 1 of 72 pixels, 12 of 600
        ((0, 0, 4, 3), 0.021, [], []),
        ((19, 29, 1, 1), 0, [1, 2], [[0, 0, 1, 1], [0, 0, 1, 1]]),
        ((0, 10, 5, 10), 0, [2], [[0, 0, 10, 5]]),
    ],
)
def test_crop_by_hand(window, min_visible, labels, boxes):
    sample = _sample(BOXES)
    cut = crop(sample, window, min_visible=min_visible)
    top, left, height, width = window
    assert cut.targets.labels.tolist() == labels
    assert cut.targets.boxes.tolist() == boxes
    assert torch.equal(cut.image, sample.image[:, top : top + height, left : left + width])
    assert torch.equal(cut.targets.masks.tensor, sample.targets.masks.tensor[labels, top : top + height, left : left + width])


def test_crop_may_leave_nothing():
    targets = crop(_sample(BOXES[:2]), (13, 0, 5, 15)).targets
    assert (len(targets), targets.masks.image_hw) == (0, (5, 15))


def test_crop_keeps_crowd_regions_however_little_is_left():
    sample = _sample(BOXES)
    sample.targets.is_crowd[0] = True
    assert crop(sample, (0, 0, 4, 3), min_visible=0.9).targets.labels.tolist() == [0]


@pytest.mark.parametrize("seed", range(20))
def test_crop_and_resize_against_loops(seed):
    """The reference's rules, one object and one pixel at a time."""
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, (30, 20), (6, 2, 2))
    boxes = np.concatenate([corners.min(1), corners.max(1)], axis=1).round(2).tolist()
    sample = _sample(boxes, seed=seed)
    height, width = (int(rng.integers(1, side + 1)) for side in (20, 30))
    top, left = int(rng.integers(21 - height)), int(rng.integers(31 - width))
    cut = crop(sample, (top, left, height, width))
    expected = []
    for label, (x1, y1, x2, y2) in enumerate(sample.targets.boxes.tolist()):
        box = [
            min(max(x1 - left, 0), width),
            min(max(y1 - top, 0), height),
            min(max(x2 - left, 0), width),
            min(max(y2 - top, 0), height),
        ]
        if box[2] > box[0] and box[3] > box[1]:
            expected.append((label, box))
    assert cut.targets.labels.tolist() == [label for label, _ in expected]
    torch.testing.assert_close(cut.targets.boxes, torch.tensor([box for _, box in expected]).reshape(-1, 4))
    hw = int(rng.integers(1, 50)), int(rng.integers(1, 50))
    resized = resize(cut, hw).targets.masks.tensor
    rows = [int(y * (height / hw[0])) for y in range(hw[0])]
    columns = [int(x * (width / hw[1])) for x in range(hw[1])]
    assert (resized == cut.targets.masks.tensor[:, rows][:, :, columns]).float().mean() > 0.99  # OpenCV rounds in its own way
