"""The bytes of an image: those of its file, or of all files of an image that consists of several.

An OME-Zarr image is a folder. The pixels of MRXS and XLIF files are in files beside them.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

from napari_diatom.core.atomic_files import reason
from napari_diatom.core.errors import InputError
from napari_diatom.images.microscopes import xlif_links
from napari_diatom.images.microscopes.kinds import is_image_folder


def image_exists(path: Path) -> bool:
    """Return whether there is a file, or a folder that is an image."""
    return path.is_file() or is_image_folder(path)


def content_digest(path: Path) -> tuple[str, int]:
    """Return the SHA-256 of an image in hexadecimal and its length in bytes.

    For an image of several files, that is the hash of their names, from the folder of the image, and their hashes.

    Raises
    ------
    InputError
        When it cannot be read.
    """
    files = content_files(path)
    if files == (path,):
        return _file_digest(path)
    total, whole = 0, hashlib.sha256()
    for file in files:
        digest, size = _file_digest(file)
        name = os.path.relpath(file, path if path.is_dir() else path.parent).replace(os.sep, "/")
        whole.update(f"{name}\0{size}\0{digest}\n".encode(errors="surrogateescape"))
        total += size
    return whole.hexdigest(), total


def content_size(path: Path) -> int:
    """Return the length of an image in bytes. Raises OSError when it is not there."""
    return sum(file.stat().st_size for file in content_files(path))


def content_state(path: Path) -> object:
    """Return what changes when somebody writes to an image or replaces it; None where there is none."""
    try:
        found = [file.stat() for file in content_files(path)]
    except OSError:
        return None
    return sum(item.st_size for item in found), max((item.st_mtime_ns for item in found), default=0), len(found)


def content_files(path: Path) -> tuple[Path, ...]:
    """Return the files of an image in a fixed order; the path itself where that is the only one."""
    if path.is_dir():
        return tuple(sorted((file for file in path.rglob("*") if file.is_file()), key=Path.as_posix))
    suffix = path.suffix.lower()
    if suffix == ".mrxs" and (beside := path.with_suffix("")).is_dir():
        return path, *sorted((file for file in beside.iterdir() if file.is_file()), key=Path.as_posix)
    if suffix == xlif_links.SUFFIX:
        with contextlib.suppress(InputError):  # opening it says what is wrong
            return path, *(file for file in xlif_links.linked_files(path) if file.is_file())
    return (path,)


def _file_digest(path: Path) -> tuple[str, int]:
    """Return the SHA-256 of a file in hexadecimal and its length in bytes."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest(), os.fstat(stream.fileno()).st_size
    except OSError as error:
        raise InputError(f"{path} cannot be read: {reason(error)}") from error
