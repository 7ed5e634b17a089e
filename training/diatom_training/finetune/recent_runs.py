"""The runs of this user, so that a window finds those that were begun elsewhere or before it was opened."""

from __future__ import annotations

import contextlib
import json
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
    others = [run.path for run in list_runs() if run.path != path]
    with contextlib.suppress(OutputError):
        write_atomically(_file(), json.dumps([str(path), *map(str, others[: MOST - 1])], indent=1) + "\n")


def list_runs() -> list[RunFolder]:
    """Return the runs that are still there, the latest first."""
    try:
        listed = read_json(_file(), "a list of trainings")
    except InputError:
        return []
    paths = [entry for entry in listed if isinstance(entry, str)] if isinstance(listed, list) else []
    return [RunFolder(Path(path)) for path in dict.fromkeys(paths) if _is_there(Path(path) / CONFIG)]


def _is_there(path: Path) -> bool:
    """Return whether a path is that of a file; one that no file can have is not."""
    try:
        return path.is_file()
    except OSError:
        return False


def _file() -> Path:
    """Return the file of the list, beside the user's own models."""
    return user_folder().parent / "runs.json"
