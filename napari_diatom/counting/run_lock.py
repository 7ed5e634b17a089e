"""The lock of a folder of results: one run writes there at a time, from the window or the command line."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from napari_diatom.core.errors import InputError

LOCK: Final = "lock"
"""Its file, in the journal of the folder. The system lets go of it when a run is killed."""


class AnotherRunError(InputError):
    """Another run is writing to a folder of results."""


@contextlib.contextmanager
def held(lock: Path, out: Path) -> Iterator[None]:
    """Hold the lock of a folder of results while the block runs; where a file system knows no locks, go without one.

    Raises
    ------
    AnotherRunError
        When another run holds it.
    """
    kept = FileLock(lock)
    # A file system that knows no locks is no reason not to count.
    with contextlib.suppress(OSError, NotImplementedError):
        try:
            kept.acquire(timeout=0)
        except Timeout:
            raise AnotherRunError(
                f"Another run is writing to {out}: wait until it is over, or name another folder for the results."
            ) from None
    try:
        yield
    finally:
        kept.release()
