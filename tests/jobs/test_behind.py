"""Work in a thread a little behind: in order, a bounded way behind, and errors come out."""

import threading
import time

import pytest

from queryinst_vis.jobs.behind import Behind


def test_everything_is_done_in_order_and_leaving_waits():
    done: list[int] = []
    with Behind() as behind:
        for number in range(20):
            behind.do(lambda number=number: (time.sleep(0.001), done.append(number)))
    assert done == list(range(20))


def test_at_most_two_wait():
    go, begun = threading.Event(), []
    with Behind() as behind:
        for number in range(2):
            behind.do(lambda number=number: (begun.append(number), go.wait(5)))
        third = threading.Thread(target=behind.do, args=(begun.append, 2))
        third.start()
        third.join(0.1)
        assert third.is_alive()
        go.set()
        third.join(5)
        assert not third.is_alive()
    assert begun == [0, 1, 2]


@pytest.mark.parametrize("how", ["do", "wait", "leave"])
def test_errors_come_out(how: str):
    def fail() -> None:
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"), Behind() as behind:  # noqa: PT012
        behind.do(fail)
        if how == "wait":
            behind.wait()
        elif how == "do":
            for _ in range(3):
                behind.do(time.sleep, 0)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("pictures")]


def test_the_first_error_is_the_one_that_is_told():
    def fail() -> None:
        raise OSError("later")

    with pytest.raises(KeyError, match="first"), Behind() as behind:  # noqa: PT012
        behind.do(fail)
        raise KeyError("first")


def test_what_waits_is_done_after_an_error_too():
    done: list[int] = []
    with pytest.raises(KeyError, match="first"), Behind() as behind:  # noqa: PT012
        for number in range(2):
            behind.do(lambda number=number: (time.sleep(0.05), done.append(number)))
        raise KeyError("first")
    assert done == [0, 1]
