"""The journal of an image: a line per edit, on disk before any listener gets the edit.

A journal belongs to one window. Its first line says whose it is, each other one is an edit made since the image's
files were written; when they are written it is removed. What a killed program left is made again when the image is
opened.

Who makes the edits of another window again first gives its journal a name of its own (:func:`claim`). A window that was
only silent, on a computer that slept, finds its journal gone by that, and writes its lines to a new one before it
says that an edit is done. The numbers of the edits tell which of them were made already, see
:class:`~napari_diatom.project.image_record.Record`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import unicodedata
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.errors import InputError, OutputError
from napari_diatom.core.text_files import parse_json, read_bytes
from napari_diatom.project import clock
from napari_diatom.project.edit_codec import edit_of
from napari_diatom.project.edit_conflicts import Clash
from napari_diatom.project.edits import Edit, joined_edits
from napari_diatom.project.folder_lock import make_hidden, why_unwritable

SUFFIX: Final = ".jsonl"
DAMAGED: Final = ".damaged"
"""Ending of a journal with lines that could not be read; the other lines were applied again."""
ATTEMPTS: Final = 5
"""How often lines are written again where the journal is taken away at once."""

_TAKEN: Final = "x"
"""Begins the name that a journal gets when it is taken; ids of windows are hexadecimal."""
_TAIL: Final = 4096
"""Last bytes of a file by which it is known where the file system has no lasting numbers of files."""


class Journal:
    """The journal that this window writes.

    Parameters
    ----------
    path : Path
        The file; it and its folder are made with the first line.
    annotator : str
        Whose edits it holds.
    session, host : str
        Their window and computer, for those who read it.
    on_taken : callable, optional
        Called when somebody else took the file, in the belief that this window was gone.
    """

    def __init__(
        self,
        path: Path,
        annotator: str,
        session: str = "",
        host: str = "",
        on_taken: Callable[[], None] | None = None,
    ) -> None:
        self.path = path
        self._head = {"annotator": annotator, "session": session, "host": host}
        self._on_taken = on_taken
        self._descriptor: int | None = None
        self._size = 0
        self._tail = b""
        self._lines: list[str] = []
        self._stored = 0
        self._is_stale = False

    def append(self, line: str) -> None:
        """Put a line on disk; one that finds no room waits for the next.

        Raises
        ------
        OutputError
            When the file cannot be written.
        """
        self._lines.append(line)
        if self._is_stale:
            return self._replace()
        try:
            for _ in range(ATTEMPTS):
                if self._descriptor is not None and not self._is_there():
                    self._forget()
                self._write()
                # Somebody may have taken the file while the line was being written.
                if self._is_there():
                    self._stored = len(self._lines)
                    return
                self._forget()
        except OSError as error:
            raise self._unwritten(error) from error
        raise OutputError(
            f"{self.path} is removed by another program whenever it is written. Edits stay in memory until they can "
            "be saved."
        )

    def restart(self, line: str) -> None:
        """Exchange all lines for one.

        Raises
        ------
        OutputError
            When the file cannot be written; it is as it was then, and the next line tries again.
        """
        self._lines, self._is_stale = [line], True
        self._replace()

    def clear(self) -> None:
        """Remove the file: its edits are in those of the image."""
        self.close()
        self._lines, self._stored, self._size, self._is_stale = [], 0, 0, False
        with contextlib.suppress(OSError):
            # One that stays does no harm: its edits are found to be made.
            self.path.unlink(missing_ok=True)

    def _replace(self) -> None:
        """Write all lines to a new file, and put it in the place of the old one when it is whole."""
        self.close()
        data = "".join(f"{text}\n" for text in (self._first(), *self._lines)).encode("utf-8")
        try:
            make_hidden(self.path.parent)
        except OSError as error:
            raise self._unwritten(error) from error
        write_atomically(self.path, data)
        self._stored, self._size, self._tail = len(self._lines), len(data), data[-_TAIL:]
        self._is_stale = False

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = None

    def _write(self) -> None:
        """Write the lines that are not on disk yet."""
        if self._descriptor is None:
            make_hidden(self.path.parent)
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
            if os.fstat(self._descriptor).st_size < self._size:
                # It was closed meanwhile, and taken.
                self._size, self._stored = 0, 0
        # What an attempt without room left of a line is written over.
        os.ftruncate(self._descriptor, self._size)
        os.lseek(self._descriptor, self._size, os.SEEK_SET)
        lines = [*([] if self._size else [self._first()]), *self._lines[self._stored :]]
        data = "".join(f"{text}\n" for text in lines).encode("utf-8")
        written = 0
        while written < len(data):
            written += os.write(self._descriptor, data[written:])
        os.fsync(self._descriptor)
        self._size += len(data)
        self._tail = (self._tail + data)[-_TAIL:] if self._size > len(data) else data[-_TAIL:]
        self._stored = len(self._lines)

    def _unwritten(self, error: OSError) -> OutputError:
        """Return the error that tells why a line is not on disk."""
        project = self.path.parents[2]
        place = self.path if project.is_dir() else project
        return OutputError(
            f"{place} cannot be written: {why_unwritable(project, error)} Edits stay in memory until they can be saved."
        )

    def _is_there(self) -> bool:
        """Return whether the file at the journal's path is the one that is written here."""
        assert self._descriptor is not None
        try:
            # Opened, not only asked for: file systems of a network then look at the server.
            there = os.open(self.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except FileNotFoundError:
            return False
        try:
            found, own = os.fstat(there), os.fstat(self._descriptor)
            if (found.st_dev, found.st_ino) == (own.st_dev, own.st_ino):
                return True
            if found.st_size != self._size:
                return False
            os.lseek(there, -len(self._tail), os.SEEK_END)
            return os.read(there, _TAIL) == self._tail
        finally:
            os.close(there)

    def _forget(self) -> None:
        """Begin a new file with all lines: the other one is somebody else's now."""
        self.close()
        self._size, self._stored = 0, 0
        if self._on_taken is not None:
            self._on_taken()

    def _first(self) -> str:
        return json.dumps({**self._head, "begun": clock.now("microseconds")}, ensure_ascii=False)


@dataclass(frozen=True, eq=False)
class LeftoverJournal:
    """A journal that a window left.

    Attributes
    ----------
    path : Path
        The file.
    annotator, begun : str
        Whose it is, and when it was begun; empty where the first line is damaged.
    edits : tuple of Edit
        In their order.
    damaged : tuple of int
        Numbers of the lines that cannot be read, except a last one that was cut off.
    session, host : str
        Of the window; empty where the first line is damaged or of an earlier version.
    problem : str
        Why the file cannot be read at all, empty where it can.
    clashes : tuple of Clash
        The specimens that others changed, too, where that kept its edits from being made again.
    revision : tuple of int, length 2
        Length and time of change (ns) of the file when it was read, negative where it was not.
    """

    path: Path
    annotator: str = ""
    begun: str = ""
    edits: tuple[Edit, ...] = ()
    damaged: tuple[int, ...] = ()
    session: str = ""
    host: str = ""
    problem: str = ""
    clashes: tuple[Clash, ...] = ()
    revision: tuple[int, int] = (-1, -1)
    edit: Edit | None = field(init=False)
    """All its edits in one, None where it holds none."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "edit", self.rest())

    @property
    def last(self) -> int:
        """Number of its last edit, 0 where that is not known."""
        return max((edit.number for edit in self.edits), default=0)

    def rest(self, included: tuple[int, int] = (0, 0)) -> Edit | None:
        """Return in one the edits above the numbers ``included``, of specimens and of proposals."""
        return joined_edits(self.edits, "recover", included)


def read(path: Path) -> LeftoverJournal:
    """Read a journal; damaged lines are skipped and named, and a file that cannot be read is too."""
    before = revision(path)
    try:
        data = read_bytes(path)
    except InputError as error:
        return LeftoverJournal(path, problem=str(error))
    # What follows the last end of a line was being written when the program was killed: nobody heard of that edit.
    lines = data.split(b"\n")[:-1]
    edits: list[Edit] = []
    damaged: list[int] = []
    for number, line in enumerate(lines[1:], start=2):
        try:
            edits.append(edit_of(line, f"Line {number} of {path}"))
        except InputError:
            damaged.append(number)
    head = _whose(lines[0]) if lines else {}
    return LeftoverJournal(
        path,
        head.get("annotator", ""),
        head.get("begun", ""),
        tuple(edits),
        tuple(damaged),
        head.get("session", ""),
        head.get("host", ""),
        revision=before,
    )


def reread(left: LeftoverJournal, path: Path) -> LeftoverJournal:
    """Return a journal that is at a path now, read again where somebody has written to it since."""
    return dataclasses.replace(left, path=path) if revision(path) == left.revision else read(path)


def claim(path: Path) -> Path:
    """Give a journal that a window left a name that no window writes to, and return that.

    Where it cannot be renamed, as on Windows while a program has it open, its own name is returned.
    """
    if is_taken(path):
        return path
    taken = path.with_name(f"{journal_image(path)}.{_TAKEN}{uuid.uuid4().hex[:11]}{SUFFIX}")
    try:
        path.rename(taken)
    except OSError:
        return path
    return taken


def is_taken(path: Path) -> bool:
    """Return whether a journal has a name that no window writes to."""
    return session_of(path).startswith(_TAKEN)


def session_of(path: Path) -> str:
    """Return the session that a journal belongs to, by its name."""
    return path.name.removesuffix(DAMAGED).removesuffix(SUFFIX).rpartition(".")[2]


def journal_image(path: Path) -> str:
    """Return the image that a journal belongs to, by its name."""
    # Some file systems take letters and their accents apart.
    name = unicodedata.normalize("NFC", path.name)
    return name.removesuffix(DAMAGED).removesuffix(SUFFIX).rpartition(".")[0]


def revision(path: Path) -> tuple[int, int]:
    """Return length and time of change (ns) of a file, zeros where there is none."""
    try:
        known = path.stat()
    except OSError:
        return 0, 0
    return known.st_size, known.st_mtime_ns


def _whose(line: bytes) -> dict[str, str]:
    """Return what a first line says."""
    try:
        head = parse_json(line, "The first line", "that of a journal")
    except InputError:
        return {}
    return {name: value for name, value in head.items() if isinstance(value, str)} if isinstance(head, dict) else {}
