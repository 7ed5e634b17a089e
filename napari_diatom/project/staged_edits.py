"""Edits of several images that come into force all at once, or not at all.

They are written as journals into a folder of their own. One renaming makes them count: from then on they are what a
killed window left, and are made again when the images are opened. Until then nothing has happened.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from napari_diatom.core.atomic_files import reason
from napari_diatom.core.errors import OutputError
from napari_diatom.project import journal
from napari_diatom.project.document import Document
from napari_diatom.project.edit_codec import Codec
from napari_diatom.project.edits import Contents, Edit
from napari_diatom.project.folder_lock import HIDDEN
from napari_diatom.project.journal import Journal, LeftoverJournal
from napari_diatom.project.sessions import Session
from napari_diatom.project.settings import ProjectImage
from napari_diatom.project.specimen import Specimen

_WAITING: Final = ".part"
"""Ends the name of a folder whose edits do not count yet; before it stands the window that makes them."""


class StagedEdits:
    """Edits on their way into a project; :meth:`commit` makes them count, :meth:`discard` forgets them.

    Parameters
    ----------
    project : Path
        The project's folder.
    session : Session
        This window.
    """

    def __init__(self, project: Path, session: Session) -> None:
        self._project = project
        self._there = session.presence
        # No window has this id: the journals are those of a window that is gone.
        self._owner = uuid.uuid4().hex[:12]
        self._folder = _folder(project) / f"{self._owner}.{self._there.session}{_WAITING}"
        self._journals: list[LeftoverJournal] = []

    def add(
        self, image: ProjectImage, contents: Contents, specimens: Iterable[Specimen], colours: Mapping[str, str]
    ) -> tuple[Specimen, ...]:
        """Write down that specimens are added to an image, and return them as the image will have them.

        Parameters
        ----------
        image : ProjectImage
            The image.
        contents : Contents
            What it has now.
        specimens : iterable of Specimen
            With ids that are not in use.
        colours : Mapping of str to str
            ``#rrggbb`` by class.

        Raises
        ------
        OutputError
            When there is no room.
        """
        path = self._folder / self._name(image.id)
        log = _Log(path, self._there.annotator, self._owner, self._there.host)
        log.codec = Codec(image.height, image.width, colours)
        document = Document(contents, self._there.annotator, log, numbers=itertools.count(1))
        try:
            edit = document.add(specimens, "import", stamped=True)
        finally:
            log.journal.close()
        revision = journal.revision(path)
        self._journals.append(
            LeftoverJournal(
                self._project / HIDDEN / "journals" / path.name,
                self._there.annotator,
                edits=(edit,),
                session=self._owner,
                host=self._there.host,
                revision=revision,
            )
        )
        return tuple(item for item in edit.after.values() if item is not None)

    def commit(self) -> tuple[LeftoverJournal, ...]:
        """Make all the edits count, and return the journals that they are in from now on.

        Raises
        ------
        OutputError
            When that is not possible; then none of them counts.
        """
        if not self._folder.exists():
            return ()
        try:
            self._folder.rename(self._folder.with_name(self._owner))
        except OSError as error:
            raise OutputError(f"{self._folder} cannot be renamed: {reason(error)} Nothing was imported.") from error
        release_committed(self._project)
        return tuple(self._journals)

    def discard(self) -> None:
        """Forget edits that do not count yet."""
        shutil.rmtree(self._folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            self._folder.parent.rmdir()

    def done(self, image_id: str) -> None:
        """Note that the edit of an image was made by this window, and need not be made again."""
        with contextlib.suppress(OSError):
            (self._project / HIDDEN / "journals" / self._name(image_id)).unlink(missing_ok=True)

    def _name(self, image_id: str) -> str:
        return f"{image_id}.{self._owner}{journal.SUFFIX}"


class _Log:
    """Writes the edit of a document into a journal."""

    codec: Codec

    def __init__(self, path: Path, annotator: str, session: str, host: str) -> None:
        self.journal = Journal(path, annotator, session, host)

    def append(self, edit: Edit) -> None:
        self.journal.append(self.codec.line(edit))

    def latest(self) -> Contents:
        return Contents()

    def restart(self, edit: Edit) -> None:
        self.journal.restart(self.codec.line(edit))


def release_committed(project: Path) -> None:
    """Put edits that count among the journals of the project; a window that did not come so far may be gone."""
    for folder in _folders(project):
        if folder.name.endswith(_WAITING):
            continue
        # Another window may be doing the same; where nothing can be written, whoever can does it.
        with contextlib.suppress(OSError):
            (project / HIDDEN / "journals").mkdir(parents=True, exist_ok=True)
            for path in sorted(folder.iterdir()):
                os.replace(path, project / HIDDEN / "journals" / path.name)
            folder.rmdir()


def discard_abandoned(project: Path, session: Session) -> None:
    """Remove edits that do not count, of windows that are gone."""
    for folder in _folders(project):
        owner = folder.name.removesuffix(_WAITING).rpartition(".")[2]
        if folder.name.endswith(_WAITING) and not session.is_live(owner):
            shutil.rmtree(folder, ignore_errors=True)


def _folder(project: Path) -> Path:
    return project / HIDDEN / "imports"


def _folders(project: Path) -> list[Path]:
    try:
        return sorted(path for path in _folder(project).iterdir() if path.is_dir())
    except OSError:
        return []
