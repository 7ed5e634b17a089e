"""Windows that have a project open: each has a file that says who, where and which image, and a lock while it lives.

Nothing is decided by the time of day: clocks of two computers may differ by hours, and one that slept goes on where it
was. A window is gone when, on this computer, its lock is free, or when, on another one, this window has watched its
file for :data:`SILENT_SECONDS` of its own and nothing changed there.
"""

from __future__ import annotations

import contextlib
import getpass
import itertools
import json
import os
import socket
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Final, Literal

from filelock import FileLock, Timeout

from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.errors import InputError, OutputError
from napari_diatom.core.text_files import parse_json, read_bytes
from napari_diatom.project import clock
from napari_diatom.project.folder_lock import make_hidden

SILENT_SECONDS: Final = 120.0
"""A window on another computer that was watched for so long and said nothing is taken for gone."""
LOOK_SECONDS: Final = 30.0
"""What one look at another window counts at most: between two looks this computer may have slept itself."""
BEAT_SECONDS: Final = 30.0
"""How often a window says that it is there, while it edits."""

_NEEDED: Final = frozenset({"session", "annotator", "host", "pid"})


@dataclass(frozen=True)
class Presence:
    """The state of a window of itself.

    Attributes
    ----------
    session : str
        Its id.
    annotator, host : str
        Who, on which computer.
    pid : int
        Its process.
    image : str
        Id of the image that is open, empty for none.
    heartbeat : str
        When it last said so by its own clock, ISO 8601 in UTC.
    machine : str
        Tells apart computers of one name; empty where that is not known.
    beats : int
        How often it has said so; grows while it lives, whatever its clock does.
    """

    session: str
    annotator: str
    host: str
    pid: int
    image: str = ""
    heartbeat: str = ""
    machine: str = ""
    beats: int = 0


@dataclass
class _Watch:
    """How long a window has been silent while this one looked."""

    said: bytes
    looked: float
    silent: float = 0.0


class Session:
    """The own window among those that have the project open.

    Parameters
    ----------
    folder : Path
        Where windows say that they are there; where it cannot be written this one is not seen by others.
    annotator : str
        Who works in it.

    Attributes
    ----------
    numbers : iterator of int
        Gives the numbers of this window's edits.
    """

    def __init__(self, folder: Path, annotator: str) -> None:
        self._folder = folder
        host, machine = this_computer()
        self.presence = Presence(uuid.uuid4().hex[:12], annotator, host, os.getpid(), machine=machine)
        self.numbers: Iterator[int] = itertools.count(1)
        self._lock = FileLock(_lock_file(folder, self.presence.session), thread_local=False)
        self._watched: dict[str, _Watch] = {}
        self._is_closed = False
        self.beat()

    def beat(self, image: str | None = None) -> None:
        """Say that the window is still there, and which image it shows from now on."""
        if self._is_closed:
            return
        is_there = self._make_folder()
        if is_there:
            self._hold()
        shown = self.presence.image if image is None else image
        self._beaten = clock.running()
        self.presence = replace(self.presence, image=shown, heartbeat=clock.now(), beats=self.presence.beats + 1)
        if is_there:
            with contextlib.suppress(OutputError):
                write_atomically(_file(self._folder, self.presence.session), json.dumps(asdict(self.presence)))

    def touch(self) -> None:
        """Say so where it has not been said lately."""
        if clock.running() - self._beaten >= BEAT_SECONDS:
            self.beat()

    def others(self) -> list[Presence]:
        """Return the other windows that are there, as far as is known; what dead ones left is removed."""
        found: list[Presence] = []
        for path in sorted(self._folder.glob("*.json")):
            if path.stem == self.presence.session:
                continue
            if not self.is_live(path.stem):
                self._remove(path.stem)
            elif (there := _presence(_said(path))) is not None:
                found.append(there)
        return found

    def is_mine(self, there: Presence) -> bool:
        """Return whether a window belongs to this very program."""
        return there.pid == self.presence.pid and self._is_here(there)

    def is_live(self, session: str) -> bool:
        """Return whether the window of a session is there, or may be: see above for what tells that it is gone."""
        if session == self.presence.session:
            return True
        lock = self.lock_state(session)
        if lock == "held":
            return True
        said = _said(_file(self._folder, session))
        if said is None:
            # It has left, and perhaps could not write everything.
            return False
        there = _presence(said)
        if there is not None and lock == "free" and self._is_here(there):
            return False
        return not self._is_silent(session, said)

    def close(self) -> None:
        """Leave."""
        self.let_go()
        self._remove(self.presence.session)

    def let_go(self) -> None:
        """Give the own lock back and say nothing any more, as the system does for a killed program; its file stays."""
        self._is_closed = True
        with contextlib.suppress(OSError):
            self._lock.release()

    def _make_folder(self) -> bool:
        """Return whether the folder is there, made where that is possible."""
        try:
            make_hidden(self._folder)
        except OSError:
            return False
        return True

    def _hold(self) -> None:
        """Take the own lock, again where somebody has removed its file in the belief that this window was gone."""
        with contextlib.suppress(OSError, NotImplementedError, Timeout):
            if self._lock.is_locked and not _lock_file(self._folder, self.presence.session).exists():
                self._lock.release()
            if not self._lock.is_locked:
                self._lock.acquire(timeout=0)

    def _is_here(self, there: Presence) -> bool:
        """Return whether a window is, or was, on this computer; earlier versions tell its name alone."""
        mine = self.presence
        return there.host == mine.host and there.machine in ("", mine.machine)

    def lock_state(self, session: str) -> Literal["held", "free", "unknown"]:
        """Return whether somebody holds the lock of a session; a lock that nobody could hold says nothing."""
        path = _lock_file(self._folder, session)
        if not path.exists():
            return "free"
        lock = FileLock(path, thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return "held"
        except (OSError, NotImplementedError):
            return "unknown"
        lock.release()
        return "free"

    def _is_silent(self, session: str, said: bytes) -> bool:
        """Look at what a window on another computer says, and return whether that has been the same for too long."""
        now = clock.running()
        watch = self._watched.get(session)
        if watch is None or watch.said != said:
            self._watched[session] = _Watch(said, now)
            return False
        watch.silent += min(now - watch.looked, LOOK_SECONDS)
        watch.looked = now
        return watch.silent >= SILENT_SECONDS

    def _remove(self, session: str) -> None:
        for path in (_file(self._folder, session), _lock_file(self._folder, session)):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def user() -> str:
    """Return the name under which this user is logged in, empty where there is none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


def this_computer() -> tuple[str, str]:
    """Return the name of this computer, and what tells it from others of that name."""
    with contextlib.suppress(OSError, ValueError):
        found = Path("/etc/machine-id").read_text(encoding="ascii").strip()
        if found:
            return socket.gethostname(), str(uuid.uuid5(uuid.NAMESPACE_OID, found))
    return socket.gethostname(), str(uuid.uuid5(uuid.NAMESPACE_OID, f"{uuid.getnode():x}"))


def _file(folder: Path, session: str) -> Path:
    return folder / f"{session}.json"


def _lock_file(folder: Path, session: str) -> Path:
    return folder / f"{session}.lock"


def _said(path: Path) -> bytes | None:
    """Return what a window's file holds, None where it is gone; one that cannot be read says nothing."""
    try:
        return read_bytes(path, 2**20)
    except InputError:
        return b"" if path.exists() else None


def _presence(said: bytes | None) -> Presence | None:
    """Return what a window says of itself, None where that is damaged or gone."""
    try:
        data = parse_json(said or b"", "The state of a window", "a session")
    except InputError:
        return None
    if not isinstance(data, dict):
        return None
    known = {item.name: data[item.name] for item in fields(Presence) if item.name in data}
    wanted = {"pid": int, "beats": int}
    if not known.keys() >= _NEEDED or any(type(value) is not wanted.get(name, str) for name, value in known.items()):
        return None
    return Presence(**known)
