"""The way from *Annotate diatoms* to the dock *Names* and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer, Signal

from napari_diatom.review.known_specimens import specimen_key
from napari_diatom.widgets.annotate.canvas import AnnotationCanvas
from napari_diatom.widgets.annotate.form import AnnotateForm
from napari_diatom.widgets.annotate.opened import Opened
from napari_diatom.widgets.canvas.specimen_actions import SpecimenActions
from napari_diatom.widgets.common.closing import when_destroyed
from napari_diatom.widgets.naming.names_dock import NamesDock
from napari_diatom.widgets.naming.naming_session import NamingSession

if TYPE_CHECKING:
    from napari.viewer import Viewer


class NamesLink(QObject):
    """Opens the dock *Names*, and undoes what was done there together.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer.
    form : AnnotateForm
        Shows what goes on.
    opened : Opened
        The open project and image.
    canvas : AnnotationCanvas
        Shows the open image and its selection.
    actions : SpecimenActions
        Undoes edits of the open image.
    names : NamingSession
        Knows the names of the project.
    """

    slideRequested = Signal(str, str)
    """Ids of an image and of one of its specimens, to be shown on the slide."""

    def __init__(
        self,
        viewer: Viewer,
        form: AnnotateForm,
        opened: Opened,
        canvas: AnnotationCanvas,
        actions: SpecimenActions,
        names: NamingSession,
    ) -> None:
        super().__init__(form)
        self._viewer = viewer
        self._form = form
        self._opened = opened
        self._canvas = canvas
        self._actions = actions
        self._names = names
        self._dock: NamesDock | None = None

    def dock(self) -> NamesDock | None:
        """Return the dock *Names*, or None if it is not open."""
        return self._dock

    def names(self) -> NamingSession:
        """Return what knows the names of the project."""
        return self._names

    def show(self) -> None:
        """Show the dock, and read the project if that has not been done yet."""
        if not self._names.begin():
            return
        if self._dock is None:
            self._dock = dock = NamesDock(self._names, self._selected)
            dock.slideRequested.connect(self.slideRequested)
            # When the user closes the dock, it is destroyed.
            when_destroyed(dock, self.__dict__.__setitem__, "_dock", None)
        # In the next turn: to make the dock and to lay out the window anew would be too long for one.
        QTimer.singleShot(0, self._raise)

    def undo(self) -> None:
        """Undo the last edit of the open image, with all that was named together with it."""
        self._canvas.flush()
        if self._canvas.three_clicks.clicks or not self._names.steps.undo_last_of(self._opened.document):
            self._actions.undo()

    def redo(self) -> None:
        """Redo the last edit that was undone in the open image, with all that was named together with it."""
        self._canvas.flush()
        if not self._names.steps.redo_last_of(self._opened.document):
            self._actions.redo()

    def _raise(self) -> None:
        """Show the dock in front, in the window from now on."""
        dock = self._dock
        if dock is not None and dock.parentWidget() is None:
            self._viewer.window.add_dock_widget(dock, name="Names", area="bottom")
        parent = None if dock is None else dock.parentWidget()
        if parent is not None:
            parent.show()
            parent.raise_()

    def _selected(self) -> list[str]:
        """Return the keys of the specimens or proposals that are selected in the image."""
        image = self._opened.image
        ids = self._canvas.selection() or tuple(self._canvas.proposals.selection())
        return [] if image is None else [specimen_key(image.id, id_) for id_ in ids]
