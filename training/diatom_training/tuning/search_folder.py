"""The folder of a search, and what is in it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from diatom_training.finetune.work_folder import LOCK, WorkFolder
from diatom_training.tuning.search_results import SearchResults, read_results
from diatom_training.tuning.search_settings import SearchSettings
from napari_diatom.core.atomic_files import reason
from napari_diatom.core.errors import InputError, OutputError

SETTINGS: Final = "search.yaml"
DATABASE: Final = "trials.db"
"""SQLite: the trials that have ended, as Optuna keeps them."""
TABLE: Final = "trials.csv"
IMPORTANCES: Final = "importances.csv"
IMPORTANCES_PLOT: Final = "importances.png"
PARALLEL_PLOT: Final = "parallel.png"
BEST: Final = "best.yaml"
"""A training with the best settings."""
TRIALS: Final = "trials"
"""Folder of the trials' own folders, with their curves."""


class SearchFolder(WorkFolder):
    """A search on disk.

    Parameters
    ----------
    path : Path
        Its folder.
    """

    @classmethod
    def create(cls, path: Path, settings: SearchSettings) -> SearchFolder:
        """Make the folder of a new search.

        Raises
        ------
        InputError
            When the folder holds something already.
        OutputError
            When it cannot be written.
        """
        folder = cls.made(path)
        folder.check_empty("continue the search in it")
        settings.write(path / SETTINGS)
        return folder

    @classmethod
    def open(cls, path: Path) -> SearchFolder:
        """Return the search in a folder. Raises InputError when there is none."""
        if not (path / SETTINGS).is_file():
            raise InputError(f"{path} is not a search: {SETTINGS} is missing.")
        return cls(path)

    def settings(self) -> SearchSettings:
        """Return what it is to do. Raises as :meth:`SearchSettings.read`."""
        return SearchSettings.read(self / SETTINGS)

    def extend(self, trials: int) -> None:
        """Let it have more trials, or fewer than were planned.

        Raises
        ------
        InputError
            When more have ended already.
        OutputError
            When that cannot be written.
        """
        ended = len(self.results().trials)
        if trials < ended:
            raise InputError(f"{self.path} has {ended} trials already: give {ended} or more.")
        plain = self.settings().model_copy(update={"trials": trials})
        plain.write(self / SETTINGS)

    def results(self) -> SearchResults:
        """Return what the trials that have ended have come to. Raises InputError when a table is damaged."""
        if not (self / TABLE).exists():
            return SearchResults(tuple(self.settings().ranges))
        return read_results(self / TABLE, self / IMPORTANCES)

    def trial(self, number: int) -> Path:
        """Return the folder of a trial, from 1."""
        return self / TRIALS / f"trial-{number:03d}"

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes from working on the search.

        Raises
        ------
        InputError
            When another one does.
        OutputError
            When the folder cannot be written.
        """
        lock = FileLock(self / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise InputError(f"{self.path} is being worked on by another process already.") from None
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written: {reason(error)}") from error
        try:
            yield
        finally:
            lock.release()
