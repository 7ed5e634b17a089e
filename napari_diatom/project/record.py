"""The files of one image in a project: what they hold, how they are written, and the journal beside them."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from napari_diatom.errors import ConflictError, InputError
from napari_diatom.files import reason
from napari_diatom.formats import geojson
from napari_diatom.project import history
from napari_diatom.project.codec import Codec
from napari_diatom.project.document import STATES, Contents, Document, Edit, now, state_of
from napari_diatom.project.journal import DAMAGED, Journal, Left
from napari_diatom.project.settings import ProjectImage, Settings
from napari_diatom.project.specimen import Specimen, from_annotations

ANNOTATIONS: Final = "annotations"
PROPOSALS: Final = "proposals"

_IDS: Final = uuid.UUID("7d1f2c5e-5a0e-4b7f-9d53-5b0a6a3c8a11")
"""Names the ids of specimens that another program added without one."""


@dataclass(frozen=True)
class Revision:
    """Which version of an image's files this is: their hashes, empty where there is no file."""

    annotations: str = ""
    proposals: str = ""


class Record:
    """The files of one image, as a document's keeper.

    Parameters
    ----------
    project : Path
        The project's folder.
    image : ProjectImage
        The image.
    settings : callable
        Gives the project's settings of the moment.
    journal : Journal
        Where this window's edits go.
    lock : callable
        Gives the lock under which files of the project are read and written.
    """

    def __init__(
        self,
        project: Path,
        image: ProjectImage,
        settings: Callable[[], Settings],
        journal: Journal,
        lock: Callable[[], AbstractContextManager[object]],
    ) -> None:
        self.image = image
        self._project = project
        self._settings = settings
        self._journal = journal
        self._lock = lock
        self._codec = Codec(image.height, image.width, self._colours())
        self._revision = Revision()
        self._latest: tuple[Revision, Contents] | None = None
        self._written = Contents()
        self._adopted: list[Left] = []

    @property
    def paths(self) -> tuple[Path, Path]:
        """The files of annotations and of proposals."""
        return files_of(self._project, self.image.id)

    def open(self) -> Contents:
        """Read the files; from here on they may be overwritten.

        Raises
        ------
        InputError
            When one is damaged or cannot be read.
        """
        self._revision, self._written = self._read()
        return self._written

    def append(self, edit: Edit) -> None:
        """Put an edit on disk."""
        self._journal.append(self._codec.line(edit))

    def latest(self) -> Contents:
        """Return what the files hold now."""
        with self._lock():
            self._latest = self._read()
        return self._latest[1]

    def restart(self, edit: Edit) -> None:
        """Replace the journal by one edit, made on the latest contents."""
        if self._latest is not None:
            if edit.is_empty:
                self._journal.clear()
            else:
                self._journal.restart(self._codec.line(edit))
            self._revision, self._written = self._latest
            self._latest = None

    def adopt(self, left: Left) -> None:
        """Take a journal that another window left as done; it goes when the files are written."""
        self._adopted.append(left)

    def is_written(self, document: Document) -> bool:
        """Return whether there is nothing to write."""
        return document.is_saved and not self._adopted

    def write(self, document: Document) -> None:
        """Write what is not written yet; the caller holds the lock.

        Raises
        ------
        ConflictError
            When another window or program has written since; the journal keeps the edits.
        OutputError
            When the files cannot be written; what was there stays, and the journal keeps the edits.
        """
        if not document.is_saved:
            self._check()
            contents = document.contents
            texts = (
                self._text(contents.specimens, contents, document.annotator),
                self._text(contents.proposals, contents, document.annotator),
            )
            pairs = (
                (contents.specimens, self._written.specimens, contents.state != self._written.state),
                (contents.proposals, self._written.proposals, False),
            )
            hashes = [self._revision.annotations, self._revision.proposals]
            for i, (path, text, (new, old, changed)) in enumerate(zip(self.paths, texts, pairs, strict=True)):
                if changed or len(new) != len(old) or any(a is not b for a, b in zip(new, old, strict=True)):
                    history.rewrite(self._project, path, text)
                    hashes[i] = _hash(text.encode("utf-8"))
                    # After each of the two: the second may find no room.
                    self._revision = Revision(*hashes)
            self._written = contents
            self._journal.clear()
            document.saved()
        for left in self._adopted:
            with suppress(OSError):
                if left.damaged:
                    left.path.replace(left.path.with_name(left.path.name + DAMAGED))
                else:
                    left.path.unlink(missing_ok=True)
        self._adopted.clear()

    def close(self) -> None:
        """Close the journal; what is not written stays in it."""
        self._journal.close()

    def _colours(self) -> dict[str, str]:
        return {item.name: item.colour for item in self._settings().classes}

    def _text(self, specimens: Sequence[Specimen], contents: Contents, annotator: str) -> str:
        """Return the text of one of the two files."""
        self._codec.recolour(self._colours())
        settings = self._settings()
        names = [item.name for item in settings.classes]
        header = {
            "classes": list(dict.fromkeys([*names, *(item.name for item in specimens)])),
            "image": name_of(self.image),
            "height": self.image.height,
            "width": self.image.width,
            "pixel_size_um": settings.pixel_sizes_um.get(self.image.slide),
            "state": contents.state,
            "saved_by": annotator,
            "saved": now(),
        }
        return geojson.collection(header, self._codec.texts(specimens))

    def _read(self) -> tuple[Revision, Contents]:
        """Read both files."""
        (annotations, specimens, state), (proposals, proposed, _) = (self._read_one(path) for path in self.paths)
        if state not in STATES:
            # Another program has written the file.
            state = "done" if self.image.state == "done" else state_of(specimens, proposed)
        elif state == "untouched" and proposed:
            state = "machine"
        return Revision(annotations, proposals), Contents(tuple(specimens), tuple(proposed), state)

    def _read_one(self, path: Path) -> tuple[str, list[Specimen], Any]:
        """Return hash, specimens and state of one file."""
        data = _bytes(path)
        if data is None:
            return "", [], None
        digest = _hash(data)
        try:
            parsed = geojson.parsed(data, str(path))
            found = geojson.of_data(parsed, str(path), masks=False)
            # The same file has to give the same ids: a journal may speak of its specimens before they have any.
            ids = tuple(id_ or str(uuid.uuid5(_IDS, f"{digest} {i}")) for i, id_ in enumerate(found.ids))
            specimens = from_annotations(replace(found, ids=ids), str(path))
        except InputError as error:
            folder = history.folder_of(self._project, path)
            raise InputError(f"{error} Earlier versions are in {folder}: put one of them in its place.") from error
        header = parsed.get(geojson.HEADER) if isinstance(parsed, dict) else None
        return digest, specimens, header.get("state") if isinstance(header, dict) else None

    def _check(self) -> None:
        """Refuse to overwrite what somebody else wrote."""
        known = (self._revision.annotations, self._revision.proposals)
        for path, digest in zip(self.paths, known, strict=True):
            data = _bytes(path)
            if ("" if data is None else _hash(data)) != digest:
                raise ConflictError(
                    f"The annotations of {self.image.id} were changed {_by_whom(path, data)} since this window read "
                    "them. Nothing was overwritten, and your edits are kept: merge them with what is there now "
                    "(rebase)."
                )


def files_of(project: Path, image_id: str) -> tuple[Path, Path]:
    """Return the files of annotations and of proposals of an image."""
    name = f"{image_id}{geojson.SUFFIX}"
    return project / ANNOTATIONS / name, project / PROPOSALS / name


def path_of(image: ProjectImage) -> str:
    """Return the path of an image from the project's folder, with ``#2`` and so on for other pages than the first."""
    return image.path + (f"#{image.page}" if image.page > 1 else "")


def name_of(image: ProjectImage) -> str:
    """Return the name of an image: that of its file, with the number of its page as in :func:`path_of`."""
    return path_of(image).rpartition("/")[2]


def _bytes(path: Path) -> bytes | None:
    """Return what a file holds, None where there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {reason(error)}") from error


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _by_whom(path: Path, data: bytes | None) -> str:
    """Return who wrote a file, and when, as far as that is known."""
    if data is None:
        return "by somebody who removed their file"
    try:
        header = geojson.parsed(data, str(path)).get(geojson.HEADER)
        return f"by {header['saved_by'] or 'somebody'} at {header['saved']}"
    except (InputError, AttributeError, KeyError, TypeError):
        when = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        return f"by another program at {when.isoformat(timespec='seconds')}"
