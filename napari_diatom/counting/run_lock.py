"""The locks of a folder of results: one run writes there at a time, or any number of its shards.

A shard holds a lock of its own. A whole run holds the folder's, and begins only where no shard holds one; a shard
holds the folder's, too, for the moment in which it begins. The system lets go of a lock when its run is killed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from napari_diatom.core.errors import InputError
from napari_diatom.counting.shards import Shard

_LOCK: Final = "lock"
_PATIENCE_S: Final = 60.0
"""How long a shard waits for others that begin."""


class AnotherRunError(InputError):
    """Another run is writing to a folder of results."""


def lock_of(journal: Path, shard: Shard | None = None) -> Path:
    """Return the file that is the lock of a folder, or of one of its shards."""
    return journal / (_LOCK if shard is None else f"{_LOCK}-{shard.name}")


@contextlib.contextmanager
def held(journal: Path, out: Path, shard: Shard | None = None) -> Iterator[None]:
    """Hold the lock of a folder of results while the block runs; where a file system knows no locks, go without one.

    Parameters
    ----------
    journal : Path
        Where the locks lie.
    out : Path
        The folder of results.
    shard : Shard, optional
        Which holds its own.

    Raises
    ------
    AnotherRunError
        When another run holds it, or a shard its own.
    """
    with _locked(lock_of(journal, shard), out, 0, shard):
        if shard is None:
            for other in sorted(journal.glob(f"{_LOCK}-*")):
                with _locked(other, out, 0):
                    pass
        yield


@contextlib.contextmanager
def held_shortly(journal: Path, out: Path) -> Iterator[None]:
    """Hold the lock of a folder while a shard begins.

    Raises
    ------
    AnotherRunError
        When a whole run holds it.
    """
    with _locked(lock_of(journal), out, _PATIENCE_S):
        yield


@contextlib.contextmanager
def _locked(lock: Path, out: Path, patience_s: float, shard: Shard | None = None) -> Iterator[None]:
    kept = FileLock(lock)
    # A file system that knows no locks is no reason not to count.
    with contextlib.suppress(OSError, NotImplementedError):
        try:
            kept.acquire(timeout=patience_s)
        except Timeout:
            who = "Another run" if shard is None else f"Another run of shard {shard}"
            raise AnotherRunError(
                f"{who} is writing to {out}: wait until it is over, or name another folder for the results."
            ) from None
    try:
        yield
    finally:
        kept.release()
