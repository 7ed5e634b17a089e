"""The journal of an image: a line per edit, on disk before anybody hears of the edit.

A journal belongs to one window. Its first line says whose it is, each other one is an edit made since the image's
files were written; when they are written it is removed. What a killed program left is made again when the image is
opened.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from napari_diatom.errors import InputError, OutputError
from napari_diatom.files import reason, write_atomically
from napari_diatom.project.codec import edit_of
from napari_diatom.project.document import Edit, joined

SUFFIX: Final = ".jsonl"
DAMAGED: Final = ".damaged"
"""Ending of a journal of which lines could not be read; the others were made again."""


class Journal:
    """The journal that this window writes.

    Parameters
    ----------
    path : Path
        The file; it and its folder are made with the first line.
    annotator : str
        Whose edits it holds.
    """

    def __init__(self, path: Path, annotator: str) -> None:
        self.path = path
        self._annotator = annotator
        self._descriptor: int | None = None
        self._size = 0
        self._waiting: list[str] = []

    def append(self, line: str) -> None:
        """Put a line on disk; one that finds no room waits for the next.

        Raises
        ------
        OutputError
            When the file cannot be written.
        """
        self._waiting.append(line)
        try:
            if self._descriptor is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
            # What an attempt without room left of a line is written over.
            os.ftruncate(self._descriptor, self._size)
            os.lseek(self._descriptor, self._size, os.SEEK_SET)
            lines = [*([] if self._size else [self._head()]), *self._waiting]
            data = "".join(f"{text}\n" for text in lines).encode("utf-8")
            written = 0
            while written < len(data):
                written += os.write(self._descriptor, data[written:])
            os.fsync(self._descriptor)
        except OSError as error:
            raise OutputError(
                f"{self.path} cannot be written: {reason(error)} Edits stay in memory until they can be saved."
            ) from error
        self._size += len(data)
        self._waiting.clear()

    def restart(self, line: str) -> None:
        """Exchange all lines for one.

        Raises
        ------
        OutputError
            When the file cannot be written; it is as it was then.
        """
        self.close()
        data = f"{self._head()}\n{line}\n".encode()
        write_atomically(self.path, data)
        self._size = len(data)
        self._waiting.clear()

    def clear(self) -> None:
        """Remove the file: its edits are in those of the image."""
        self.close()
        self._size = 0
        self._waiting.clear()
        with contextlib.suppress(OSError):
            # One that stays does no harm: its edits are found to be made.
            self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _head(self) -> str:
        begun = datetime.now(UTC).isoformat(timespec="microseconds")
        return json.dumps({"annotator": self._annotator, "begun": begun}, ensure_ascii=False)


@dataclass(frozen=True, eq=False)
class Left:
    """A journal that a window left.

    Attributes
    ----------
    path : Path
        The file.
    annotator, begun : str
        Whose it is, and when it was begun; empty where the first line is damaged.
    edit : Edit or None
        All its edits in one, None where it holds none.
    damaged : tuple of int
        Numbers of the lines that cannot be read, except a last one that was cut off.
    """

    path: Path
    annotator: str
    begun: str
    edit: Edit | None
    damaged: tuple[int, ...]


def read(path: Path) -> Left:
    """Read a journal; damaged lines are passed over and named.

    Raises
    ------
    InputError
        When the file cannot be read at all.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {reason(error)}") from error
    # What follows the last end of a line was being written when the program was killed: nobody heard of that edit.
    lines = data.split(b"\n")[:-1]
    edits: list[Edit] = []
    damaged: list[int] = []
    for number, line in enumerate(lines[1:], start=2):
        try:
            edits.append(edit_of(line, f"Line {number} of {path}"))
        except InputError:
            damaged.append(number)
    annotator, begun = _whose(lines[0]) if lines else ("", "")
    return Left(path, annotator, begun, joined(edits, "recover"), tuple(damaged))


def _whose(line: bytes) -> tuple[str, str]:
    """Return annotator and time of a first line."""
    try:
        head = json.loads(line)
        return str(head["annotator"]), str(head["begun"])
    except (ValueError, KeyError, TypeError):
        return "", ""
