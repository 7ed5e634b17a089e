"""The files of one image in a project: what they hold, how they are written, and the journal beside them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from napari_diatom.core.errors import InputError
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.project import backups, clock
from napari_diatom.project.annotation_file import (
    EDITS,
    REJECTED,
    AnnotationFile,
    by_whom,
    bytes_of,
    digest_of,
    read_file,
)
from napari_diatom.project.class_names import renamed_contents, renamed_edit
from napari_diatom.project.document import Document
from napari_diatom.project.edit_codec import Codec
from napari_diatom.project.edit_conflicts import ConflictError
from napari_diatom.project.edits import STATES, Contents, Edit, State, annotation_state
from napari_diatom.project.journal import DAMAGED, Journal, LeftoverJournal, is_taken
from napari_diatom.project.sessions import Session
from napari_diatom.project.settings import ProjectImage, Settings
from napari_diatom.project.specimen import Specimen

ANNOTATIONS: Final = "annotations"
PROPOSALS: Final = "proposals"

WINDOWS: Final = 30
"""Number of windows whose last edits a file names."""


class Record:
    """The files of one image, as a document's edit log.

    A file says which edits it has: of each window the number of the last. So an edit is made once, whether it comes
    from a journal that was left between writing the files and emptying it, from one that was taken from a window that
    only slept, or from that window itself.

    Parameters
    ----------
    project : Path
        The project's folder.
    image : ProjectImage
        The image.
    settings : callable
        Gives the project's settings of the moment.
    session : Session
        This window.
    journal : Journal
        Where its edits go.
    lock : callable
        Gives the lock under which files of the project are read and written.
    """

    def __init__(
        self,
        project: Path,
        image: ProjectImage,
        settings: Callable[[], Settings],
        session: Session,
        journal: Journal,
        lock: Callable[[], AbstractContextManager[object]],
    ) -> None:
        self.image = image
        self._project = project
        self._settings = settings
        self._session = session
        self._journal = journal
        self._lock = lock
        self._codec = Codec(image.height, image.width, self._colours())
        self._files = AnnotationFile(), AnnotationFile()
        self._latest: tuple[AnnotationFile, AnnotationFile] | None = None
        self._written = Contents()
        self._adopted: list[LeftoverJournal] = []
        self._replayed: dict[str, int] = {}
        self._last = 0

    @property
    def paths(self) -> tuple[Path, Path]:
        """The files of annotations and of proposals."""
        return files_of(self._project, self.image.id)

    def open(self) -> Contents:
        """Read the files; from here on they may be overwritten. Former names of classes are present ones there.

        Raises
        ------
        InputError
            When one is damaged or cannot be read.
        """
        self._take_over(self._read())
        return self._renamed(self._written)

    def append(self, edit: Edit) -> None:
        """Put an edit on disk."""
        self._last = edit.number
        self._journal.append(self._codec.line(edit))
        self._session.touch()

    def latest(self) -> Contents:
        """Return what the files hold now."""
        with self._lock():
            self._latest = self._read()
        return replace(self._renamed(self._contents(self._latest)), renamed=self._settings().former_names)

    def restart(self, edit: Edit) -> None:
        """Replace the journal by one edit, made on the latest contents."""
        if self._latest is not None:
            self._take_over(self._latest)
            self._latest = None
            self._last = max(self._last, edit.number)
            if edit.is_empty:
                self._journal.clear()
            else:
                self._journal.restart(self._codec.line(edit))

    def rest(self, left: LeftoverJournal) -> Edit | None:
        """Return what a journal holds that is neither in the files nor was made again already, as one edit."""
        made = self._replayed.get(left.session, 0)
        annotations, proposals = (max(file.edits.get(left.session, 0), made) for file in self._files)
        edit = left.rest((annotations, proposals))
        return None if edit is None else renamed_edit(edit, self._settings().former_names)

    def adopt(self, left: LeftoverJournal) -> None:
        """Take a journal that another window left as done; it goes when the files are written."""
        self._adopted.append(left)
        if left.session and left.last:
            self._replayed[left.session] = max(left.last, self._replayed.get(left.session, 0))

    def is_written(self, document: Document) -> bool:
        """Return whether there is nothing to write."""
        return document.is_saved and not self._adopted and not self._has_former_names()

    def holds(self, document: Document) -> bool:
        """Return whether the files that were read or written last hold the specimens and proposals of a document."""
        contents, written = document.contents, self._written
        return _same(contents.specimens, written.specimens) and _same(contents.proposals, written.proposals)

    def write(self, document: Document, is_leaving: bool = False) -> None:
        """Write what is not written yet; the caller holds the lock.

        Parameters
        ----------
        document : Document
            The image's.
        is_leaving : bool
            Whether the document is forgotten after this: then it is enough that another window wrote all its edits.

        Raises
        ------
        ConflictError
            When another window or program has written since; the journal keeps the edits.
        OutputError
            When the files cannot be written; what was there stays, and the journal keeps the edits.
        """
        if is_leaving and not document.is_saved and self._is_written_elsewhere(document):
            self._journal.clear()
            document.saved()
        if not document.is_saved or self._has_former_names():
            self._check()
            contents, annotator = self._renamed(document.contents), document.annotator
            # One after the other: the second may find no room, and the first is not to be written again then.
            if contents.state != self._written.state or not _same(contents.specimens, self._written.specimens):
                self._write(0, contents.specimens, contents, annotator)
                self._written = replace(contents, proposals=self._written.proposals, rejected=self._written.rejected)
            was = self._written
            if not (_same(contents.proposals, was.proposals) and _same(contents.rejected, was.rejected)):
                self._write(1, contents.proposals, contents, annotator)
            self._written = contents
            self._journal.clear()
            document.saved()
        for left in self._adopted:
            # A window may go on writing to a journal that has its own name still: its edits are found to be made.
            if is_taken(left.path):
                with suppress(OSError):
                    if left.damaged:
                        left.path.replace(left.path.with_name(left.path.name + DAMAGED))
                    else:
                        left.path.unlink(missing_ok=True)
        self._adopted.clear()

    def close(self) -> None:
        """Close the journal; what is not written stays in it."""
        self._journal.close()

    def _has_former_names(self) -> bool:
        """Return whether the files have former names of classes."""
        return self._renamed(self._written) is not self._written

    def _renamed(self, contents: Contents) -> Contents:
        """Return what files hold under the present names of classes; the same where there are no others."""
        return renamed_contents(contents, self._settings().former_names)

    def _colours(self) -> dict[str, str]:
        return {item.name: item.colour for item in self._settings().classes}

    def _write(self, number: int, specimens: Sequence[Specimen], contents: Contents, annotator: str) -> None:
        """Write one of the two files."""
        edits = dict(self._files[number].edits)
        for session, last in (*self._replayed.items(), (self._session.presence.session, self._last)):
            if last:
                # The latest stand last, and are kept.
                edits[session] = max(last, edits.pop(session, 0))
        edits = dict(list(edits.items())[-WINDOWS:])
        rejected = contents.rejected if number else ()
        text = self._text(specimens, rejected, contents.state, annotator, edits)
        backups.rewrite(self._project, self.paths[number], text)
        files = list(self._files)
        files[number] = replace(files[number], digest=digest_of(text.encode("utf-8")), edits=edits)
        self._files = files[0], files[1]

    def _text(
        self,
        specimens: Sequence[Specimen],
        rejected: Sequence[Specimen],
        state: State,
        annotator: str,
        edits: Mapping[str, int],
    ) -> str:
        """Return the text of one of the two files."""
        self._codec.recolour(self._colours())
        settings = self._settings()
        names = [item.name for item in settings.classes]
        header = {
            "classes": list(dict.fromkeys([*names, *(item.name for item in specimens)])),
            "image": image_name(self.image),
            "height": self.image.height,
            "width": self.image.width,
            "pixel_size_um": settings.pixel_sizes_um.get(self.image.slide),
            "state": state,
            "saved_by": annotator,
            "saved_on": self._session.presence.host,
            "saved": clock.now(),
            EDITS: dict(edits),
            **({REJECTED: [json.loads(text) for text in self._codec.texts(rejected)]} if rejected else {}),
        }
        return geojson.collection(header, self._codec.texts(specimens))

    def _take_over(self, files: tuple[AnnotationFile, AnnotationFile]) -> None:
        """Go on from what the files hold."""
        self._files = files
        self._written = self._contents(files)

    def _contents(self, files: tuple[AnnotationFile, AnnotationFile]) -> Contents:
        """Return what both files hold together."""
        annotations, proposals = files
        state = annotations.state
        if state not in STATES:
            # Another program has written the file.
            done = self.image.state == "done"
            state = "done" if done else annotation_state(annotations.specimens, proposals.specimens)
        elif state == "untouched" and proposals.specimens:
            state = "machine"
        own = self._session.presence.session
        included = annotations.edits.get(own, 0), proposals.edits.get(own, 0)
        return Contents(
            annotations.specimens,
            proposals.specimens,
            state,
            included,
            annotations.saved,
            rejected=proposals.rejected,
        )

    def _read(self) -> tuple[AnnotationFile, AnnotationFile]:
        """Read both files."""
        annotations, proposals = self.paths
        return read_file(self._project, annotations), read_file(self._project, proposals)

    def _is_written_elsewhere(self, document: Document) -> bool:
        """Return whether files that somebody else wrote have all edits of this window."""
        try:
            self._check()
        except ConflictError:
            with suppress(InputError):
                return document.unsaved(self._contents(self._read()).included).is_empty
        return False

    def _check(self) -> None:
        """Refuse to overwrite what somebody else wrote."""
        for path, file in zip(self.paths, self._files, strict=True):
            data = bytes_of(path)
            if ("" if data is None else digest_of(data)) != file.digest:
                raise ConflictError(
                    f"The annotations of {self.image.id} were changed {by_whom(path, data)} since this window read "
                    "them. Nothing was overwritten, and your edits are kept: merge them with what is there now "
                    "(rebase)."
                )


def files_of(project: Path, image_id: str) -> tuple[Path, Path]:
    """Return the files of annotations and of proposals of an image."""
    name = f"{image_id}{geojson.SUFFIX}"
    return project / ANNOTATIONS / name, project / PROPOSALS / name


def image_path(image: ProjectImage) -> str:
    """Return the path of an image from the project's folder, with ``#2`` and so on for other pages than the first."""
    return image.path + (f"#{image.page}" if image.page > 1 else "")


def image_name(image: ProjectImage) -> str:
    """Return the name of an image: that of its file, with the number of its page as in :func:`image_path`."""
    return image_path(image).rpartition("/")[2]


def _same(new: Sequence[Specimen], old: Sequence[Specimen]) -> bool:
    return len(new) == len(old) and all(a is b for a, b in zip(new, old, strict=True))
