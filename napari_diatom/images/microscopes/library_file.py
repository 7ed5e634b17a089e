"""A file that another library keeps open between reads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from napari_diatom.images.decoding_errors import decoding


class Closable(Protocol):
    """What a library opens."""

    def close(self) -> None:
        """Close the file."""
        ...


Opened = TypeVar("Opened", bound=Closable)


class LibraryFile(Generic[Opened]):
    """A file that is opened when it is first read, by one thread at a time; :meth:`close` forgets it until then.

    Parameters
    ----------
    path : Path
        The file, for errors.
    opener : callable
        Opens it.
    """

    def __init__(self, path: Path, opener: Callable[[], Opened]) -> None:
        self.path = path
        self._opener = opener
        self._lock = threading.RLock()
        self._open: Opened | None = None

    @contextmanager
    def reading(self) -> Iterator[Opened]:
        """Hand out the open file. Whatever the library raises becomes InputError."""
        with self._lock, decoding(self.path):
            if self._open is None:
                self._open = self._opener()
            yield self._open

    def __del__(self) -> None:
        # An image that nobody uses any more must not keep its file open.
        self.close()

    def close(self) -> None:
        """Close the file; it is opened again when it is read again."""
        with self._lock:
            left, self._open = self._open, None
            if left is not None:
                with suppress(Exception):  # of a damaged file, nothing is lost
                    left.close()
