"""Cityscapes' average precision: numbers of its own scripts, rules one by one, and unusable input."""

import copy
import json

import numpy as np
import pytest
from cityscapes_oracle import GOLDEN
from cityscapes_sets import Found, Picture, content_of, random_set, results_of

from queryinst_vis.data.classes import CITYSCAPES
from queryinst_vis.data.json_tables import DatasetError
from queryinst_vis.evaluation.cityscapes_ap import evaluate_cityscapes

HW = (60, 80)
CAR = 26


def rectangle(top: int, left: int, height: int, width: int) -> np.ndarray:
    mask = np.zeros(HW, dtype=bool)
    mask[top : top + height, left : left + width] = True
    return mask


def picture(objects: dict[int, np.ndarray], *found: Found, background: int = 7) -> Picture:
    """objects: number in the instance image -> pixels."""
    ids = np.full(HW, background, dtype=np.int32)
    for number, mask in objects.items():
        ids[mask] = number
    return Picture(ids, list(found))


def measure(*pictures: Picture) -> dict[str, float]:
    return evaluate_cityscapes(content_of(list(pictures)), results_of(list(pictures)))


@pytest.mark.parametrize(("seed", "expected"), json.loads(GOLDEN.read_text()).items())
def test_equals_the_numbers_of_cityscapesscripts(seed: str, expected: dict[str, float]):
    pictures = random_set(np.random.default_rng(int(seed)))
    ours = evaluate_cityscapes(content_of(pictures), results_of(pictures))
    assert {name: value for name, value in ours.items() if value != -1} == pytest.approx(expected, abs=1e-12)
    assert list(ours) == ["AP", "AP50", *(f"{kind}_class/{name}" for name in CITYSCAPES for kind in ("AP", "AP50"))]


def test_perfect_results():
    objects = {26000: rectangle(0, 0, 20, 20), 26001: rectangle(30, 30, 10, 10), 24000: rectangle(0, 40, 20, 10)}
    found = [Found(number // 1000, 0.5, mask) for number, mask in objects.items()]
    numbers = measure(picture(objects, *found))
    assert (numbers["AP"], numbers["AP50"]) == (1, 1)
    assert (numbers["AP_class/car"], numbers["AP_class/person"], numbers["AP_class/bus"]) == (1, 1, -1)


CAR_MASK, ELSEWHERE = rectangle(0, 0, 20, 20), rectangle(40, 40, 20, 20)


@pytest.mark.parametrize(
    ("objects", "background", "better", "expected"),
    [
        ({}, 7, Found(CAR, 0.9, ELSEWHERE), 0.25),  # wrong
        ({}, 4, Found(CAR, 0.9, ELSEWHERE), 1),  # on void
        ({26: ELSEWHERE}, 7, Found(CAR, 0.9, rectangle(40, 40, 5, 5)), 1),  # inside a group
        ({27: ELSEWHERE}, 7, Found(CAR, 0.9, rectangle(40, 40, 5, 5)), 0.25),  # inside a group of another class
        ({29: ELSEWHERE}, 7, Found(CAR, 0.9, ELSEWHERE), 1),  # caravans as a group are void
        ({29000: ELSEWHERE}, 7, Found(CAR, 0.9, ELSEWHERE), 0.25),  # a single caravan is not, as it has a number of its own
        ({26001: rectangle(40, 40, 9, 11)}, 7, Found(CAR, 0.9, rectangle(40, 40, 9, 11)), 1),  # 99 pixels: too small
        (
            {26: rectangle(40, 40, 5, 5)},
            7,
            Found(CAR, 0.9, rectangle(40, 40, 5, 20)),
            0.25,
        ),  # a quarter, counted twice: not more than half
        ({26: rectangle(40, 40, 5, 6)}, 7, Found(CAR, 0.9, rectangle(40, 40, 5, 20)), 1),  # 30 percent, counted twice: 60
    ],
)
def test_what_is_ignored(objects: dict, background: int, better: Found, expected: float):
    """A car that is found, and before it in score another result. expected: AP50, of which a wrong one leaves a quarter."""
    numbers = measure(picture({26000: CAR_MASK, **objects}, better, Found(CAR, 0.5, CAR_MASK), background=background))
    assert numbers["AP50"] == expected


def test_an_object_found_twice_is_right_once_whatever_the_order():
    twice = [Found(CAR, 0.5, CAR_MASK), Found(CAR, 0.9, rectangle(0, 0, 20, 15))]
    for found in (twice, twice[::-1]):
        assert measure(picture({26000: CAR_MASK}, *found))["AP50"] == 1  # the lower score, though the better mask, is wrong
    assert measure(picture({26000: CAR_MASK}, *[Found(CAR, 0.9, CAR_MASK)] * 2))["AP50"] == pytest.approx(0.75)  # of equal scores


def test_half_an_object_does_not_find_it():
    assert measure(picture({26000: CAR_MASK}, Found(CAR, 0.9, rectangle(0, 0, 20, 10))))["AP50"] == 0
    assert measure(picture({26000: CAR_MASK}, Found(CAR, 0.9, rectangle(0, 0, 20, 11))))["AP50"] == 1


def test_images_without_results_count():
    numbers = measure(picture({26000: CAR_MASK}, Found(CAR, 0.9, CAR_MASK)), picture({26000: CAR_MASK}), picture({}))
    assert numbers["AP"] == pytest.approx(0.5)
    assert measure(picture({26000: CAR_MASK}))["AP"] == 0


def test_where_the_script_stops_all_results_of_a_class_ignored():
    assert measure(picture({26000: CAR_MASK}, Found(CAR, 0.9, ELSEWHERE), background=4))["AP"] == 0


def test_empty_masks_and_other_labels_are_left_out():
    found = [Found(CAR, 0.99, np.zeros(HW, bool)), Found(7, 0.99, ELSEWHERE), Found(29, 0.99, ELSEWHERE)]
    assert measure(picture({26000: CAR_MASK}, *found, Found(CAR, 0.9, CAR_MASK)))["AP"] == 1


def _content() -> dict:
    return content_of([picture({26000: CAR_MASK})])


def _change(path: tuple, value: object) -> dict:
    content = copy.deepcopy(_content())
    *parents, last = path
    place = content
    for key in parents:
        place = place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (_change(("images", 0, "void"), None), "image 1 has no 'void', which this benchmark ignores; make the file with"),
        (
            _change(("images", 0, "void"), {"size": [1, 1], "counts": [1]}),
            "'void' of image 1: its mask cannot be read: the mask's",
        ),
        (_change(("annotations", 0, "segmentation"), {"size": [60, 80], "counts": "q"}), "annotation 1: its mask cannot be read"),
        (_change(("annotations",), []), "annotates no object of Cityscapes' classes"),
        (_change(("categories",), [{"id": 26, "name": "boat"}]), "annotates no object of Cityscapes' classes"),
    ],
)
def test_unusable_annotations_are_one_line(content: dict, message: str):
    with pytest.raises(DatasetError) as error:
        evaluate_cityscapes(content, [])
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_results_that_do_not_fit_are_one_line():
    (row,) = results_of([picture({}, Found(CAR, 0.9, CAR_MASK))])
    with pytest.raises(DatasetError, match="results name image 5, which is not listed"):
        evaluate_cityscapes(_content(), [row | {"image_id": 5}])
    with pytest.raises(DatasetError, match="image 1 have a mask of 9 x 4 pixels, the annotations say 80 x 60"):
        evaluate_cityscapes(_content(), [row | {"segmentation": {"size": [4, 9], "counts": b"T1"}}])
