"""The C library's allocator, told to keep what a training frees, or to give it back."""

from __future__ import annotations

import ctypes
import sys
from typing import Any, Final

_TRIM_THRESHOLD: Final = -1
_TOP_PAD: Final = -2
_MMAP_MAX: Final = -4
_MOST: Final = 2**31 - 1
_PAD: Final = 2**28


def keep_freed_memory() -> bool:
    """Have this process keep the memory that it frees, and return whether the allocator takes such wishes (glibc's).

    A training takes as much again in the next step. By default large arrays go back to the system, which fills new ones
    with zeros, page by page: about a sixth of the time of a step on a CPU.
    """
    mallopt = _glibc("mallopt")
    if mallopt is None:
        return False
    # The allocator answers with 1 where it takes a wish.
    taken = [mallopt(name, value) for name, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _MOST), (_TOP_PAD, _PAD))]
    return all(taken)


def give_back_freed_memory() -> None:
    """Give the memory that this process has freed back to the system, where the allocator can (glibc's)."""
    trim = _glibc("malloc_trim")
    if trim is not None:
        trim(0)


def _glibc(name: str) -> Any:
    """Return a function of the C library by its name, None where it has none of that name."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform.startswith("linux") else None
