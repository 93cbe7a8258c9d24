"""Memory that a frame gives back is kept for the next one."""

import ctypes
import os
import platform

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
_KEPT = 256 << 20  # bytes of free memory that are not given back to the system
_OF_THE_HEAP = 32 << 20  # bytes up to which a tensor lies on the heap, the most that glibc allows


def keep_freed_memory() -> bool:
    """Tell the C library to keep what is freed, up to 256 MB, for this whole process; whether it could be told.

    Left to itself, glibc may give the memory of a frame's tensors back to the system after each frame, by how they happen to
    lie, and then the next frame waits for thousands of pages. Nothing is changed where MALLOC_... variables are set.
    """
    if platform.libc_ver()[0] != "glibc" or any(name.startswith("MALLOC_") for name in os.environ):
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_M_MMAP_THRESHOLD, _OF_THE_HEAP) and mallopt(_M_TRIM_THRESHOLD, _KEPT))
