"""The annotations that are open in this window: recovered when they are opened, written, and forgotten again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from napari_diatom.core.errors import DiatomError, InputError, OutputError
from napari_diatom.project.document import Document
from napari_diatom.project.edit_conflicts import ConflictError
from napari_diatom.project.edits import Contents, State
from napari_diatom.project.folder_lock import FolderLock, check_there
from napari_diatom.project.image_record import Record
from napari_diatom.project.journal import Journal, LeftoverJournal
from napari_diatom.project.journal_folder import JournalFolder
from napari_diatom.project.sessions import Session
from napari_diatom.project.settings import ProjectImage
from napari_diatom.project.settings_file import SettingsFile


class OpenDocuments:
    """Documents by the ids of their images, each with the files and the journal behind it.

    Parameters
    ----------
    settings : SettingsFile
        The project's settings; how far images are is noted there.
    session : Session
        This window.
    journals : JournalFolder
        What all windows have written since the files.
    lock : FolderLock
        Held while files are written.
    on_written : callable
        Gets the image and the document whose files were just written, under the lock.

    Attributes
    ----------
    journals : JournalFolder
        What all windows have written since the files.
    """

    def __init__(
        self,
        settings: SettingsFile,
        session: Session,
        journals: JournalFolder,
        lock: FolderLock,
        on_written: Callable[[ProjectImage, Document], None],
    ) -> None:
        self._settings = settings
        self._session = session
        self.journals: Final = journals
        self._lock = lock
        self._on_written = on_written
        self._open: dict[str, tuple[Record, Document]] = {}
        self._later: dict[str, State] | None = None

    def __contains__(self, image_id: str) -> bool:
        return image_id in self._open

    def in_memory(self) -> dict[str, Document]:
        """Return the documents that are open, by the ids of their images."""
        return {id_: document for id_, (_, document) in self._open.items()}

    def unstored(self) -> list[str]:
        """Return the ids of the images whose last edits are in memory alone."""
        return [id_ for id_, (_, document) in self._open.items() if not document.is_stored]

    def document(self, image_id: str) -> Document:
        """Return the document of an image; edits that a killed window left in its journal are made again.

        Raises
        ------
        InputError
            When there is no such image, its files are damaged, or the folder of the project is gone.
        """
        if image_id not in self._open:
            check_there(self._settings.folder)
            self._open[image_id] = self._opened(self._settings.settings.image(image_id))
        return self._open[image_id][1]

    def contents(self, image_id: str) -> Contents:
        """Return what an image has; one that was not open is forgotten again. Raises as :meth:`document`."""
        was_open = image_id in self._open
        document = self.document(image_id)
        if not was_open and document.is_saved:
            self._note_states([image_id])
            self._open.pop(image_id)[0].close()
        return document.contents

    def release(self, image_id: str) -> None:
        """Write an image's document and forget it. Raises as :meth:`save`."""
        if image_id in self._open:
            self.save([image_id], is_leaving=True)
            record, _ = self._open.pop(image_id)
            record.close()

    def leave_removed(self) -> None:
        """Forget documents of images that another window has removed; what is not written stays in their journals.

        Edits that are in memory alone are not forgotten.
        """
        there = {image.id for image in self._settings.settings.images}
        for id_, (record, document) in list(self._open.items()):
            if id_ not in there and document.is_stored:
                record.close()
                del self._open[id_]

    def save(self, ids: Sequence[str] | None = None, is_leaving: bool = False) -> None:
        """Write the files of images, by default of all that are open.

        Raises
        ------
        ConflictError, OutputError, InputError
            The first error, when all have been tried.
        """
        ids = list(self._open) if ids is None else ids
        waiting = [id_ for id_ in ids if id_ in self._open and not self._open[id_][0].is_written(self._open[id_][1])]
        errors: list[DiatomError] = []
        if waiting:
            with self._lock.held():
                for id_ in waiting:
                    record, document = self._open[id_]
                    try:
                        record.write(document, is_leaving)
                        if record.holds(document):
                            self._on_written(record.image, document)
                    except (ConflictError, OutputError, InputError) as error:
                        errors.append(error)
        self._note_states(ids)
        if errors:
            more = f" And {len(errors) - 1} more images." if len(errors) > 1 else ""
            raise type(errors[0])(f"{errors[0]}{more}") from errors[0]

    def forget(self) -> None:
        """Forget all documents; what is not written stays in their journals."""
        for record, _ in self._open.values():
            record.close()
        self._open.clear()

    @contextmanager
    def noting_states_at_the_end(self) -> Iterator[None]:
        """Write how far images are once, at the end of the block: the settings name all images."""
        if self._later is not None:
            yield
            return
        self._later = {}
        try:
            yield
        finally:
            states, self._later = self._later, None
            self._settings.note_states(states)

    def _opened(self, image: ProjectImage) -> tuple[Record, Document]:
        """Open the files of an image and make the edits again that a killed window left."""
        there = self._session.presence
        record = Record(
            self._settings.folder,
            image,
            lambda: self._settings.settings,
            self._session,
            Journal(
                self.journals.own(image.id),
                there.annotator,
                there.session,
                there.host,
                on_taken=self._session.beat,
            ),
            self._lock.held_if_possible,
        )
        with self._lock.held_if_possible() as is_locked:
            document = Document(record.open(), there.annotator, record, numbers=self._session.numbers)
            self._recover(record, document, self.journals.abandoned(image.id, is_locked))
            if is_locked:
                with suppress(OutputError, ConflictError):
                    # What cannot be written now is in the old journals as it was.
                    record.write(document)
        return record, document

    def _recover(self, record: Record, document: Document, journals: Sequence[LeftoverJournal]) -> None:
        """Make the edits of journals again, each of them whole or not at all."""
        waiting = list(journals)
        blocked: set[str] = set()
        is_going_on = True
        # Edits of one window may be made on those of another, and what their clocks say of the order means nothing.
        while waiting and is_going_on:
            is_going_on = False
            blocked.clear()
            for left in list(waiting):
                # The later journal of a window is made on the earlier one.
                if left.session and left.session in blocked:
                    continue
                try:
                    edit = record.rest(left)
                    if edit is not None:
                        document.replay(edit)
                except ConflictError as error:
                    self.journals.note_clashes(left, error.clashes)
                    blocked.add(left.session)
                    continue
                record.adopt(left)
                waiting.remove(left)
                is_going_on = True

    def _note_states(self, ids: Sequence[str]) -> None:
        """Write how far images are, as far as their files hold all of it."""
        documents = {id_: self._open[id_][1] for id_ in ids if id_ in self._open}
        states = {id_: item.state for id_, item in documents.items() if item.is_saved}
        if self._later is None:
            self._settings.note_states(states)
        else:
            self._later |= states
