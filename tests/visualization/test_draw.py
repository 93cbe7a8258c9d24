"""Pictures: what is drawn stays where it belongs, on any size of picture, with nothing to draw too."""

import colorsys

import numpy as np
import pytest
import torch

from queryinst_vis.masks import BitMasks, RoiMasks
from queryinst_vis.structures import Instances
from queryinst_vis.visualization import Trails, colour_of, draw_instances
from queryinst_vis.visualization.palette import text_colour_on


def one_object(hw: tuple[int, int], box: list[float], *, masked: bool = True, track_id: int | None = 1) -> Instances:
    boxes = torch.tensor([box])
    return Instances(
        hw,
        boxes,
        torch.tensor([0.87]),
        torch.tensor([0]),
        masks=RoiMasks(torch.ones(1, 28, 28), boxes, hw) if masked else None,
        track_ids=None if track_id is None else torch.tensor([track_id]),
    )


def test_nothing_to_draw_is_a_copy():
    image = np.full((40, 60, 3), 7, dtype=np.uint8)
    drawn = draw_instances(image, Instances.empty((40, 60)))
    assert (drawn == image).all()
    assert drawn is not image


def test_mask_is_tinted_with_the_colour_of_its_track_and_the_rest_untouched():
    image = np.full((400, 600, 3), 100, dtype=np.uint8)
    drawn = draw_instances(image, one_object((400, 600), [200.0, 200.0, 400.0, 300.0]), classes=["cat"])
    expected = 0.55 * 100 + 0.45 * np.array(colour_of(1))
    assert np.abs(drawn[250, 300] - expected).max() <= 1
    assert (image == 100).all()
    assert (drawn[320:] == 100).all()
    assert (drawn[:, 420:] == 100).all()
    assert (drawn[:160] == 100).all()  # the label stands on the box


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_small_masks_are_drawn_over_large_ones(order: list[int]):
    """A cup had the colour of the table it stands on."""
    hw = (400, 600)
    table, cup = one_object(hw, [50.0, 200.0, 550.0, 390.0]), one_object(hw, [300.0, 250.0, 340.0, 300.0], track_id=2)
    drawn = draw_instances(np.zeros((*hw, 3), dtype=np.uint8), Instances.cat([table, cup])[order])
    expected = 0.45 * np.array(colour_of(2)) + 0.55 * 0.45 * np.array(colour_of(1))
    assert np.abs(drawn[280, 320] - expected).max() <= 2


def test_boxes_are_drawn_where_there_are_no_masks():
    drawn = draw_instances(
        np.zeros((400, 600, 3), dtype=np.uint8), one_object((400, 600), [200.0, 200.0, 400.0, 300.0], masked=False)
    )
    assert tuple(drawn[300, 300]) == colour_of(1)
    assert (drawn[250, 300] == 0).all()


@pytest.mark.parametrize("hw", [(1, 1), (2, 3), (16, 2000), (2160, 3840)])
@pytest.mark.parametrize(
    "box", [[-50.0, -50.0, -10.0, -10.0], [-1e6, -1e6, 1e6, 1e6], [0.2, 0.2, 0.3, 0.3], [5.0, 5.0, 5.0, 5.0]]
)
def test_any_size_and_any_box(hw: tuple[int, int], box: list[float]):
    trails = Trails()
    for track_id in (None, 3):
        drawn = draw_instances(np.zeros((*hw, 3), dtype=np.uint8), one_object(hw, box, track_id=track_id), trails=trails)
        assert drawn.shape == (*hw, 3)


def test_lines_and_text_grow_with_the_picture():
    def inked(hw: tuple[int, int]) -> int:
        height, width = hw
        found = one_object(hw, [0.3 * width, 0.4 * height, 0.6 * width, 0.8 * height], masked=False)
        return int((draw_instances(np.zeros((*hw, 3), dtype=np.uint8), found, classes=["cat"]) > 0).any(2).sum())

    assert inked((2160, 3840)) > 6 * inked((540, 960))


def test_label_stays_inside_the_picture():
    image = np.zeros((200, 300, 3), dtype=np.uint8)
    drawn = draw_instances(image, one_object((200, 300), [280.0, 0.0, 300.0, 20.0]), classes=["a rather long name"])
    assert (drawn[:40, 150:270] > 0).any()


def test_dense_masks_draw_the_same_as_compact_ones():
    image = np.full((100, 120, 3), 50, dtype=np.uint8)
    compact = one_object((100, 120), [20.0, 30.0, 60.0, 70.0])
    dense = Instances((100, 120), compact.boxes, compact.scores, compact.labels, masks=BitMasks(compact.masks.bitmaps()))
    dense.track_ids = compact.track_ids
    assert (draw_instances(image, compact) == draw_instances(image, dense)).all()


def test_wrong_picture_is_refused():
    with pytest.raises(ValueError, match="cannot be drawn"):
        draw_instances(np.zeros((10, 10, 3), dtype=np.uint8), Instances.empty((20, 20)))


def test_trails_are_bounded():
    trails, image = Trails(length=5), np.zeros((100, 200, 3), dtype=np.uint8)
    for step in range(50):
        found = one_object((100, 200), [step, 10.0, step + 10.0, 20.0], track_id=1 + step // 10)
        draw_instances(image, found, trails=trails)
    assert len(trails._paths) == 1
    assert sum(map(len, trails._paths.values())) == 5


def test_colours_of_neighbouring_ids_differ_and_repeat_exactly():
    def distance(a: int, b: int) -> float:
        hue = [colorsys.rgb_to_hsv(*(channel / 255 for channel in colour_of(number)))[0] for number in (a, b)]
        return min(abs(hue[0] - hue[1]), 1 - abs(hue[0] - hue[1]))

    assert all(distance(number, number + 1) > 0.3 for number in range(200))
    assert all(distance(number, number + gap) > 0.08 for number in range(100) for gap in range(1, 5))
    assert colour_of(12) == colour_of(12)


def test_text_is_readable_on_every_colour():
    for number in range(200):
        background, text = np.array(colour_of(number)), np.array(text_colour_on(colour_of(number)))
        assert abs(float((background - text) @ [0.299, 0.587, 0.114])) > 90
