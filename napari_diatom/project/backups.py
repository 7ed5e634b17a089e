"""Earlier versions of the project's files, in ``.history``.

A version is called ``v<number>-<time>``. The number grows by one from version to version and says which is older: a
clock may be put back. Versions by earlier releases are called by their time alone, and are older than all others.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Final

from napari_diatom.core.atomic_files import reason, write_atomically
from napari_diatom.core.errors import InputError, OutputError
from napari_diatom.core.text_files import read_bytes
from napari_diatom.project import clock

HISTORY: Final = ".history"
KEPT: Final = 10
"""Good versions of each file that are kept."""

_NAME: Final = re.compile(r"v(\d{1,18})-\w+|\d{8}T\d{6}\.\d{9}Z")
_END: Final = 64
"""Last bytes of a file that show whether it is whole."""


def earlier_versions(project: Path, file: Path) -> list[Path]:
    """Return the earlier versions of a file of the project, oldest first."""
    named = (path for path in folder_of(project, file).glob(f"*{file.suffix}") if _NAME.fullmatch(path.stem))
    found = [path for path in named if path.is_file()]
    return sorted(found, key=lambda path: (_number(path), path.name))


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
    """Copy a file, where it is there, to its earlier versions, unless the last one is the same."""
    try:
        data = read_bytes(file)
    except InputError as error:
        if not file.exists():
            return
        raise OutputError(f"{file} cannot be written: the old one cannot be kept. {error}") from error
    known = earlier_versions(project, file)
    folder = folder_of(project, file)
    if known and _holds(known[-1], data):
        return
    number = _number(known[-1]) + 1 if known else 1
    name = f"v{number:06d}-{re.sub(r'[^0-9T]', '', clock.now()[:19])}Z{file.suffix}"
    try:
        write_atomically(folder / name, data)
    except OutputError as error:
        with contextlib.suppress(OSError):
            # One that was made for it; what is in use is not empty.
            folder.rmdir()
        raise OutputError(f"{file} cannot be written: the old one cannot be kept. {error}") from error
    _purge([*known, folder / name])


def _purge(found: list[Path]) -> None:
    """Remove what is older than the good versions that are kept; damaged ones do not count among those."""
    if len(found) <= KEPT:
        return
    good = 0
    for path in reversed(found):
        if good < KEPT:
            good += _is_good(path)
            continue
        with contextlib.suppress(OSError):
            # One that stays does no harm, and goes with the next.
            path.unlink()


def _number(path: Path) -> int:
    """Return the number of a version, 0 where it is known by its time."""
    match = _NAME.fullmatch(path.stem)
    return int(match[1] or 0) if match else 0


def _holds(path: Path, data: bytes) -> bool:
    """Return whether a file holds these bytes."""
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False


def _is_good(path: Path) -> bool:
    """Return whether a version is whole, by its end: copies that found no room are empty or break off."""
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(0, size - _END))
            end = stream.read(_END)
    except OSError:
        return False
    if b"\0" in end:
        return False
    return end.endswith(b"\n") if path.suffix == ".yaml" else end.rstrip().endswith((b"}", b"]"))
