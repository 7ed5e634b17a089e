"""Folders of annotations: written whole or not at all, and read file by file."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from napari_diatom.core.annotations import Annotations
from napari_diatom.core.atomic_files import reason, write_atomically
from napari_diatom.core.errors import InputError, OutputError
from napari_diatom.formats.shared.image_index import file_names
from napari_diatom.formats.shared.parsed_specimens import some_of

Read = TypeVar("Read")
"""What a file gives."""


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a folder to write in; what it holds appears at ``path`` only when the block ends without an error.

    Raises
    ------
    InputError
        When there is something at ``path`` already.
    OutputError
        When the folder cannot be written.
    """
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is not a folder: name a new folder.")
    if path.exists() and any(path.iterdir()):
        raise InputError(f"{path} exists and is not empty: name a new folder.")
    temporary = path.with_name(f".{path.name}.part")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        yield temporary
        if path.exists():
            path.rmdir()
        temporary.rename(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {reason(error)}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def each_file(
    path: Path,
    annotations: Sequence[Annotations],
    suffixes: Sequence[str],
    title: str,
    write: Callable[[Path, Annotations], None],
) -> None:
    """Write a file per image into a new folder; where ``path`` has the suffix of a file, the one image into it.

    Parameters
    ----------
    path : Path
        The folder, or the file of the only image.
    annotations : sequence of Annotations
        The images.
    suffixes : sequence of str
        That files may have; the first is theirs in a folder.
    title : str
        Of the format, for errors.
    write : callable
        Writes the file of an image.

    Raises
    ------
    InputError
        When images have no names of their own, or one file is meant for several.
    OutputError
        When something cannot be written.
    """
    if path.suffix.lower() in suffixes:
        if len(annotations) != 1:
            raise InputError(f"{title} has a file per image, and there are {len(annotations)} images: name a folder.")
        write(path, annotations[0])
        return
    names = file_names(annotations, title)
    with new_folder(path) as folder:
        for name, part in zip(names, annotations, strict=True):
            write(folder / f"{name}{suffixes[0]}", part)


def write_each(
    path: Path,
    annotations: Sequence[Annotations],
    suffix: str,
    title: str,
    data: Callable[[Annotations], str | bytes],
) -> None:
    """Write a file per image whose content ``data`` returns; see :func:`each_file`."""
    each_file(path, annotations, (suffix,), title, lambda file, part: write_atomically(file, data(part)))


def files_in(path: Path, suffixes: Sequence[str], title: str) -> list[Path]:
    """Return the file that is meant, or the files with such suffixes in a folder, by name.

    Raises
    ------
    InputError
        When there are none.
    """
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.iterdir() if file.suffix.lower() in suffixes and file.name[0] != ".")
    if not found:
        raise InputError(f"{path} has no file of {title} ({', '.join(suffixes)}).")
    return found


def read_each(path: Path, suffixes: Sequence[str], title: str, read: Callable[[Path], Read]) -> list[Read]:
    """Read the file that is meant, or all files in a folder.

    Raises
    ------
    InputError
        With the problems of the first few files that have any.
    """
    found: list[Read] = []
    problems: list[str] = []
    for file in files_in(path, suffixes, title):
        try:
            found.append(read(file))
        except InputError as error:
            problems.append(str(error).rstrip("."))
    if problems:
        raise InputError(some_of(problems, "; ") + ".")
    return found
