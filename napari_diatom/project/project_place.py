"""Where a new project may lie: not over annotations of others, and among images only with a word of warning."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from napari_diatom.core.errors import InputError
from napari_diatom.images.image_files import SUFFIXES
from napari_diatom.project.folder_lock import HIDDEN
from napari_diatom.project.image_record import ANNOTATIONS, PROPOSALS


def check_free(folder: Path) -> None:
    """Refuse a folder with annotations of others where a project has its own: it would take and change them.

    Raises
    ------
    InputError
        When there are such.
    """
    if (folder / HIDDEN).is_dir():
        # They are those of a project whose settings are gone.
        return
    for name in (ANNOTATIONS, PROPOSALS):
        if next((folder / name).rglob("*.geojson"), None) is not None:
            raise InputError(
                f"{folder / name} holds annotations that are not of a project, and a project in {folder} would change "
                "them: name another folder for the project."
            )


def remark_on_place(folder: Path, entries: Sequence[str]) -> str:
    """Return a warning for a project's folder that holds images itself, empty for any other.

    Parameters
    ----------
    folder : Path
        The folder; need not exist.
    entries : sequence of str
        What a project has in its folder.
    """
    with suppress(OSError), os.scandir(folder) as items:
        if any(item.name.lower().endswith(SUFFIXES) and item.is_file() for item in items):
            return (
                f"{folder.name} holds your images. The files of the project would lie among them: "
                f"{', '.join(entries)}. In a folder of its own, a project is easier to copy and to move."
            )
    return ""
