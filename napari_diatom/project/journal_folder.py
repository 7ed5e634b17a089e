"""The journals of all windows that have, or had, a project open: of living ones, and what dead ones left."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from napari_diatom.project import journal
from napari_diatom.project.edit_conflicts import Clash
from napari_diatom.project.folder_lock import HIDDEN
from napari_diatom.project.journal import LeftoverJournal
from napari_diatom.project.sessions import Session


class JournalFolder:
    """``.project/journals``.

    Parameters
    ----------
    project : Path
        The project's folder.
    session : Session
        This window, which knows which others live.
    """

    def __init__(self, project: Path, session: Session) -> None:
        self._folder = project / HIDDEN / "journals"
        self._session = session
        self._clashes: dict[Path, tuple[Clash, ...]] = {}
        self._known: dict[Path, LeftoverJournal] = {}

    def own(self, image_id: str) -> Path:
        """Return where this window's journal of an image is."""
        return self._folder / f"{image_id}.{self._session.presence.session}{journal.SUFFIX}"

    def know(self, left: LeftoverJournal) -> None:
        """Note what is in a journal: it is not read, unless somebody has written to it since."""
        self._known[left.path] = left

    def note_clashes(self, left: LeftoverJournal, clashes: tuple[Clash, ...]) -> None:
        """Note why a journal could not be made again."""
        self._clashes[left.path] = clashes

    def leftovers(self) -> list[LeftoverJournal]:
        """Return journals of closed windows that could not be applied again, or that have damaged lines."""
        found: list[LeftoverJournal] = []
        damaged = set(self._folder.glob(f"*{journal.DAMAGED}"))
        for path in sorted(damaged.union(self._all())):
            if path in damaged or self._is_dead(path):
                found.append(dataclasses.replace(journal.read(path), clashes=self._clashes.get(path, ())))
        return found

    def waiting(self) -> list[LeftoverJournal]:
        """Return journals of other windows that are open, or may be: their edits are not in the files yet.

        A window on another computer may have died there; that it is gone is known when this window has been open
        beside it for :data:`~napari_diatom.project.sessions.SILENT_SECONDS`.
        """
        own = self._session.presence.session
        return [
            journal.read(path)
            for path in self._all()
            if journal.session_of(path) != own and self._session.is_live(journal.session_of(path))
        ]

    def abandoned_images(self) -> list[str]:
        """Return the ids of images that dead windows left journals of."""
        return [journal.journal_image(path) for path in self._all() if self._is_dead(path)]

    def abandoned(self, image_id: str, is_locked: bool) -> list[LeftoverJournal]:
        """Return the journals of an image that dead windows left, the earlier one of a window first.

        Only who holds the lock may take them.
        """
        found: list[LeftoverJournal] = []
        for path in self._all(image_id):
            if self._is_dead(path):
                left = journal.reread(self._known.pop(path, LeftoverJournal(path)), path)
                if is_locked and not left.problem:
                    left = journal.reread(left, journal.claim(path))
                if not left.problem:
                    found.append(left)
        return sorted(found, key=lambda left: (left.session, left.last, left.begun, left.path.name))

    def _all(self, image_id: str | None = None) -> list[Path]:
        """Return all journals, or those of an image, of this window too."""
        try:
            names = sorted(name for name in os.listdir(self._folder) if name.endswith(journal.SUFFIX))
        except OSError:
            return []
        paths = [self._folder / name for name in names]
        return [path for path in paths if image_id is None or journal.journal_image(path) == image_id]

    def _is_dead(self, path: Path) -> bool:
        return not self._session.is_live(journal.session_of(path))
