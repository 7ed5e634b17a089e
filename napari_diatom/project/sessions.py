"""Windows that have a project open: each has a file that says who, where and which image, and a lock while it lives."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import socket
import uuid
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from napari_diatom.errors import OutputError
from napari_diatom.files import write_atomically
from napari_diatom.project.document import now

SILENT_SECONDS: Final = 120.0
"""A window on another computer that has said nothing for so long is taken for gone."""


@dataclass(frozen=True)
class Presence:
    """What a window says of itself.

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
        When it last said so, ISO 8601 in UTC.
    """

    session: str
    annotator: str
    host: str
    pid: int
    image: str = ""
    heartbeat: str = ""


class Session:
    """The own window among those that have the project open.

    Parameters
    ----------
    folder : Path
        Where windows say that they are there; where it cannot be written this one is not seen by others.
    annotator : str
        Who works in it.
    """

    def __init__(self, folder: Path, annotator: str) -> None:
        self._folder = folder
        self.presence = Presence(uuid.uuid4().hex[:12], annotator, socket.gethostname(), os.getpid())
        self._lock = FileLock(_lock_file(folder, self.presence.session), thread_local=False)
        with contextlib.suppress(OSError, NotImplementedError):
            folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        self.beat()

    def beat(self, image: str | None = None) -> None:
        """Say that the window is still there, and which image it shows from now on."""
        shown = self.presence.image if image is None else image
        self.presence = replace(self.presence, image=shown, heartbeat=now())
        if self._lock.is_locked:
            with contextlib.suppress(OutputError):
                write_atomically(_file(self._folder, self.presence.session), json.dumps(asdict(self.presence)))

    def others(self) -> list[Presence]:
        """Return the other windows that are there now; what dead ones left is removed."""
        found: list[Presence] = []
        for path in sorted(self._folder.glob("*.json")):
            if path.stem == self.presence.session:
                continue
            there = _read(path)
            if there is not None and self.is_live(path.stem):
                found.append(there)
            else:
                self._remove(path.stem)
        return found

    def is_live(self, session: str) -> bool:
        """Return whether the window of a session is there: it holds its lock or, elsewhere, was heard of lately."""
        if session == self.presence.session:
            return True
        there = _read(_file(self._folder, session))
        if there is not None and there.host != self.presence.host:
            return _age(there.heartbeat) < SILENT_SECONDS
        path = _lock_file(self._folder, session)
        if not path.exists():
            return False
        lock = FileLock(path, thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        except (OSError, NotImplementedError):
            return False
        lock.release()
        return False

    def close(self) -> None:
        """Leave."""
        self._lock.release()
        self._remove(self.presence.session)

    def _remove(self, session: str) -> None:
        with contextlib.suppress(OSError):
            _file(self._folder, session).unlink(missing_ok=True)
            _lock_file(self._folder, session).unlink(missing_ok=True)


def user() -> str:
    """Return the name under which this user is logged in, empty where there is none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


def _file(folder: Path, session: str) -> Path:
    return folder / f"{session}.json"


def _lock_file(folder: Path, session: str) -> Path:
    return folder / f"{session}.lock"


def _read(path: Path) -> Presence | None:
    """Return what a window says of itself, None where that is damaged or gone."""
    try:
        data = json.loads(path.read_bytes())
        return Presence(**{field.name: data[field.name] for field in fields(Presence)})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _age(heartbeat: str) -> float:
    """Return the seconds since a heartbeat, infinite where it is none."""
    try:
        return (datetime.now(UTC) - datetime.fromisoformat(heartbeat)).total_seconds()
    except (ValueError, TypeError):
        return float("inf")
