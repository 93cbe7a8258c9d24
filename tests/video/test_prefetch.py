"""Making items ahead changes nothing but the time it takes."""

import threading
import time
from collections.abc import Iterator

import pytest

from queryinst_vis.video import prefetch


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "prefetch"]


def test_same_items_in_the_same_order():
    assert list(prefetch(range(100), depth=3)) == list(range(100))
    assert list(prefetch([])) == []
    assert not threads()


def test_exception_comes_after_the_items_before_it():
    def failing() -> Iterator[int]:
        yield from range(3)
        raise OSError("gone")

    items = prefetch(failing(), depth=10)
    assert [next(items) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OSError, match="gone"):
        next(items)
    assert not threads()


def test_never_more_than_depth_ahead():
    made = []

    def counting() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    items = prefetch(counting(), depth=2)
    next(items)
    time.sleep(0.3)
    assert len(made) <= 1 + 2 + 1  # given, waiting, in the making
    items.close()


def test_closing_stops_the_thread_even_with_a_full_queue():
    items = prefetch(iter(int, 1), depth=1)  # endless
    next(items)
    started = time.perf_counter()
    items.close()
    assert time.perf_counter() - started < 2
    assert not threads()
