"""The runs of this user, so that a window finds those that were begun elsewhere or before it was opened."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from diatom_training.finetune.run_folder import CONFIG, RunFolder
from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.errors import InputError, OutputError
from napari_diatom.core.text_files import read_json
from napari_diatom.models.library import user_folder

MOST: Final = 30


def remember(folder: RunFolder) -> None:
    """Put a run at the head of the list; a list that cannot be written is no reason not to train."""
    path = folder.path.absolute()
    _write([path, *(run.path for run in list_runs() if run.path != path)])


def put_in_place(folder: RunFolder, moved: RunFolder) -> None:
    """Give a run that has moved the place in the list that it had."""
    old, new = folder.path.absolute(), moved.path.absolute()
    _write([new if path == old else path for path in _listed() if path == old or _is_there(path / CONFIG)])


def list_runs() -> list[RunFolder]:
    """Return the runs that are still there, the latest first."""
    return [RunFolder(path) for path in _listed() if _is_there(path / CONFIG)]


def _listed() -> list[Path]:
    """Return the paths in the list, each once."""
    try:
        listed = read_json(_file(), "a list of trainings")
    except InputError:
        return []
    entries = [entry for entry in listed if isinstance(entry, str)] if isinstance(listed, list) else []
    return [Path(entry) for entry in dict.fromkeys(entries)]


def _write(paths: Sequence[Path]) -> None:
    """Write the list. It is a help, so it is no error if there is no room for it."""
    with contextlib.suppress(OutputError):
        write_atomically(_file(), json.dumps([str(path) for path in paths[:MOST]], indent=1) + "\n")


def _is_there(path: Path) -> bool:
    """Return whether a path is that of a file; one that no file can have is not."""
    try:
        return path.is_file()
    except OSError:
        return False


def _file() -> Path:
    """Return the file of the list, beside the user's own models."""
    return user_folder().parent / "runs.json"
