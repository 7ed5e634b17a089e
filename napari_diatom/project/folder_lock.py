"""The lock of a project's folder: one window writes at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from napari_diatom.core.atomic_files import reason
from napari_diatom.core.errors import InputError, OutputError

HIDDEN: Final = ".project"
"""What windows need of each other: the lock, sessions, journals, and what was counted already."""
LOCK_SECONDS: Final = 10.0
"""How long a window waits for another one that is writing."""
_GONE: Final = "the folder is gone. If it was moved or renamed, or its disk was taken out, put it back."


def make_hidden(folder: Path) -> None:
    """Make a folder in the hidden one of a project.

    A project's own folder is never made again: it may be away for a while, on a disk that was taken out, and another
    one in its place would keep it from coming back.

    Raises
    ------
    OSError
        When the project is gone, or the folder cannot be made.
    """
    folder.parent.mkdir(exist_ok=True)
    folder.mkdir(exist_ok=True)


def why_unwritable(project: Path, error: OSError) -> str:
    """Return why a project cannot be written, in a few words."""
    return reason(error) if project.is_dir() else _GONE


def check_there(project: Path) -> None:
    """Raise InputError where the folder of a project is gone: nothing that is read then is what it holds."""
    if not project.is_dir():
        raise InputError(f"{project} cannot be read: {_GONE}")


class FolderLock:
    """Keeps other windows from writing.

    Parameters
    ----------
    project : Path
        The project's folder.
    """

    def __init__(self, project: Path) -> None:
        self._project = project
        self._lock = FileLock(project / HIDDEN / "lock")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock while the block runs.

        Raises
        ------
        OutputError
            When another window holds it too long, or the folder cannot be written.
        """
        try:
            self._acquire()
        except Timeout:
            raise OutputError(
                f"{self._project} is being written by another window for {LOCK_SECONDS:.0f} s: try again."
            ) from None
        except (OSError, NotImplementedError) as error:
            unlockable = "its file system knows no locks."
            said = why_unwritable(self._project, error) if isinstance(error, OSError) else unlockable
            raise OutputError(f"{self._project} cannot be written: {said}") from error
        try:
            yield
        finally:
            self._lock.release()

    @contextmanager
    def held_if_possible(self) -> Iterator[bool]:
        """Hold the lock, and say whether that was possible; what cannot be locked can be read."""
        try:
            self._acquire()
        except (Timeout, OSError, NotImplementedError):
            yield False
            return
        try:
            yield True
        finally:
            self._lock.release()

    def _acquire(self) -> None:
        (self._project / HIDDEN).mkdir(exist_ok=True)
        self._lock.acquire(timeout=LOCK_SECONDS)
