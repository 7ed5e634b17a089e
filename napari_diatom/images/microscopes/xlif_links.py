"""The files with the pixels of an XLIF file, which itself holds their description alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from napari_diatom.core import text_files
from napari_diatom.core.errors import InputError

SUFFIX: Final = ".xlif"
_LONGEST: Final = 64 << 20


def linked_files(path: Path) -> tuple[Path, ...]:
    """Return the files that an XLIF file names beside it or in the folder above, whether or not they exist.

    Others are left out, because a picture from elsewhere must not reach into folders that nobody gave.

    Raises
    ------
    InputError
        When the file cannot be read or is not XML.
    """
    try:
        if path.stat().st_size > _LONGEST:
            raise InputError(f"{path} is too large for an XLIF file.")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    root = text_files.parse_xml(data, path, "an XLIF file")
    place = Path(os.path.abspath(path)).parent
    found: dict[Path, None] = {}
    for block in root.iterfind("./Element/Memory/*[@File]"):
        name = unquote(block.get("File", "")).replace("\\", "/")
        linked = Path(os.path.normpath(place / name))
        if linked.is_relative_to(place.parent):
            found[linked] = None
    return tuple(found)
