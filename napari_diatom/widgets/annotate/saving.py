"""Edits go to disk: a little after each, merged with what others wrote, and before anything is closed."""

from __future__ import annotations

import contextlib
import warnings
from typing import Final

from qtpy.QtCore import QObject, QTimer

from napari_diatom.core.errors import DiatomError
from napari_diatom.project.edit_conflicts import ConflictError
from napari_diatom.widgets.annotate import questions
from napari_diatom.widgets.annotate.canvas import AnnotationCanvas
from napari_diatom.widgets.annotate.form import AnnotateForm
from napari_diatom.widgets.annotate.opened import Opened
from napari_diatom.widgets.annotate.toolbox import Toolbox
from napari_diatom.widgets.common.asking import can_answer
from napari_diatom.widgets.common.closing import window_of

_FLUSH_MS: Final = 1500
"""Time without an edit after which the files are written; the journal has all edits before that."""
_STAYS_OPEN: Final = "{} stays open: its last edits cannot be written, and closing it would lose them."
_LOST: Final = "The last edits of {} in the project {} were lost: they could not be written before the window closed."


class Saving(QObject):
    """Writes what was edited, and says so where that is impossible.

    Parameters
    ----------
    form : AnnotateForm
        Tells of edits that are not on disk.
    opened : Opened
        What is open.
    canvas : AnnotationCanvas
        What shows the open image.
    toolbox : Toolbox
        Where something may be half painted.
    """

    def __init__(self, form: AnnotateForm, opened: Opened, canvas: AnnotationCanvas, toolbox: Toolbox) -> None:
        super().__init__(form)
        self._form = form
        self._opened = opened
        self._canvas = canvas
        self._toolbox = toolbox
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_FLUSH_MS)
        self._timer.timeout.connect(self.flush)

    def schedule(self) -> None:
        """Write once nothing more is edited for a while."""
        self._timer.start()
        self.show_stored()

    def cancel(self) -> None:
        """Write nothing until there is another edit."""
        self._timer.stop()

    def flush(self) -> None:
        """Write what was edited; another window's edits are merged with the own ones."""
        self._timer.stop()
        self._canvas.flush()
        project = self._opened.project
        if project is None:
            return
        try:
            project.flush()
        except ConflictError as error:
            with self._form.line.showing_errors():
                self._merge(error)
        except DiatomError as error:
            # The journal, or memory, has the edits; the next one tries again.
            self._form.line.warn(str(error))
        self.show_stored()

    def show_stored(self) -> None:
        """Say so as long as edits are in memory alone, and try again to write them."""
        project = self._opened.project
        is_stored = project is None or project.is_stored
        self._form.show_stored(is_stored)
        if not is_stored:
            self._timer.start()

    def is_stored(self) -> bool:
        """Try to put all edits on disk, and return whether they are there."""
        self._toolbox.stop_painting()
        self._canvas.flush()
        project = self._opened.project
        if project is None:
            return True
        # What somebody else has written meanwhile is no matter here: the journal keeps the edits then.
        with contextlib.suppress(DiatomError):
            project.flush()
        self.show_stored()
        return project.is_stored

    def may_close(self) -> bool:
        """Return whether closing the project loses nothing, or a person takes the loss."""
        project = self._opened.project
        if project is None or self.is_stored() or project is self._opened.discarded:
            return True
        window = window_of(self._canvas.viewer)
        if not can_answer(window):
            self._form.line.warn(_STAYS_OPEN.format(project.folder.name))
            warnings.warn(_STAYS_OPEN.format(project.folder), stacklevel=2)
            return False
        is_given_up = questions.may_be_lost(window, project)
        if is_given_up:
            self._opened.discarded = project
        return is_given_up

    def _merge(self, error: ConflictError) -> None:
        """Take over what another window wrote, with the own edits on top of it."""
        document = self._opened.document
        if document is None:
            self._form.line.warn(str(error))
            return
        try:
            document.rebase()
        except ConflictError as clash:
            document.rebase(questions.version_to_keep(self._form, clash.clashes))
        self._timer.start()
        self._form.line.say("Merged with what another window wrote.")


def save_on_exit(opened: Opened) -> None:
    """Write everything and close the project when the window is gone, without its widgets."""
    project = opened.project
    if project is None:
        return
    with contextlib.suppress(DiatomError):
        project.flush()
    if not project.is_stored and project is not opened.discarded:
        warnings.warn(_LOST.format(", ".join(project.unstored()), project.folder), stacklevel=2)
    with contextlib.suppress(DiatomError):
        project.close()
