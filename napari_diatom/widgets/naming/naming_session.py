"""The names of the open project, for all parts of the window that show or change them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from qtpy.QtCore import QObject, QTimer, Signal

from napari_diatom.core.errors import DiatomError
from napari_diatom.models import library
from napari_diatom.naming.method_choice import choose_methods
from napari_diatom.project.bulk_work import Changed
from napari_diatom.project.gallery_order import Entry
from napari_diatom.project.project import Project
from napari_diatom.project.suggestions import SuggestionLog, answered
from napari_diatom.review.known_specimens import specimen_place
from napari_diatom.review.project_names import ProjectNames
from napari_diatom.review.suggested_names import SuggestedNames
from napari_diatom.widgets.common.closing import when_destroyed
from napari_diatom.widgets.naming.background_work import BackgroundWork
from napari_diatom.widgets.naming.bulk_steps import BulkSteps, Made
from napari_diatom.widgets.naming.project_reader import ProjectReader
from napari_diatom.widgets.naming.vector_maker import VectorMaker

_VECTORS_MS: Final = 300
"""Time without an edit after which vectors are computed: a box that is being drawn changes several times."""
_SETTLE_MS: Final = 1500
"""Time without a name after which the best method is chosen."""


class NamingSession(QObject):
    """Reads the specimens of a project, keeps up with edits, and names many at once.

    Nothing is read or computed before :meth:`begin`.

    Parameters
    ----------
    parent : QObject, optional
        Its owner.

    Attributes
    ----------
    project : Project or None
        The open project.
    names : ProjectNames or None
        Its names, None until the known vectors are read that :meth:`begin` asks for.
    steps : BulkSteps
        Names specimens of several images in one step.
    by_counts : bool
        Whether suggestions are weighed by how common taxa are in the sample.
    shown_image : str
        Id of the image whose vectors are computed first.
    background : BackgroundWork
        Does work in threads while the project is open.
    """

    changed = Signal()
    """Specimens, names or vectors have changed."""
    project_changed = Signal()
    """Another project was opened, or the project was closed."""
    edited = Signal(object)
    """Ids of the images whose specimens were named here."""
    classes_changed = Signal()
    """A class was added to the project."""
    failed = Signal(str)
    """What went wrong."""
    progressed = Signal(str)
    """What goes on in the background; empty when nothing does."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.project: Project | None = None
        self.names: ProjectNames | None = None
        self.by_counts = False
        self.shown_image = ""
        self._is_wanted = False
        self.background = BackgroundWork(self)
        self.background.failed.connect(self.failed)
        self.steps = BulkSteps(self)
        self.steps.edited.connect(self._take_edited)
        self.steps.ended.connect(self._note_change)
        self.steps.failed.connect(self.failed)
        self.steps.progressed.connect(lambda text: self.progressed.emit(text and f"Naming: {text}"))
        self._reader = ProjectReader(self.background, self)
        self._reader.begun.connect(self._use)
        self._reader.ended.connect(self._note_change)
        self._reader.failed.connect(self.failed)
        self._maker = VectorMaker(self)
        self._maker.computed.connect(self._take_vectors)
        self._maker.failed.connect(self.failed)
        looking = "Looking at the specimens: {} of {}"
        self._maker.progressed.connect(lambda done, total: self.progressed.emit(looking.format(done, total)))
        self._maker.finished.connect(lambda: self.progressed.emit(""))
        self._vector_timer = _single_shot(self, _VECTORS_MS, self._compute)
        self._settle_timer = _single_shot(self, _SETTLE_MS, self._settle)
        when_destroyed(self, VectorMaker.stop, self._maker)

    @property
    def is_reading(self) -> bool:
        """Whether some images have not been read, or their names not learnt yet."""
        return self._reader.is_reading

    @property
    def is_looking(self) -> bool:
        """Whether vectors are being computed, or will be."""
        return self._maker.is_running or self._vector_timer.isActive()

    def set_project(self, project: Project | None) -> None:
        """Work on another project, or on none."""
        self._maker.stop()
        self._reader.stop()
        self.background.stop()
        for timer in (self._vector_timer, self._settle_timer):
            timer.stop()
        self.project, self.names = project, None
        self.steps.set_project(project)
        self.project_changed.emit()
        if self._is_wanted:
            self.begin()
        self.changed.emit()

    def begin(self) -> bool:
        """Read the project, if that was not begun yet, and return whether names can be suggested."""
        self._is_wanted = True
        if self.names is not None or self.project is None or self.is_reading:
            return self.project is not None
        try:
            embedder = library.resolve_embedder(library.EMBEDDER)
        except DiatomError as error:
            self.failed.emit(str(error))
            return False
        self._reader.start(self.project, embedder)
        return True

    def refresh(self, *image_ids: str) -> None:
        """Take over what images hold now."""
        for image_id in image_ids if self.names is not None else ():
            self._reader.take(image_id)
        if self.names is not None:
            self._note_change()

    def reread(self) -> None:
        """Take over classes, slides and sizes from the settings of the project."""
        if self.names is not None and self.project is not None:
            self.background.stop()
            specimens = self.names.specimens
            self._reader.start(self.project, specimens.embedder, specimens.cache)

    def weigh_by_counts(self, is_wanted: bool) -> None:
        """Weigh suggestions by how common each taxon is in the sample so far, or take all as equally common."""
        self.by_counts = is_wanted
        self.changed.emit()

    def suggest(self, keys: Sequence[str], number: int) -> list[SuggestedNames]:
        """Return what specimens of one sample may be called, in their order."""
        if self.names is None or self.project is None or not keys:
            return []
        counted = None
        if self.by_counts:
            image_id, _ = specimen_place(keys[0])
            counted = self.names.counts(self.project.settings.image(image_id).sample)
        return self.names.suggest(keys, number, counted)

    def entry(self, key: str) -> Entry:
        """Return what views show of a specimen. Raises InputError where it is not there any more."""
        assert self.names is not None
        assert self.project is not None
        known = self.names.specimens.table.specimen(key)
        image_id, specimen_id = specimen_place(key)
        item, settings = known.specimen, self.project.settings
        size = settings.pixel_sizes_um.get(settings.image(image_id).slide)
        return Entry(image_id, specimen_id, item.box, item.name, item.status, item.score, known.is_proposal, size)

    def name(self, taxon: str, entries: Iterable[Entry], made: Made | None = None) -> bool:
        """Name specimens and accept proposals, as one step. A class that the project does not have is added.

        Parameters
        ----------
        taxon : str
            The name.
        entries : iterable of Entry
            The specimens.
        made : callable, optional
            Gets the step when it is made: at once in few images, else in later turns of the event loop.

        Returns
        -------
        bool
            Whether it was begun.
        """
        return self.name_each(((entry, taxon) for entry in entries), made)

    def name_each(self, named: Iterable[tuple[Entry, str]], made: Made | None = None) -> bool:
        """Give each of several specimens a name of its own, as one step; see :meth:`name`."""
        taxa: dict[str, dict[str, str]] = {}
        for entry, taxon in named:
            if taxon.strip():
                taxa.setdefault(entry.image_id, {})[entry.id] = taxon.strip()
        if not taxa or not self.add_classes({name for part in taxa.values() for name in part.values()}):
            return False
        self.steps.name_each(taxa, made)
        return True

    def add_classes(self, names: Iterable[str]) -> bool:
        """Add the classes that the project does not have; return whether it has all of them now."""
        if self.project is None:
            return False
        new = sorted(set(names) - {entry.name for entry in self.project.settings.classes})
        for name in new:
            try:
                self.project.classes.add(name)
            except DiatomError as error:
                self.failed.emit(str(error))
                return False
        if new:
            self.classes_changed.emit()
        return True

    def note_answer(self, suggested: SuggestedNames) -> None:
        """Keep what was suggested for a specimen and what it is called now, for :class:`SuggestionLog`.

        Raises
        ------
        OutputError
            When the log cannot be written.
        """
        if self.project is None or self.names is None or not suggested.names:
            return
        image_id, id_ = specimen_place(suggested.key)
        called = {item.id: item.name for item in self.project.contents(image_id).specimens}
        if id_ in called:
            taxon, model = self.names.specimens.taxa.taxon(called[id_]), self.names.specimens.embedder.card.origin
            answer = answered(image_id, id_, taxon, suggested.offered, model, self.project.annotator)
            SuggestionLog(self.project.folder).append([answer])

    def _use(self, names: ProjectNames) -> None:
        self.names = names
        self.changed.emit()

    def _take_edited(self, changed: Changed) -> None:
        """Take over an image that was edited in a step."""
        image_id, contents = changed
        self._reader.take(image_id, contents)
        self.edited.emit([image_id])

    def _note_change(self) -> None:
        """Compute vectors and choose a method after a while, and have all views show what there is now."""
        if self.names is not None and not self.is_reading:
            self._vector_timer.start()
            self._settle_timer.start()
        self.changed.emit()

    def _compute(self) -> None:
        if self.names is not None:
            works = list(self.names.specimens.work())
            if works:
                self.progressed.emit("Looking at the specimens")
                self._maker.start(works, self.shown_image)

    def _take_vectors(self, image_id: str) -> None:
        if self.names is not None and self.names.take_vectors():
            self._settle_timer.start()
            self.changed.emit()

    def _settle(self) -> None:
        """Choose the best method in the background."""
        if self.names is None or not len(self.names.named()):
            return
        names, named = self.names, self.names.named()

        def use(choices: Any) -> None:
            names.use(choices)
            self.changed.emit()

        self.background.start(self, lambda monitor: choose_methods(named, monitor), use)


def _single_shot(parent: QObject, interval: int, act: Callable[[], None]) -> QTimer:
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.setInterval(interval)
    timer.timeout.connect(act)
    return timer
