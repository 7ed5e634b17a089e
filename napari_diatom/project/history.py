"""Earlier versions of the project's files, in ``.history``."""

from __future__ import annotations

import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from napari_diatom.errors import OutputError
from napari_diatom.files import reason, write_atomically

HISTORY: Final = ".history"
KEPT: Final = 10
"""Versions of each file that are kept."""


def versions(project: Path, file: Path) -> list[Path]:
    """Return the earlier versions of a file of the project, oldest first."""
    return sorted(folder_of(project, file).glob(f"*{file.suffix}"))


def folder_of(project: Path, file: Path) -> Path:
    """Return the folder of the earlier versions of a file of the project."""
    return project / HISTORY / file.relative_to(project).with_suffix("")


def rewrite(project: Path, file: Path, text: str) -> None:
    """Write a file of the project whole or not at all, and keep the version that was there.

    Raises
    ------
    OutputError
        When it cannot be written; it is as it was then.
    """
    _keep(project, file)
    write_atomically(file, text)


def retire(project: Path, file: Path) -> None:
    """Remove a file of the project, and keep the version that was there.

    Raises
    ------
    OutputError
        When it cannot be kept or removed; it is as it was then.
    """
    _keep(project, file)
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{file} cannot be removed: {reason(error)}") from error


def _keep(project: Path, file: Path) -> None:
    """Copy a file, where it is there, to its earlier versions."""
    if not file.exists():
        return
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    name = f"{datetime.fromtimestamp(seconds, UTC):%Y%m%dT%H%M%S}.{nanoseconds:09d}Z{file.suffix}"
    folder = folder_of(project, file)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, folder / name)
        for old in versions(project, file)[:-KEPT]:
            old.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{file} cannot be written: {folder} has no room for the old one: {reason(error)}") from error
