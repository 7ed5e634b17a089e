"""The classes of a project, changed together with all specimens that have them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from napari_diatom.core.errors import DiatomError, InputError
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.core.text import many
from napari_diatom.project import class_changes
from napari_diatom.project.class_names import renamed_edit, renamed_specimens
from napari_diatom.project.document import Document
from napari_diatom.project.edits import Edit
from napari_diatom.project.open_documents import OpenDocuments
from napari_diatom.project.settings import ProjectClass, Settings
from napari_diatom.project.settings_file import SettingsFile
from napari_diatom.project.specimen import Specimen
from napari_diatom.project.summary import Tally


@dataclass(frozen=True)
class ClassUse:
    """How much a class is used.

    Attributes
    ----------
    specimens : int
        Number of specimens that have it.
    images : int
        Number of images that they are in.
    """

    specimens: int = 0
    images: int = 0

    def text(self) -> str:
        """Return it in words."""
        if not self.specimens:
            return "no specimens"
        return f"{many(self.specimens, 'specimen')} in {many(self.images, 'image')}"


class ClassEditor:
    """Changes the list of classes, and the specimens with it.

    A change is made on the list as it is on disk, so windows that change one list at the same time keep each other's
    changes. A new name is in force when the settings are written; the files of images follow in :meth:`settle`, or when
    they are opened.

    Parameters
    ----------
    settings : SettingsFile
        The project's settings.
    documents : OpenDocuments
        The project's documents.
    tallies : callable
        Counts the specimens of all images.
    """

    def __init__(
        self, settings: SettingsFile, documents: OpenDocuments, tallies: Callable[[], Sequence[Tally]]
    ) -> None:
        self._settings = settings
        self._documents = documents
        self._tallies = tallies
        self._names = settings.settings.former_names
        """The names that open documents have taken over: the settings may be read for another reason, too."""

    def use(self) -> dict[str, ClassUse]:
        """Return how much each class is used: those of the list in their order, then others that specimens have."""
        specimens: Counter[str] = Counter()
        images: Counter[str] = Counter()
        for tally in self._tallies():
            numbers = tally.by_class()
            specimens.update(numbers)
            images.update(name for name, number in numbers.items() if number)
        listed = [item.name for item in self._settings.settings.classes]
        others = sorted(specimens.keys() - set(listed))
        return {name: ClassUse(specimens[name], images[name]) for name in (*listed, *others)}

    def present(self, specimens: Iterable[Specimen]) -> tuple[Specimen, ...]:
        """Return specimens from outside the project, those of a former name of a class under its present name."""
        return renamed_specimens(specimens, self._settings.settings.former_names)

    def add(self, name: str, code: str = "", colour: str = "", key: str | None = None) -> None:
        """Add a class; see :func:`~napari_diatom.project.class_changes.with_new_class`. Raises OutputError, too."""
        self._free_former_names([name.strip()])
        self._change(lambda settings: class_changes.with_new_class(settings, name, code, colour, key))

    def set_no_taxon(self, names: Iterable[str]) -> None:
        """Say which classes name no taxon, beside those that never do. Raises InputError or OutputError."""
        listed = list(names)
        self._change(lambda settings: class_changes.with_no_taxon(settings, listed))

    def change(self, name: str, **changes: str) -> None:
        """Change ``code``, ``colour`` or ``key`` of a class.

        See :func:`~napari_diatom.project.class_changes.with_class_changed`. Raises OutputError, too.
        """
        self._change(lambda settings: class_changes.with_class_changed(settings, name, **changes))

    def move(self, name: str, place: int) -> None:
        """Move a class to another place, counted from 1. Raises InputError or OutputError."""
        self._change(lambda settings: class_changes.with_class_moved(settings, name, place))

    def rename(self, name: str, new_name: str, monitor: ProgressMonitor | None = UNWATCHED) -> None:
        """Give a class another name, and all its specimens with it.

        Parameters
        ----------
        name, new_name : str
            The present name and the new one.
        monitor : ProgressMonitor or None
            As for :meth:`settle`; with None the files of images follow later.

        Raises
        ------
        InputError
            When there is no such class, or the new name is blank or that of another class.
        OutputError
            When the settings cannot be written.
        """
        self._free_former_names([new_name.strip()])
        self._change(lambda settings: class_changes.with_class_renamed(settings, name, new_name))
        if monitor is not None:
            self.settle(monitor)

    def merge(self, names: Iterable[str], into: str, monitor: ProgressMonitor | None = UNWATCHED) -> None:
        """Make several classes one: their specimens get the class ``into``, and they leave the list.

        Parameters
        ----------
        names : iterable of str
            Classes of the list, or names that only specimens have.
        into : str
            The class that stays.
        monitor : ProgressMonitor or None
            As for :meth:`rename`.

        Raises
        ------
        InputError
            When ``into`` is not there or is one of the others, or one of them is neither in the list nor in use.
        OutputError
            When the settings cannot be written.
        """
        listed = list(dict.fromkeys(names))
        known = self.use()
        for name in listed:
            if name not in known:
                class_changes.class_named(self._settings.settings, name)
        self._change(lambda settings: class_changes.with_classes_merged(settings, listed, into))
        if monitor is not None:
            self.settle(monitor)

    def remove(self, name: str, delete_specimens: bool = False, monitor: ProgressMonitor = UNWATCHED) -> int:
        """Remove a class from the list, and return how many specimens were deleted.

        Parameters
        ----------
        name : str
            The class.
        delete_specimens : bool
            Whether its specimens are deleted. Earlier versions of their files stay in ``.history``.
        monitor : ProgressMonitor
            See :mod:`napari_diatom.core.progress`; reports ``"images"``. When it is stopped the class stays, with the
            specimens that are left.

        Raises
        ------
        InputError
            When there is no such class, or it has specimens that are not to be deleted.
        ConflictError
            When another window changed the same specimens.
        OutputError
            When something cannot be written; the class stays then.
        """
        class_changes.class_named(self._settings.settings, name)
        found = self.use()[name]
        if found.specimens and not delete_specimens:
            raise InputError(
                f"{name} has {found.text()}: merge it into another class, or say that its specimens are to be deleted."
            )
        deleted = self._delete(name, monitor) if found.specimens else 0
        self._change(lambda settings: class_changes.without_class(settings, name))
        return deleted

    def take_list(self, taxa: Sequence[ProjectClass], given: Iterable[str] = ("code",)) -> int:
        """Add the classes of a list, and return how many are new.

        See :func:`~napari_diatom.project.class_changes.with_taxa`. Raises OutputError, too.
        """
        self._free_former_names([item.name for item in taxa])
        before = len(self._settings.settings.classes)
        fields = tuple(given)
        self._change(lambda settings: class_changes.with_taxa(settings, taxa, fields))
        return len(self._settings.settings.classes) - before

    def settle(self, monitor: ProgressMonitor = UNWATCHED) -> None:
        """Write all files that have a former name of a class; stopped or killed, the rest follows when it is opened.

        Parameters
        ----------
        monitor : ProgressMonitor
            See :mod:`napari_diatom.core.progress`; reports ``"images"``.

        Raises
        ------
        Stopped
            When a stop was asked for; all that was done is whole.
        """
        if not self._settings.settings.former_names:
            return
        images = self._settings.settings.images
        for number, image in enumerate(images):
            monitor.report(Progress("images", number, len(images), image.id))
            monitor.check()
            # A damaged file is reported by a check of the project, and has its specimens under their present names
            # as soon as it is put right. What cannot be written now is written when the image is opened.
            with suppress(DiatomError):
                self._documents.contents(image.id)
                self._documents.save([image.id])
        monitor.report(Progress("images", len(images), len(images)))

    def catch_up(self) -> bool:
        """Read what other windows made of the list, and return whether they changed the classes.

        Open documents get the present names of classes.

        Raises
        ------
        InputError
            When the settings on disk are damaged.
        """
        before = self._settings.settings
        self._settings.catch_up()
        after = self._settings.settings
        is_renamed = self._names != after.former_names
        if is_renamed:
            self._rename_open()
        return is_renamed or before.classes != after.classes

    def _change(self, change: Callable[[Settings], Settings]) -> None:
        self._settings.change(change)
        self._rename_open()

    def _rename_open(self) -> None:
        self._names = names = self._settings.settings.former_names
        for document in self._documents.in_memory().values():
            _rename_in(document, names)

    def _free_former_names(self, names: Iterable[str]) -> None:
        """Make sure that no file has a former name any more that becomes a class again."""
        if self._settings.settings.former_names.keys() & set(names):
            self.settle()

    def _delete(self, name: str, monitor: ProgressMonitor) -> int:
        """Delete the specimens of a class, image by image."""
        wanted = [tally.image.id for tally in self._tallies() if tally.by_class()[name]]
        deleted = 0
        for number, id_ in enumerate(wanted):
            monitor.report(Progress("images", number, len(wanted), id_))
            monitor.check()
            was_open = id_ in self._documents
            document = self._documents.document(id_)
            ids = [key for key, item in document.specimens.items() if item.name == name]
            if ids:
                document.remove(ids)
                deleted += len(ids)
            self._documents.save([id_])
            if not was_open:
                self._documents.release(id_)
        monitor.report(Progress("images", len(wanted), len(wanted)))
        return deleted


def _rename_in(document: Document, names: Mapping[str, str]) -> None:
    """Give the specimens and proposals of a document the present names of their classes.

    It needs no journal: the settings have the former names, and a killed window's specimens are read under the present
    ones. What can be undone stays so.
    """
    document.history.done = [renamed_edit(item, names) for item in document.history.done]
    document.history.undone = [renamed_edit(item, names) for item in document.history.undone]
    specimens = {id_: item for id_, item in document.specimens.items() if item.name in names}
    proposals = {id_: item for id_, item in document.proposals.items() if item.name in names}
    if not specimens and not proposals:
        return
    state = document.state, document.state
    same = Edit("class", specimens, specimens, proposals, proposals, state)
    now = renamed_edit(same, names)
    edit = document.replay(Edit("class", specimens, now.after, proposals, now.proposals_after, state))
    if edit is not None:
        document.edited.emit(edit)
