"""Who does what, among processes that share a folder: locks on single bytes of one file, which end with their process.

So a killed process leaves nothing behind that would have to be cleaned up.
"""

import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

_HELD_BY_ANOTHER = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
_POLL_SECONDS = 0.05
_MANY = 1 << 30

if sys.platform == "win32":
    import msvcrt

    def _lock(file: int, number: int, count: int) -> None:
        os.lseek(file, number, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, count)

    def _unlock(file: int, number: int, count: int) -> None:
        os.lseek(file, number, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, count)

else:
    import fcntl

    def _lock(file: int, number: int, count: int) -> None:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, count, number)

    def _unlock(file: int, number: int, count: int) -> None:
        fcntl.lockf(file, fcntl.LOCK_UN, count, number)


class Claims:
    """Numbers, from 0, each of which one process at a time can take. One such object for a file in a process.

    On a file system that knows no locks everybody gets what he asks for; work may then be done twice.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)

    def take(self, number: int) -> bool:
        """Whether it is ours now."""
        return self._take(number, 1)

    def give_back(self, number: int) -> None:
        self._give_back(number, 1)

    def are_free(self, *, first: int) -> bool:
        """Whether no other process has a number from `first` on. To be asked before we take one ourselves."""
        is_free = self._take(first, _MANY)
        self._give_back(first, _MANY)
        return is_free

    def _take(self, number: int, count: int) -> bool:
        try:
            _lock(self._file, number, count)
        except OSError as error:
            return error.errno not in _HELD_BY_ANOTHER
        return True

    def _give_back(self, number: int, count: int) -> None:
        with suppress(OSError):  # there are no locks
            _unlock(self._file, number, count)

    @contextmanager
    def held(self, number: int) -> Iterator[None]:
        """Wait until it is ours; give it back at the end."""
        while not self.take(number):
            time.sleep(_POLL_SECONDS)
        try:
            yield
        finally:
            self.give_back(number)

    def close(self) -> None:
        """Give back everything."""
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
