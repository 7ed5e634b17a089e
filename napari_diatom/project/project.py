"""The project: a folder with settings, annotations and proposals, safe from crashes and from a second window.

``annotations/<id>.geojson`` and ``proposals/<id>.geojson`` hold the specimens of an image, ``diatom-project.yaml`` all
else. An edit is on disk, in a journal in ``.project/journals``, before its method returns; :meth:`Project.flush` writes
the files. Earlier versions are kept in ``.history``; the images stay where they are.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Self

from filelock import FileLock, Timeout

from napari_diatom.core.annotations import Annotations
from napari_diatom.core.atomic_files import reason, write_atomically
from napari_diatom.core.errors import DiatomError, InputError, OutputError
from napari_diatom.core.progress import Report, ShouldStop, never, silent
from napari_diatom.core.text import printable
from napari_diatom.core.text_files import LARGEST_YAML_BYTES, read_bytes
from napari_diatom.formats.shared.name_index import NameIndex
from napari_diatom.project import backups, image_files, journal
from napari_diatom.project import summary as tallies
from napari_diatom.project.document import Contents, Document
from napari_diatom.project.edit_conflicts import Clash, ConflictError
from napari_diatom.project.image_files import Condition
from napari_diatom.project.image_record import ANNOTATIONS, PROPOSALS, Record, files_of, name_of, path_of
from napari_diatom.project.journal import Journal, Left
from napari_diatom.project.sessions import Presence, Session, user
from napari_diatom.project.settings import PROJECT_FILE, ProjectClass, ProjectImage, Settings, classes_of, merged
from napari_diatom.project.specimen import Specimen, from_annotations, to_annotations
from napari_diatom.project.summary import Tally

HIDDEN: Final = ".project"
"""What windows need of each other: the lock, sessions, journals, and what was counted already."""
OWN_ENTRIES: Final = (PROJECT_FILE, HIDDEN, backups.HISTORY, ANNOTATIONS, PROPOSALS)
"""What a project has in its folder."""
LOCK_SECONDS: Final = 10.0
"""How long a window waits for another one that is writing."""


class Project:
    """An open project; make one with :meth:`create` or :meth:`open`, and :meth:`close` it.

    Parameters
    ----------
    folder : Path
        Its folder.
    annotator : str
        Who works in this window.
    """

    def __init__(self, folder: Path, annotator: str) -> None:
        self.folder = folder
        self.annotator = annotator
        self._hidden = folder / HIDDEN
        self._lock = FileLock(self._hidden / "lock")
        self._settings, self._revision = self._read()
        self._session = Session(self._hidden / "sessions", annotator)
        self._open: dict[str, tuple[Record, Document]] = {}
        self._cache = tallies.Cache(self._hidden / "summary.json")
        self._checked: dict[str, tuple[int, int]] = {}
        self._clashes: dict[Path, tuple[Clash, ...]] = {}

    @classmethod
    def create(
        cls,
        folder: Path,
        images: Iterable[Path] = (),
        classes: Sequence[ProjectClass] | Sequence[str] = (),
        annotator: str | None = None,
        report: Report = silent,
        should_stop: ShouldStop = never,
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
        report, should_stop
            See :mod:`napari_diatom.core.progress`; reports ``"images"``.

        Raises
        ------
        InputError
            When the folder holds a project, a file cannot be read, or the classes do not go together.
        OutputError
            When the folder cannot be written.
        """
        folder = folder.absolute()
        path = folder / PROJECT_FILE
        if path.exists():
            raise InputError(f"{folder} holds a project already: open it, or name another folder.")
        described = image_files.describe(folder, images, (), report, should_stop)
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
            Who works in it; by default the user of the computer.

        Raises
        ------
        InputError
            When there is no project, or its settings are damaged (every problem is named).
        """
        folder = folder.absolute()
        return cls(folder.parent if folder.name == PROJECT_FILE else folder, user() if annotator is None else annotator)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def settings(self) -> Settings:
        """What the project has agreed on, as this window knows it."""
        return self._settings

    @property
    def images(self) -> tuple[ProjectImage, ...]:
        """The images, in their order."""
        return self._settings.images

    def refresh(self) -> Settings:
        """Read the settings that another window may have written, and return them. Raises as :meth:`open`."""
        self._settings, self._revision = self._read()
        return self._settings

    def update(self, settings: Settings) -> None:
        """Write settings; what another window changed besides is kept, and so is how far images are.

        Raises
        ------
        ConflictError
            When another window changed the same entries; nothing is written then.
        OutputError
            When they cannot be written.
        """

        def change(there: Settings) -> Settings:
            # How far images are is the documents' to say; the settings may have been taken before the last of it.
            mine = _with_states(settings, {image.id: image.state for image in self._settings.images})
            both, clashes = merged(self._settings, mine, there)
            if clashes:
                raise ConflictError(
                    f"The settings of {self.folder.name} were changed by somebody else, too: {', '.join(clashes)}. "
                    "Nothing was overwritten: look at what is there now (refresh), and change it again."
                )
            return both

        self._change(change)

    @property
    def is_stored(self) -> bool:
        """Whether all edits are on disk; else the last ones of an image are in memory alone until there is room."""
        return not self.unstored()

    def unstored(self) -> list[str]:
        """Return the ids of the images whose last edits are in memory alone."""
        return [id_ for id_, (_, document) in self._open.items() if not document.is_stored]

    def is_open(self, image_id: str) -> bool:
        """Return whether the annotations of an image are in memory."""
        return image_id in self._open

    def document(self, image_id: str) -> Document:
        """Return the annotations of an image; edits that a killed window left in its journal are made again.

        The same document is returned while it is open. Edits that do not go with what somebody else has written
        since stay in their journal, see :meth:`leftovers`.

        Raises
        ------
        InputError
            When there is no such image, or its files are damaged.
        """
        if image_id not in self._open:
            self._open[image_id] = self._opened(self._settings.image(image_id))
        return self._open[image_id][1]

    def show(self, image_id: str) -> Document:
        """Return the annotations of an image, and tell other windows that it is open here. Raises as `document`."""
        document = self.document(image_id)
        self._session.beat(image_id)
        return document

    def contents(self, image_id: str) -> Contents:
        """Return the annotations of an image as they are now, to be read only. Raises as :meth:`document`.

        An image that is not open is forgotten again, so that all images can be looked at in turn.
        """
        was_open = image_id in self._open
        document = self.document(image_id)
        if not was_open and document.is_saved:
            self._note_states([image_id])
            self._open.pop(image_id)[0].close()
        return document.contents

    def release(self, image_id: str) -> None:
        """Write the annotations of an image and forget them, so that memory does not grow. Raises as :meth:`flush`."""
        if image_id in self._open:
            self._save([image_id], is_leaving=True)
            record, _ = self._open.pop(image_id)
            record.close()

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
        self._session.beat()
        self._save(list(self._open))

    def close(self) -> None:
        """Write everything and leave; what cannot be written stays in its journal. Raises as :meth:`flush`."""
        try:
            self._save(list(self._open), is_leaving=True)
        finally:
            for record, _ in self._open.values():
                record.close()
            self._open.clear()
            self._session.close()
            with suppress(DiatomError):
                write_atomically(self._hidden / "summary.json", self._cache.text())

    def beat(self) -> None:
        """Tell windows on other computers that this one is still there; to be called every half a minute."""
        self._session.beat()

    def others(self) -> list[Presence]:
        """Return the other windows that have the project open now."""
        return self._session.others()

    def leftovers(self) -> list[Left]:
        """Return journals of dead windows that could not be made again, or of which lines are damaged."""
        found: list[Left] = []
        folder = self._hidden / "journals"
        damaged = set(folder.glob(f"*{journal.DAMAGED}"))
        for path in sorted(damaged.union(self._journals())):
            if path in damaged or not self._session.is_live(journal.session_of(path)):
                found.append(dataclasses.replace(journal.read(path), clashes=self._clashes.get(path, ())))
        return found

    def waiting(self) -> list[Left]:
        """Return journals of other windows that are open, or may be: their edits are not in the files yet.

        A window on another computer may have died there; that it is gone is known when this window has been open
        beside it for :data:`~napari_diatom.project.sessions.SILENT_SECONDS`.
        """
        own = self._session.presence.session
        return [
            journal.read(path)
            for path in self._journals()
            if journal.session_of(path) != own and self._session.is_live(journal.session_of(path))
        ]

    def path(self, image_id: str) -> Path:
        """Return where the file of an image is, or should be."""
        return image_files.place_of(self.folder, self._settings.image(image_id))

    def condition(self, image_id: str) -> Condition:
        """Return whether the file of an image is still the one that was annotated.

        A file whose time and length are as when this window looked last is not read again.

        Raises
        ------
        InputError
            When the file cannot be read.
        """
        image = self._settings.image(image_id)
        try:
            facts = self.path(image_id).stat()
        except OSError:
            return "missing"
        stamp = facts.st_mtime_ns, facts.st_size
        if self._checked.get(image_id) == stamp:
            return "as it was"
        found = image_files.condition(self.folder, image)
        if found == "as it was":
            self._checked[image_id] = stamp
        return found

    def find_moved(self, folders: Iterable[Path]) -> dict[str, Path]:
        """Look for missing and changed images in folders, by length and hash; note where they are, and return it.

        Raises
        ------
        InputError
            When a folder cannot be looked into.
        OutputError
            When the settings cannot be written.
        """
        gone = [image for image in self.images if self.condition(image.id) != "as it was"]
        found = image_files.find(gone, folders)
        places = {id_: image_files.relative(self.folder, path.absolute()) for id_, path in found.items()}
        if places:
            self._change(
                lambda settings: settings.replace(
                    images=tuple(
                        image.replace(path=places[image.id]) if image.id in places else image
                        for image in settings.images
                    )
                )
            )
        return found

    def accept_changed(self, image_id: str) -> None:
        """Say that the annotations of an image belong to the file as it is now.

        Raises
        ------
        InputError
            When the file cannot be read, or has another size in pixels.
        OutputError
            When the settings cannot be written.
        """
        image = self._settings.image(image_id)
        pages = image_files.describe(self.folder, [self.path(image_id)]).images
        now = next((page for page in pages if page.page == image.page), None)
        if now is None or (now.height, now.width) != (image.height, image.width):
            raise InputError(
                f"{self.path(image_id)} is another image now: it was {image.width} x {image.height} px. Put the old "
                "file back, or add this one as an image of its own."
            )
        self._change(lambda settings: settings.with_image(image_id, sha256=now.sha256, size=now.size))

    def add_images(
        self, paths: Iterable[Path], report: Report = silent, should_stop: ShouldStop = never
    ) -> tuple[ProjectImage, ...]:
        """Add image files, all of them or none, and return those that are new.

        Raises
        ------
        InputError
            When a file cannot be read or is no image.
        OutputError
            When the settings cannot be written.
        """
        self.refresh()
        new = image_files.describe(self.folder, paths, self.images, report, should_stop)

        def change(settings: Settings) -> Settings:
            sizes = new.pixel_sizes_um | settings.pixel_sizes_um
            return settings.replace(images=(*settings.images, *new.images), pixel_sizes_um=sizes)

        if new.images:
            self._change(change)
        return new.images

    def remove_image(self, image_id: str) -> None:
        """Take an image out of the project; its annotations stay in ``.history``, its file where it is.

        Raises
        ------
        InputError
            When there is no such image.
        OutputError
            When the folder cannot be written.
        """
        self._settings.image(image_id)
        self.release(image_id)
        with self._locked():
            for path in files_of(self.folder, image_id):
                backups.retire(self.folder, path)
        self._change(
            lambda settings: settings.replace(images=tuple(item for item in settings.images if item.id != image_id))
        )

    def summary(self) -> tuple[Tally, ...]:
        """Return what each image has, without reading outlines; what was counted of the same revision is known."""
        for path in self._journals():
            image_id = journal.image_of(path)
            known = any(item.id == image_id for item in self.images)
            if known and image_id not in self._open and not self._session.is_live(journal.session_of(path)):
                # A damaged file is told of in its tally.
                with suppress(InputError):
                    self.contents(image_id)
        return tuple(
            tallies.of_document(image, self._open[image.id][1])
            if image.id in self._open
            else self._cache.tally(self.folder, image)
            for image in self.images
        )

    def import_annotations(self, annotations: Sequence[Annotations]) -> int:
        """Add annotations to the images that they name, all of them or none.

        Images are found by path, file name or stem. Specimens that are there already are passed over; classes that the
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
        problems: list[str] = []
        new: dict[str, list[Specimen]] = {}
        index = NameIndex((path_of(image), image) for image in self.images)
        for number, item in enumerate(annotations, start=1):
            label = printable(item.image) or f"Number {number} without a name"
            try:
                image = self._meant(item, index)
                coming = new.setdefault(image.id, [])
                coming += self._missing(image, item, coming)
            except InputError as error:
                problems.append(f"{label}: {error}")
        if problems:
            more = f" And {len(problems) - 5} more." if len(problems) > 5 else ""
            raise InputError(f"Nothing was imported. {' '.join(problems[:5])}{more}")
        names = [name for item in annotations if len(item) for name in item.detections.classes]
        if self._settings.with_classes(names) is not self._settings:
            self._change(lambda settings: settings.with_classes(names))
        made: list[Document] = []
        try:
            for id_, specimens in new.items():
                if specimens:
                    made.append(self.document(id_))
                    made[-1].add(specimens, "import", stamped=True)
            self._save(list(new))
        except DiatomError:
            for document in made:
                with suppress(OutputError):
                    document.undo()
            raise
        return sum(map(len, new.values()))

    def export_annotations(self) -> list[Annotations]:
        """Return the annotations of all images, in their order.

        Each names its image as its file is called; where several are called the same, by the path.

        Raises
        ------
        InputError
            When the files of an image are damaged.
        """
        names = [name_of(image) for image in self.images]
        exported: list[Annotations] = []
        for image, name in zip(self.images, names, strict=True):
            exported.append(
                to_annotations(
                    self.contents(image.id).specimens,
                    name if names.count(name) == 1 else path_of(image),
                    image.height,
                    image.width,
                    self._settings.pixel_sizes_um.get(image.slide),
                    [item.name for item in self._settings.classes],
                )
            )
        return exported

    def _read(self) -> tuple[Settings, str]:
        """Return the settings on disk and their hash."""
        path = self.folder / PROJECT_FILE
        if not os.path.lexists(path):
            raise InputError(f"{self.folder} is not a project: {PROJECT_FILE} is missing.")
        data = read_bytes(path, LARGEST_YAML_BYTES)
        return Settings.of_text(data, str(path)), hashlib.sha256(data).hexdigest()

    def _change(self, change: Callable[[Settings], Settings]) -> None:
        """Change the settings as they are on disk now."""
        with self._locked():
            there, revision = (self._settings, self._revision) if self._is_current() else self._read()
            new = change(there)
            if new != there:
                text = new.to_text()
                backups.rewrite(self.folder, self.folder / PROJECT_FILE, text)
                revision = hashlib.sha256(text.encode("utf-8")).hexdigest()
            self._settings, self._revision = new, revision

    def _is_current(self) -> bool:
        """Return whether the settings on disk are those that this window knows."""
        try:
            data = read_bytes(self.folder / PROJECT_FILE, LARGEST_YAML_BYTES)
        except InputError:
            return False
        return hashlib.sha256(data).hexdigest() == self._revision

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other windows from writing."""
        try:
            self._hidden.mkdir(exist_ok=True)
            self._lock.acquire(timeout=LOCK_SECONDS)
        except Timeout:
            raise OutputError(
                f"{self.folder} is being written by another window for {LOCK_SECONDS:.0f} s: try again."
            ) from None
        except (OSError, NotImplementedError) as error:
            said = reason(error) if isinstance(error, OSError) else "its file system knows no locks."
            raise OutputError(f"{self.folder} cannot be written: {said}") from error
        try:
            yield
        finally:
            self._lock.release()

    @contextmanager
    def _locked_if_possible(self) -> Iterator[bool]:
        """Keep other windows from writing, and say whether that was possible; what cannot be locked can be read."""
        try:
            self._hidden.mkdir(exist_ok=True)
            self._lock.acquire(timeout=LOCK_SECONDS)
        except (Timeout, OSError, NotImplementedError):
            yield False
            return
        try:
            yield True
        finally:
            self._lock.release()

    def _opened(self, image: ProjectImage) -> tuple[Record, Document]:
        """Open the files of an image and make the edits again that a killed window left."""
        there = self._session.presence
        record = Record(
            self.folder,
            image,
            lambda: self._settings,
            self._session,
            Journal(
                self._journal_of(image.id, there.session),
                self.annotator,
                there.session,
                there.host,
                on_taken=self._session.beat,
            ),
            self._locked_if_possible,
        )
        with self._locked_if_possible() as is_locked:
            document = Document(record.open(), self.annotator, record, numbers=self._session.numbers)
            self._recover(record, document, self._left(image.id, is_locked))
            if is_locked:
                with suppress(OutputError, ConflictError):
                    # What cannot be written now is in the old journals as it was.
                    record.write(document)
        return record, document

    def _recover(self, record: Record, document: Document, journals: Sequence[Left]) -> None:
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
                    self._clashes[left.path] = error.clashes
                    blocked.add(left.session)
                    continue
                record.adopt(left)
                waiting.remove(left)
                is_going_on = True

    def _left(self, image_id: str, is_locked: bool) -> list[Left]:
        """Return the journals of an image that dead windows left, the earlier one of a window first.

        Only who holds the lock may take them.
        """
        found: list[Left] = []
        for path in self._journals():
            if journal.image_of(path) == image_id and not self._session.is_live(journal.session_of(path)):
                left = journal.read(path)
                if is_locked and not left.problem:
                    left = journal.read(journal.take(path))
                if not left.problem:
                    found.append(left)
        return sorted(found, key=lambda left: (left.session, left.last, left.begun, left.path.name))

    def _journals(self) -> list[Path]:
        """Return all journals, those of this window too."""
        return sorted((self._hidden / "journals").glob(f"*{journal.SUFFIX}"))

    def _journal_of(self, image_id: str, session: str) -> Path:
        return self._hidden / "journals" / f"{image_id}.{session}{journal.SUFFIX}"

    def _save(self, ids: Sequence[str], is_leaving: bool = False) -> None:
        """Write the files of images; the first error is raised when all have been tried."""
        waiting = [id_ for id_ in ids if id_ in self._open and not self._open[id_][0].is_written(self._open[id_][1])]
        errors: list[DiatomError] = []
        if waiting:
            with self._locked():
                for id_ in waiting:
                    record, document = self._open[id_]
                    try:
                        record.write(document, is_leaving)
                    except (ConflictError, OutputError, InputError) as error:
                        errors.append(error)
        self._note_states(ids)
        if errors:
            more = f" And {len(errors) - 1} more images." if len(errors) > 1 else ""
            raise type(errors[0])(f"{errors[0]}{more}") from errors[0]

    def _note_states(self, ids: Sequence[str]) -> None:
        """Write how far images are where that is news."""
        known = {image.id: image.state for image in self.images}
        news: dict[str, str] = {}
        for id_ in ids:
            if id_ in self._open and id_ in known:
                _, document = self._open[id_]
                if document.is_saved and document.state != known[id_]:
                    news[id_] = document.state
        if news:
            # Each image's own file says so, too: where this finds no room, the next flush tries again.
            with suppress(OutputError):
                self._change(lambda settings: _with_states(settings, news))

    def _meant(self, annotations: Annotations, index: NameIndex[ProjectImage]) -> ProjectImage:
        """Return the image that annotations belong to."""
        name = annotations.image
        found = index.find(name, any_suffix=True) if name else []
        found = found or [image for image in self.images if image.id == name]
        if not found:
            raise InputError("the project has no image of this name.")
        if len(found) > 1:
            raise InputError(
                f"{len(found)} images of the project have this name ({', '.join(map(path_of, found[:3]))}): write the "
                "folder before the name in the annotations, or rename the images."
            )
        size = annotations.height, annotations.width
        if all(size) and size != (found[0].height, found[0].width):
            raise InputError(
                f"they are of an image of {size[1]} x {size[0]} px, {found[0].id} has {found[0].width} x "
                f"{found[0].height} px."
            )
        return found[0]

    def _missing(self, image: ProjectImage, annotations: Annotations, coming: Sequence[Specimen]) -> list[Specimen]:
        """Return the specimens that an image has not yet, nor gets from what is imported besides."""
        document = self.document(image.id)
        there = {**document.proposals, **document.specimens, **{item.id: item for item in coming}}
        new: list[Specimen] = []
        for item in from_annotations(annotations):
            if item.id not in there:
                new.append(item)
            elif not item.is_like(there[item.id]):
                raise InputError(f"the specimen {item.id} is in the project already, and differs.")
        return new


def _with_states(settings: Settings, states: Mapping[str, str]) -> Settings:
    return settings.replace(
        images=tuple(
            image.replace(state=states[image.id]) if image.id in states else image for image in settings.images
        )
    )
