"""Names by example on the slide: what is suggested for the selected specimen, and a mode in which keys take it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Final

from napari.layers import Shapes
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QLineEdit

from napari_diatom.core.errors import DiatomError
from napari_diatom.project.project_taxa import ProjectTaxa
from napari_diatom.review.known_specimens import specimen_key
from napari_diatom.review.suggested_names import SuggestedNames
from napari_diatom.widgets.annotate.canvas import AnnotationCanvas
from napari_diatom.widgets.annotate.class_choice import ClassChoice
from napari_diatom.widgets.annotate.form import AnnotateForm
from napari_diatom.widgets.annotate.opened import Opened
from napari_diatom.widgets.annotate.project_session import ProjectSession
from napari_diatom.widgets.annotate.toolbox import Toolbox
from napari_diatom.widgets.canvas import key_bindings, shape_edits
from napari_diatom.widgets.common.closing import canvas_of, when_destroyed
from napari_diatom.widgets.naming.naming_session import NamingSession
from napari_diatom.widgets.naming.offers import OFFERED, offers_for, remark
from napari_diatom.widgets.naming.suggestion_bar import SuggestionBar

_ON: Final = (
    "Naming mode: 1, 2 and 3 take a suggestion, Enter takes the first, 0 the genus, C finds a class by name, E ends it."
)
_ENTER: Final = ("Enter", "Return")


class NamingMode(QObject):
    """Shows suggestions, and goes from one specimen without a name to the next.

    Parameters
    ----------
    form : AnnotateForm
        Has the buttons.
    opened : Opened
        The open project and image.
    canvas : AnnotationCanvas
        Shows the open image and its selection.
    toolbox : Toolbox
        Drawing tools are switched off when the mode is switched on.
    session : ProjectSession
        Shows specimens of other images.
    choice : ClassChoice
        Gives the selected specimens a class.
    names : NamingSession
        Knows the names of the project.
    """

    switched = Signal(bool)
    """The mode was switched on or off."""

    def __init__(
        self,
        form: AnnotateForm,
        opened: Opened,
        canvas: AnnotationCanvas,
        toolbox: Toolbox,
        session: ProjectSession,
        choice: ClassChoice,
        names: NamingSession,
    ) -> None:
        super().__init__(form)
        self._form = form
        self._opened = opened
        self._canvas = canvas
        self._toolbox = toolbox
        self._session = session
        self._choice = choice
        self._names = names
        self._suggested = SuggestedNames("")
        self._bar: SuggestionBar | None = None
        self.is_on = self._was_on = False
        self._is_held = self._is_due = False
        canvas.selectionChanged.connect(self.show)
        names.changed.connect(self.show)
        form.suggest.toggled.connect(self._suggest)
        form.naming.clicked.connect(lambda *_: self.toggle())

    def toggle(self) -> None:
        """Switch the mode on or off. Suggestions appear when it is switched on for the first time."""
        self.is_on = self._opened.document is not None and not self.is_on
        self._form.naming.setChecked(self.is_on)
        for layer in (self._canvas.specimens.layer, self._canvas.proposals.layer):
            for key in _ENTER:
                layer.bind_key(key, _entering(self.take_first) if self.is_on else None, overwrite=True)
        if self.is_on:
            self._toolbox.use("select")
            if not self._was_on:
                self._form.suggest.setChecked(True)
            self._was_on = True
            self._form.line.say(_ON)
            if not self._nameless():
                self.next_unnamed()
        else:
            self._form.line.say("")
        self.show()
        self.switched.emit(self.is_on)

    def look_here_first(self) -> None:
        """Have the specimens of the open image looked at, and named in a step under way, before all others."""
        if self._opened.image is not None:
            self._names.shown_image = self._opened.image.id
            self._names.steps.hurry(self._opened.image.id, is_shown=True)

    def end(self) -> None:
        """Switch the mode off."""
        if self.is_on:
            self.toggle()

    def use_class(self, key_or_name: str) -> None:
        """Take a suggestion by its key in the mode, else choose a class by its key or name; then go to the next."""
        taken = self._by_key(key_or_name) if self.is_on else key_or_name
        if taken is None:
            return
        before, suggested = self._canvas.selection(), self._suggested
        with self._showing_at_the_end():
            self._choice.use(taken)
            if not before:
                return
            self._note(before, suggested)
            if self.is_on and not self._nameless():
                self.next_unnamed()

    def take(self, number: int) -> None:
        """Take a suggestion by its number, from 1."""
        if number <= len(self._suggested.names):
            self.use_class(self._suggested.names[number - 1][0])

    def take_first(self) -> None:
        """Take the first suggestion."""
        self.take(1)

    def take_genus(self) -> None:
        """Take the genus in the mode, where it is offered because no species is sure."""
        if self.is_on:
            self._name_genus()

    def find_class(self) -> None:
        """Type the name of a class."""
        search = self._form.classes.findChild(QLineEdit, "class_search")
        if search is not None:
            search.setFocus()
            search.selectAll()

    def suggested(self) -> list[str]:
        """Return the names that are suggested for the selected specimen, the best first."""
        return [name for name, _ in self._suggested.names]

    def next_unnamed(self) -> None:
        """Select the next specimen without a name, in this image or in the next one that has such."""
        document, image = self._opened.document, self._opened.image
        project = self._opened.project
        if document is None or image is None or project is None:
            return
        ids = list(document.specimens)
        selected = self._canvas.selection()
        start = ids.index(selected[0]) + 1 if selected and selected[0] in ids else 0
        for id_ in (*ids[start:], *ids[:start]):
            if not self._is_named(document.specimens[id_].name):
                self._session.go_to(image.id, id_)
                return
        images = [item.id for item in project.images]
        at = images.index(image.id)
        for other in (*images[at + 1 :], *images[:at]):
            found = self._first_unnamed(other)
            if found:
                self._session.go_to(other, found)
                return
        self._canvas.select([])
        self._form.line.say("Every specimen has a name.")

    def show(self, *_: object) -> None:
        """Show what is suggested for the selected specimen."""
        if self._is_held:
            self._is_due = True
            return
        project, image, names = self._opened.project, self._opened.image, self._names.names
        selected = self._canvas.selection() or tuple(self._canvas.proposals.selection())
        wanted = self._form.suggest.isChecked() and len(selected) == 1
        self._suggested = SuggestedNames("")
        if not wanted or project is None or image is None or names is None:
            self._hide()
            return
        key = specimen_key(image.id, selected[0])
        try:
            entry = self._names.entry(key)
            self._suggested, offers = offers_for(self._names, key)
        except DiatomError:
            # It has been drawn just now, or its image has not been read yet.
            self._hide()
            return
        bar = self._shown_bar()
        if bar is not None:
            said = remark(self._names, self._suggested) if offers else self._why_nothing(key)
            genus = self._suggested.sure_genus
            bar.show_suggestions(project, entry, offers, "" if genus is None else genus[0], said, self.is_on)

    @contextlib.contextmanager
    def _showing_at_the_end(self) -> Iterator[None]:
        """Show suggestions once: a name, what follows from it and the next specimen each ask for them."""
        self._is_held, self._is_due = True, False
        try:
            yield
        finally:
            self._is_held = False
            if self._is_due:
                self.show()

    def _suggest(self, is_wanted: bool) -> None:
        if is_wanted and not self._names.begin() and self._opened.project is not None:
            self._form.suggest.setChecked(False)
        self.show()

    def _name_genus(self) -> None:
        """Name by the genus. A class that the project does not have is added."""
        offered = self._suggested.sure_genus
        if offered is not None and self._names.add_classes([offered[0]]):
            self.use_class(offered[0])

    def _why_nothing(self, key: str) -> str:
        names = self._names.names
        assert names is not None
        if not names.specimens.table.has_vector(key):
            return "This specimen has not been looked at yet."
        return "Nothing like it has a name yet. Name some specimens: C finds a class by name."

    def _shown_bar(self) -> SuggestionBar | None:
        if self._bar is None:
            native = canvas_of(self._canvas.viewer)
            if native is None:
                return None
            self._bar = SuggestionBar(native)
            self._bar.taken.connect(self.take)
            self._bar.genusTaken.connect(self._name_genus)
            when_destroyed(self, _delete, self._bar)
        return self._bar

    def _hide(self) -> None:
        if self._bar is not None:
            self._bar.hide()

    def _by_key(self, key_or_name: str) -> str | None:
        """Return the suggestion of a key, None where it has none; other names stay."""
        if not key_or_name.isdigit() or int(key_or_name) > OFFERED or not self._form.suggest.isChecked():
            return key_or_name
        number = int(key_or_name)
        return self._suggested.names[number - 1][0] if number <= len(self._suggested.names) else None

    def _is_named(self, name: str) -> bool:
        project = self._opened.project
        return project is not None and ProjectTaxa.of(project.settings).is_taxon(name)

    def _nameless(self) -> list[str]:
        """Return the selected specimens without a name."""
        document = self._opened.document
        chosen = self._canvas.selection()
        return [] if document is None else [id_ for id_ in chosen if not self._is_named(document.specimens[id_].name)]

    def _first_unnamed(self, image_id: str) -> str:
        known = None if self._names.names is None else self._names.names.specimens.image(image_id)
        found = () if known is None else (one.specimen for one in known.listed if not one.is_proposal)
        return next((item.id for item in found if not self._is_named(item.name)), "")

    def _note(self, ids: tuple[str, ...], suggested: SuggestedNames) -> None:
        """Keep what was suggested for a specimen, and what it was named."""
        image = self._opened.image
        if image is not None and [suggested.key] == [specimen_key(image.id, id_) for id_ in ids]:
            with self._form.line.showing_errors():
                self._names.note_answer(suggested)


def _delete(bar: SuggestionBar) -> None:
    """Delete the bar, unless it was deleted with the window."""
    with contextlib.suppress(RuntimeError):
        bar.deleteLater()


def _entering(act: Callable[[], None]) -> Callable[[Shapes], None]:
    """Return what Enter does: it closes a polygon that is being drawn, and takes the first suggestion otherwise."""

    def do(layer: Shapes) -> None:
        if shape_edits.is_drawing(layer):
            layer._finish_drawing()
        elif not key_bindings.is_typing():
            act()

    return do
