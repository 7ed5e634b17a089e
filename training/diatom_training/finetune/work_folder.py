"""A folder that a piece of work has for itself: a run, or a search."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Self

from napari_diatom.core.atomic_files import reason
from napari_diatom.core.errors import InputError, OutputError

LOCK: Final = ".lock"
"""Held while the work begins or goes on, so that no two processes do it."""


class WorkFolder:
    """A folder with what a piece of work needs and leaves.

    Parameters
    ----------
    path : Path
        Where it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    @classmethod
    def made(cls, path: Path) -> Self:
        """Return the folder at a path, which is made where it is not there. Raises OutputError when it cannot be."""
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{path} cannot be created: {reason(error)}") from error
        return cls(path)

    def check_empty(self, otherwise: str) -> None:
        """Refuse a folder that holds something already.

        Parameters
        ----------
        otherwise : str
            What else a person may do, as the end of a sentence.

        Raises
        ------
        InputError
            When there is anything but the lock.
        OutputError
            When the folder cannot be read.
        """
        try:
            there = any(item.name != LOCK for item in self.path.iterdir())
        except OSError as error:
            raise OutputError(f"{self.path} cannot be read: {reason(error)}") from error
        if there:
            raise InputError(f"{self.path} is not empty: name another folder, or {otherwise} (--resume).")
