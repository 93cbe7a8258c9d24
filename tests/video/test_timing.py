"""Presentation times always grow."""

from fractions import Fraction

import pytest

from queryinst_vis.video.timing import PresentationClock

TICK = Fraction(1, 1000)


@pytest.mark.parametrize(
    ("pts", "expected", "moved"),
    [
        ([0, 40, 80], [0, 40, 80], 0),
        ([500, 540], [500, 540], 0),
        ([None, None, None], [0, 40, 80], 0),
        ([0, None, 80], [0, 40, 80], 0),
        ([0, 0, 40], [0, 1, 40], 1),
        ([0, 80, 40, 120], [0, 80, 81, 120], 1),
        ([5000, 5040, 0, 40], [5000, 5040, 5080, 5120], 1),
        ([0, 9000, 9040], [0, 9000, 9040], 0),
    ],
    ids=["as told", "late start", "none", "some missing", "repeated", "out of order", "new recording", "gap kept"],
)
def test_times(pts: list[int | None], expected: list[int], moved: int):
    clock = PresentationClock(time_base=TICK, fps=Fraction(25), start=0)
    assert [clock(t) for t in pts] == expected
    assert clock.num_moved == moved


def test_times_count_from_the_start_of_the_file():
    clock = PresentationClock(time_base=TICK, fps=None, start=90_000)
    assert [clock(90_000), clock(90_033)] == [0, 33]


def test_coarse_clock_still_grows():
    clock = PresentationClock(time_base=Fraction(1), fps=Fraction(30), start=0)
    assert [clock(t) for t in (0, 0, 0, 1)] == [0, 1, 2, 3]
