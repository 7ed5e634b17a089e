"""The project: a folder with settings, annotations and proposals, safe from crashes and from a second window.

``annotations/<id>.geojson`` and ``proposals/<id>.geojson`` hold the specimens of an image, ``diatom-project.yaml`` all
else. An edit is on disk, in a journal in ``.project/journals``, before its method returns; :meth:`Project.flush` writes
the files. Earlier versions are kept in ``.history``; the images stay where they are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from napari_diatom.core.annotations import Annotations
from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.errors import DiatomError, InputError
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor
from napari_diatom.project import backups, image_identity
from napari_diatom.project import summary as tallies
from napari_diatom.project.annotation_exchange import AnnotationExchange
from napari_diatom.project.class_editor import ClassEditor
from napari_diatom.project.document import Document
from napari_diatom.project.edits import Contents
from napari_diatom.project.folder_lock import HIDDEN, FolderLock, check_there
from napari_diatom.project.image_facts import ImageFacts
from napari_diatom.project.image_record import ANNOTATIONS, PROPOSALS, files_of
from napari_diatom.project.journal_folder import JournalFolder
from napari_diatom.project.linked_images import LinkedImages
from napari_diatom.project.open_documents import OpenDocuments
from napari_diatom.project.project_place import check_free
from napari_diatom.project.second_count_record import read_record
from napari_diatom.project.sessions import Session, user
from napari_diatom.project.settings import PROJECT_FILE, ProjectClass, ProjectImage, Settings, classes_of
from napari_diatom.project.settings_file import SettingsFile
from napari_diatom.project.staged_edits import StagedEdits, discard_abandoned, release_committed
from napari_diatom.project.suggestions import SUGGESTIONS_FILE
from napari_diatom.project.summary import Tally

OWN_ENTRIES: Final = (PROJECT_FILE, HIDDEN, backups.HISTORY, ANNOTATIONS, PROPOSALS, SUGGESTIONS_FILE)
"""What a project has in its folder."""


class Project:
    """An open project; make one with :meth:`create` or :meth:`open`, and :meth:`close` it.

    Parameters
    ----------
    folder : Path
        Its folder.
    annotator : str
        Who works in this window.

    Attributes
    ----------
    session : Session
        This window among those that have the project open; it knows the others.
    journals : JournalFolder
        The edits of all windows that are not in the files yet.
    documents : OpenDocuments
        The annotations that are in memory.
    linked_images : LinkedImages
        The image files; :meth:`remove_image` takes one out together with its annotations.
    exchange : AnnotationExchange
        Takes annotations in; :meth:`import_annotations` in one call.
    facts : ImageFacts
        Changes slide, sample and pixel size of images.
    classes : ClassEditor
        Changes the list of classes, and the specimens with it.
    """

    def __init__(self, folder: Path, annotator: str) -> None:
        self.folder = folder
        self.annotator = annotator
        self._lock = FolderLock(folder)
        self._settings = SettingsFile(folder, self._lock)
        self.session: Final = Session(folder / HIDDEN / "sessions", annotator)
        self.journals: Final = JournalFolder(folder, self.session)
        self._cache = tallies.Cache(folder / HIDDEN / "summary.json")
        self.documents: Final = OpenDocuments(
            self._settings,
            self.session,
            self.journals,
            self._lock,
            lambda image, document: self._cache.note(folder, image, document),
        )
        self.linked_images: Final = LinkedImages(self._settings)
        self.classes: Final = ClassEditor(self._settings, self.documents, self.summary)
        self.facts: Final = ImageFacts(self._settings)
        self.exchange: Final = AnnotationExchange(
            self._settings, self.documents, lambda: StagedEdits(folder, self.session)
        )
        release_committed(folder)
        discard_abandoned(folder, self.session)

    @classmethod
    def create(
        cls,
        folder: Path,
        images: Iterable[Path] = (),
        classes: Sequence[ProjectClass] | Sequence[str] = (),
        annotator: str | None = None,
        monitor: ProgressMonitor = UNWATCHED,
    ) -> Self:
        """Make a project in a folder that holds none, and open it.

        Parameters
        ----------
        folder : Path
            Made where it does not exist; may lie among the images.
        images : iterable of Path
            Image files.
        classes : sequence of ProjectClass or of str
            The classes, or their names.
        annotator : str, optional
            Who works in it; by default the user of the computer.
        monitor : ProgressMonitor
            See :mod:`napari_diatom.core.progress`; reports ``"images"``.

        Raises
        ------
        InputError
            When the folder holds a project or annotations of others, a file cannot be read, or the classes do not go
            together.
        OutputError
            When the folder cannot be written.
        """
        folder = folder.absolute()
        path = folder / PROJECT_FILE
        if path.exists():
            raise InputError(f"{folder} already contains a project: open it, or name another folder.")
        check_free(folder)
        described = image_identity.describe(folder, images, (), monitor)
        known = [item for item in classes if isinstance(item, ProjectClass)]
        named = classes_of([item for item in classes if isinstance(item, str)], known)
        settings = Settings().replace(
            classes=(*known, *named), images=described.images, pixel_sizes_um=described.pixel_sizes_um
        )
        write_atomically(path, settings.to_text())
        return cls.open(folder, annotator)

    @classmethod
    def open(cls, folder: Path, annotator: str | None = None) -> Self:
        """Open the project in a folder.

        Parameters
        ----------
        folder : Path
            With ``diatom-project.yaml``, or that file.
        annotator : str, optional
            Who works in it; by default the person of a second count, else the user of the computer.

        Raises
        ------
        InputError
            When there is no project, or its settings are damaged (every problem is named).
        """
        folder = folder.absolute()
        folder = folder.parent if folder.name == PROJECT_FILE else folder
        if annotator is None:
            record = read_record(folder)
            annotator = user() if record is None else record.person
        return cls(folder, annotator)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def settings(self) -> Settings:
        """What the project has agreed on, as this window knows it."""
        return self._settings.settings

    @property
    def images(self) -> tuple[ProjectImage, ...]:
        """The images, in their order."""
        return self._settings.settings.images

    def refresh(self) -> Settings:
        """Read the settings that another window may have written, and return them. Raises as :meth:`open`."""
        return self._settings.refresh()

    def update(self, settings: Settings) -> None:
        """Write settings; what another window changed besides is kept, and so is how far images are.

        Raises
        ------
        ConflictError
            When another window changed the same entries; nothing is written then.
        OutputError
            When they cannot be written.
        """
        self._settings.update(settings)

    @property
    def is_stored(self) -> bool:
        """Whether all edits are on disk; else the last ones of an image are in memory alone until there is room."""
        return not self.unstored()

    def unstored(self) -> list[str]:
        """Return the ids of the images whose last edits are in memory alone."""
        return self.documents.unstored()

    def is_open(self, image_id: str) -> bool:
        """Return whether the annotations of an image are in memory."""
        return image_id in self.documents

    def document(self, image_id: str) -> Document:
        """Return the annotations of an image; edits that a killed window left in its journal are made again.

        The same document is returned while it is open. Edits that do not go with what somebody else has written
        since stay in their journal, among the leftovers of :attr:`journals`.

        Raises
        ------
        InputError
            When there is no such image, or its files are damaged.
        """
        return self.documents.document(image_id)

    def show(self, image_id: str) -> Document:
        """Return the annotations of an image, and tell other windows that it is open here. Raises as `document`."""
        document = self.document(image_id)
        self.session.beat(image_id)
        return document

    def contents(self, image_id: str) -> Contents:
        """Return the annotations of an image as they are now, to be read only. Raises as :meth:`document`.

        An image that is not open is forgotten again, so that all images can be looked at in turn.
        """
        return self.documents.contents(image_id)

    def release(self, image_id: str) -> None:
        """Write the annotations of an image and forget them, so that memory does not grow. Raises as :meth:`flush`."""
        self.documents.release(image_id)

    def flush(self) -> None:
        """Write what was edited since the last time: when nothing else goes on, on switching the image, on closing.

        Raises
        ------
        ConflictError
            When another window wrote an image's annotations since this one read them: nothing of theirs is
            overwritten, and :meth:`Document.rebase <napari_diatom.project.document.Document.rebase>` merges both. All
            other images are written.
        OutputError
            When there is no room, or the folder cannot be written: edits stay, and the next flush tries again.
        """
        self.session.beat()
        self.documents.save()

    def close(self) -> None:
        """Write everything and leave; what cannot be written stays in its journal. Raises as :meth:`flush`."""
        try:
            self.documents.save(is_leaving=True)
        finally:
            self.documents.forget()
            self.session.close()
            with suppress(DiatomError):
                check_there(self.folder)
                write_atomically(self.folder / HIDDEN / "summary.json", self._cache.text())

    def path(self, image_id: str) -> Path:
        """Return where the file of an image is, or should be."""
        return self.linked_images.path(image_id)

    def add_images(self, paths: Iterable[Path], monitor: ProgressMonitor = UNWATCHED) -> tuple[ProjectImage, ...]:
        """Add image files; see :meth:`napari_diatom.project.linked_images.LinkedImages.add`."""
        return self.linked_images.add(paths, monitor)

    def remove_image(self, image_id: str) -> None:
        """Take an image out of the project; its annotations stay in ``.history``, its file where it is.

        Raises
        ------
        InputError
            When there is no such image.
        OutputError
            When the folder cannot be written.
        """
        self.settings.image(image_id)
        # What a killed window left is kept with the rest; a damaged file is kept as it is.
        with suppress(InputError):
            self.document(image_id)
        self.release(image_id)
        with self._lock.held():
            for path in files_of(self.folder, image_id):
                backups.retire(self.folder, path)
        self.linked_images.drop(image_id)

    def summary(self, image_ids: Collection[str] | None = None) -> tuple[Tally, ...]:
        """Return what images have, without reading outlines; what was counted of the same revision is known.

        Parameters
        ----------
        image_ids : collection of str, optional
            Of which images; of all by default.
        """
        wanted = [image for image in self.images if image_ids is None or image.id in image_ids]
        for image_id in self.journals.abandoned_images():
            if image_id not in self.documents and any(item.id == image_id for item in wanted):
                # A damaged file is reported in its tally.
                with suppress(InputError):
                    self.contents(image_id)
        return tuple(
            tallies.of_document(image, self.document(image.id))
            if image.id in self.documents
            else self._cache.tally(self.folder, image).renamed(self.settings.former_names)
            for image in wanted
        )

    def import_annotations(self, annotations: Sequence[Annotations]) -> int:
        """Add annotations to the images that they name, all of them or none.

        Images are found by path, file name or stem. Specimens that are there already are skipped; classes that the
        project lacks are added.

        Returns
        -------
        int
            How many specimens were added.

        Raises
        ------
        InputError
            With every problem found: names that no image or several have, other sizes, ids of other specimens.
        OutputError
            When they cannot be written.
        """
        return self.exchange.carry_out(self.exchange.plan(annotations))

    def export_annotations(self) -> list[Annotations]:
        """Return the annotations of all images, in their order.

        Each names its image as its file is called; where several are called the same, by the path.

        Raises
        ------
        InputError
            When the files of an image are damaged.
        """
        return self.exchange.give_out()
