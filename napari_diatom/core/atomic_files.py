"""Writing files whole or not at all."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from napari_diatom.core.errors import OutputError

PATIENCE_SECONDS: Final = 1.0
"""How long to wait for others to be done with a file that is to be replaced."""


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
    try:
        _put(source, path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {reason(error)}") from error


def reason(error: OSError) -> str:
    """Return what went wrong in a few words and one line."""
    return (error.strerror or " ".join(str(error).split()) or type(error).__name__).rstrip(".") + "."


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
