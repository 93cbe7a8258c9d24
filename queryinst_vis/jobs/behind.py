"""Work that may be done a little later, so that the next frame need not wait for it."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self

_MOST_WAITING = 2


class Behind:
    """Does one thing after the other in a thread of its own, at most two of them waiting.

    What goes wrong there is raised by the next call. Leaving the block waits for all, after an exception too, and then what else
    goes wrong is not told.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pictures")
        self._waiting: deque[Future[object]] = deque()

    def do(self, work: Callable[..., object], *args: Any) -> None:
        """Call it soon; waits while too much is to be done already."""
        while len(self._waiting) >= _MOST_WAITING:
            self._waiting.popleft().result()
        self._waiting.append(self._thread.submit(work, *args))

    def wait(self) -> None:
        """Until all is done."""
        while self._waiting:
            self._waiting.popleft().result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error_type: type[BaseException] | None, *exc_info: object) -> None:
        try:
            if error_type is None:
                self.wait()
        finally:
            self._thread.shutdown()
