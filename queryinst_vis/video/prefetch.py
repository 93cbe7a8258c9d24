"""Decode ahead of the network: an iterator that runs in a thread of its own."""

import queue
import threading
from collections.abc import Generator, Iterable
from typing import TypeVar

T = TypeVar("T")

_POLL_SECONDS = 0.1


def prefetch(items: Iterable[T], *, depth: int = 4) -> Generator[T, None, None]:
    """The same items in the same order, at most `depth` of them made ahead in a thread.

    An exception of `items` is raised here, after the items that came before it. Closing this generator stops the thread and
    waits for it, so that the source behind may be closed.
    """
    ready: queue.Queue[tuple[bool, object]] = queue.Queue(maxsize=depth)
    stop = threading.Event()
    thread = threading.Thread(target=_produce, args=(items, ready, stop), name="prefetch", daemon=True)
    thread.start()
    try:
        while True:
            is_item, value = ready.get()
            if is_item:
                yield value  # type: ignore[misc]
            elif value is None:
                return
            else:
                raise value  # type: ignore[misc]
    finally:
        stop.set()
        thread.join()


def _produce(items: Iterable[T], ready: "queue.Queue[tuple[bool, object]]", stop: threading.Event) -> None:
    """Puts (True, item) for each, then (False, None) or (False, the exception)."""
    end: BaseException | None = None
    try:
        for item in items:
            if not _put(ready, (True, item), stop):
                return
    except BaseException as error:
        end = error
    _put(ready, (False, end), stop)


def _put(ready: "queue.Queue[tuple[bool, object]]", entry: tuple[bool, object], stop: threading.Event) -> bool:
    while not stop.is_set():
        try:
            ready.put(entry, timeout=_POLL_SECONDS)
            return True
        except queue.Full:
            continue
    return False
