"""Specimens of many images are named, and that is undone, while the window goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer, Signal

from napari_diatom.core.errors import DiatomError
from napari_diatom.core.text import many
from napari_diatom.project.bulk_edits import BulkEdits
from napari_diatom.project.bulk_work import BulkEdit, Changed
from napari_diatom.project.document import Document
from napari_diatom.project.project import Project
from napari_diatom.review.bulk_queue import BulkQueue
from napari_diatom.widgets.common.garbage_pause import MANY, GarbagePause

_TURN_S: Final = 0.02
"""Seconds in one turn of the event loop after which nothing else is begun."""

_PAUSE_MS: Final = 5
"""Time between two turns, in which all other timers of the window come round."""

Made = Callable[[BulkEdit], None]
"""Gets a step when it is made."""


class BulkSteps(QObject):
    """Makes steps a little in each turn of the event loop.

    Parameters
    ----------
    parent : QObject
        Its owner.
    """

    edited = Signal(object)
    """Id and contents of an image whose specimens were changed."""
    ended = Signal()
    """A step was made."""
    failed = Signal(str)
    """What went wrong."""
    progressed = Signal(str)
    """How far a long step is; empty at its end."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._queue: BulkQueue | None = None
        self._is_silent = False
        self._pause = GarbagePause(self)
        self._timer = QTimer(self)
        self._timer.setInterval(_PAUSE_MS)
        self._timer.timeout.connect(self._advance)

    @property
    def bulk(self) -> BulkEdits | None:
        """The steps that can be undone, None without a project."""
        return None if self._queue is None else self._queue.bulk

    @property
    def is_busy(self) -> bool:
        """Whether a step is under way."""
        return self._queue is not None and len(self._queue) > 0

    def set_project(self, project: Project | None) -> None:
        """Work on another project, or on none."""
        self.finish(is_silent=True)
        self._pause.end()
        self._queue = None if project is None else BulkQueue(project, self._tell)

    def name_each(self, taxa: Mapping[str, Mapping[str, str]], made: Made | None = None) -> None:
        """Name specimens as ``taxa`` says, by image and id."""
        if self._queue is not None:
            self._queue.name_each(taxa, self._ending(made))
            self._go_on()

    def undo(self, made: Made) -> None:
        """Undo the last step, when those that are under way are made."""
        if self._queue is not None:
            self._queue.undo(None, self._ending(made))
            self._go_on()

    def redo(self, made: Made) -> None:
        """Do the step again that was undone last."""
        if self._queue is not None:
            self._queue.redo(None, self._ending(made))
            self._go_on()

    def undo_last_of(self, document: Document | None) -> bool:
        """Undo the step that the last edit of a document belongs to; return False where it is an edit of its own."""
        is_step = self._queue is not None and self._queue.undo_last_of(document, self._ending())
        self._go_on()
        return is_step

    def redo_last_of(self, document: Document | None) -> bool:
        """Do the step again to which belongs what was undone last in a document; as :meth:`undo_last_of`."""
        is_step = self._queue is not None and self._queue.redo_last_of(document, self._ending())
        self._go_on()
        return is_step

    def hurry(self, *image_ids: str, is_shown: bool = False) -> None:
        """Make what is left of all steps in images that a person is about to change, and that may be shown now."""
        if self._queue is not None:
            for image_id in image_ids:
                self._queue.hurry(image_id, is_shown)

    def finish(self, is_silent: bool = False) -> None:
        """Make all steps now, because the project is about to be closed; without a word if its window is going."""
        self._timer.stop()
        self._is_silent = is_silent
        if self._queue is not None:
            self._queue.finish()
        self._pause.leave_out()
        self._is_silent = False

    def _go_on(self) -> None:
        if self.is_busy:
            # Each image that is read makes as many objects as any project of many specimens.
            self._pause.begin(MANY)
            self._timer.start()

    def _advance(self) -> None:
        queue = self._queue
        if queue is None:
            return
        end = time.monotonic() + _TURN_S
        queue.advance()
        while len(queue) and time.monotonic() < end:
            queue.advance()
        self._pause.clear_new()
        if not len(queue):
            self._timer.stop()
            self._pause.leave_out()
        elif queue.images_left:
            self.progressed.emit(f"{many(queue.images_left, 'image')} left")

    def _ending(self, made: Made | None = None) -> Callable[[BulkEdit | None, DiatomError | None], None]:
        """Return what is done at the end of a step."""

        def end(step: BulkEdit | None, error: DiatomError | None) -> None:
            if self._is_silent or not isalive(self):  # type: ignore[no-untyped-call]
                return
            self.progressed.emit("")
            if error is not None:
                self.failed.emit(str(error))
            self.ended.emit()
            if made is not None and step is not None and error is None:
                made(step)

        return end

    def _tell(self, changed: Changed) -> None:
        if not self._is_silent and isalive(self):  # type: ignore[no-untyped-call]
            self.edited.emit(changed)
