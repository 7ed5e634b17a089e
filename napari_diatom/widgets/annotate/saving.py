"""Edits are written to disk: shortly after each one, and before anything is closed. Edits of others are merged."""

from __future__ import annotations

import contextlib
import warnings
from typing import Final

from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QWidget

from napari_diatom.core.errors import DiatomError
from napari_diatom.project.edit_conflicts import ConflictError
from napari_diatom.project.project import Project
from napari_diatom.widgets.annotate import questions
from napari_diatom.widgets.annotate.canvas import AnnotationCanvas
from napari_diatom.widgets.annotate.form import AnnotateForm
from napari_diatom.widgets.annotate.opened import Opened
from napari_diatom.widgets.annotate.toolbox import Toolbox
from napari_diatom.widgets.common.asking import can_answer
from napari_diatom.widgets.common.closing import window_of

_FLUSH_MS: Final = 1500
"""Time without an edit after which the files are written. The journal has all edits before that."""
_STAYS_OPEN: Final = "{} stays open: its last edits cannot be written, and closing it would lose them."
_LOST: Final = "The last edits of {} in the project {} were lost: they could not be written before the window closed."


class Saving(QObject):
    """Writes edits to disk, and warns the user if that is impossible.

    Parameters
    ----------
    form : AnnotateForm
        Shows whether all edits are on disk.
    opened : Opened
        The open project and image.
    canvas : AnnotationCanvas
        Shows the open image.
    toolbox : Toolbox
        May have a mask that is still being painted.
    """

    storing = Signal()
    """All edits are about to be written, those too that are still being made."""
    removed = Signal()
    """Edits cannot be written because another window has removed the open image."""

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
        """Write the edits when no other edit follows for a while."""
        self._timer.start()
        self.show_stored()

    def cancel(self) -> None:
        """Write nothing until the next edit."""
        self._timer.stop()

    def flush(self) -> None:
        """Write all edits, merged with those of other windows."""
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
            # The edits are in the journal or in memory. The next flush tries again.
            self._form.line.warn(str(error))
        self.show_stored()

    def show_stored(self) -> None:
        """Show whether edits are only in memory. If so, schedule another attempt to write them."""
        project = self._opened.project
        is_stored = project is None or project.is_stored
        self._form.show_stored(is_stored)
        if not is_stored:
            self._timer.start()

    def is_stored(self) -> bool:
        """Try to write all edits, and return whether they are on disk."""
        self._toolbox.stop_painting()
        self._canvas.flush()
        self.storing.emit()
        project = self._opened.project
        if project is None:
            return True
        # If another window has written in the meantime, the edits are in the journal, which is enough here.
        with contextlib.suppress(DiatomError):
            project.flush()
        self.show_stored()
        return project.is_stored

    def may_close(self) -> bool:
        """Return whether the project may be closed: all edits are on disk, saved elsewhere, or given up by the user."""
        project = self._opened.project
        if project is None or self.is_stored() or project is self._opened.discarded:
            return True
        window = window_of(self._canvas.viewer)
        if not can_answer(window):
            self._form.line.warn(_STAYS_OPEN.format(project.folder.name))
            warnings.warn(_STAYS_OPEN.format(project.folder), stacklevel=2)
            return False
        while (way := questions.way_of_unsaved(window, project)) != "keep":
            if way == "lose" or self._save_copies(window, project):
                self._opened.discarded = project
                return True
        return False

    def _save_copies(self, window: QWidget | None, project: Project) -> bool:
        """Save copies of what cannot be written, and return whether they are saved."""
        folder = questions.folder_of_copies(window)
        if folder is None:
            return False
        with self._form.line.showing_errors():
            questions.show_copies(window, project.exchange.save_copies(folder, project.unstored()))
            return True
        return False

    def _merge(self, error: ConflictError) -> None:
        """Load what another window wrote, and apply the edits of this window to it."""
        project, image, document = self._opened.project, self._opened.image, self._opened.document
        if project is None or image is None or document is None:
            self._form.line.warn(str(error))
            return
        if all(item.id != image.id for item in project.refresh().images):
            self.removed.emit()
            return
        try:
            document.rebase()
        except ConflictError as clash:
            document.rebase(questions.version_to_keep(self._form, clash.clashes))
        self._timer.start()
        self._form.line.say("Merged with the edits of another window.")


def save_on_exit(opened: Opened) -> None:
    """Write everything and close the project after the window was closed. Needs no widgets."""
    project = opened.project
    if project is None:
        return
    with contextlib.suppress(DiatomError):
        project.flush()
    if not project.is_stored and project is not opened.discarded:
        warnings.warn(_LOST.format(", ".join(project.unstored()), project.folder), stacklevel=2)
    with contextlib.suppress(DiatomError):
        project.close()
