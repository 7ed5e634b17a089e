"""Writing files whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from napari_diatom.core.errors import OutputError

PATIENCE_SECONDS: Final = 1.0
"""How long to wait until other programs have closed a file that will be replaced."""


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[BinaryIO]:
    """Open a stream whose content appears at ``path`` only when the block ends without an error.

    The bytes go to a file beside ``path`` first, so that a killed program or a full disk leaves an old ``path`` as
    it was. The temporary name is fixed, so what a killed program left is overwritten by the next attempt.

    Raises
    ------
    OutputError
        When the folder or file cannot be written.
    """
    _check_place(path)
    temporary = temporary_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        _put(temporary, path)
    except OSError as error:
        _discard(temporary)
        raise OutputError(f"{path} cannot be written: {reason(error)}") from error
    except BaseException:
        _discard(temporary)
        raise


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write ``data`` (text as UTF-8) to ``path`` whole or not at all.

    Raises
    ------
    OutputError
        When the folder or file cannot be written.
    """
    with atomic(path) as stream:
        stream.write(data.encode("utf-8") if isinstance(data, str) else data)


def temporary_of(path: Path) -> Path:
    """Return where the content of a file is written before it takes its place."""
    return path.with_name(f".{path.name}.part")


def put(source: Path, path: Path) -> None:
    """Move a finished file to the place of another one, or of none.

    Raises
    ------
    OutputError
        When it cannot be moved.
    """
    _check_place(path)
    try:
        _put(source, path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {reason(error)}") from error


def reason(error: OSError) -> str:
    """Return what went wrong in a few words and one line; of a file in the place of a folder, which one it is."""
    if error.errno in (errno.ENOTDIR, errno.EEXIST) and error.filename:
        wanted = Path(os.fsdecode(error.filename))
        there = next((place for place in (wanted, *wanted.parents) if os.path.lexists(place)), None)
        if there is not None and not there.is_dir():
            return f"{there} is not a folder."
    if error.errno == errno.EISDIR:
        return "a folder has this name."
    return (error.strerror or " ".join(str(error).split()) or type(error).__name__).rstrip(".") + "."


def _check_place(path: Path) -> None:
    """Raise OutputError where a file would take the place of a folder, a device or a pipe."""
    try:
        mode = path.stat().st_mode
    except OSError:  # nothing is there, or what comes next says why not
        return
    if stat.S_ISDIR(mode):
        raise OutputError(f"{path} cannot be written: a folder has this name.")
    if not stat.S_ISREG(mode):
        raise OutputError(f"{path} cannot be written: it is not a regular file (it is a pipe, a socket or a device).")


def _put(temporary: Path, path: Path) -> None:
    """Replace a file, which Windows refuses as long as anybody is reading it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return os.replace(temporary, path)
        except PermissionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(PATIENCE_SECONDS / 50)


def _discard(path: Path) -> None:
    """Remove a file if it is there; never hides the error that led here."""
    with contextlib.suppress(OSError):
        path.unlink()
