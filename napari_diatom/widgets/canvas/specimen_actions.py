"""Edits of the selected specimens, with undo and redo."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from napari_diatom.project.document import Document
from napari_diatom.project.specimen import Specimen
from napari_diatom.widgets.canvas.editing_canvas import EditingCanvas


class ErrorLine(Protocol):
    """Shows what went wrong."""

    def showing_errors(self) -> AbstractContextManager[None]:
        """Show one of our errors to the user."""
        ...


class LongWork(Protocol):
    """Work on the specimens that goes on beside the editing, such as outlining."""

    @property
    def is_running(self) -> bool:
        """Whether something is not done."""
        ...

    def take_back(self) -> bool:
        """Forget the last click that is not done. Return whether there was one."""
        ...

    def stop(self) -> None:
        """Stop. What is done stays."""
        ...


class SpecimenActions:
    """Changes the selected specimens of a canvas.

    Parameters
    ----------
    line : ErrorLine
        Shows errors.
    canvas : EditingCanvas
        Shows the specimens and their selection.
    work : LongWork, optional
        May have clicks on valves that are not done.
    """

    def __init__(self, line: ErrorLine, canvas: EditingCanvas, work: LongWork | None = None) -> None:
        self._line = line
        self._canvas = canvas
        self._work = work

    def set_class(self, name: str) -> None:
        """Set the class of the selected specimens."""
        self._change(lambda document, ids: document.set_class(ids, name))

    def set_status(self, status: str) -> None:
        """Set the status of the selected specimens."""
        self._change(lambda document, ids: document.set_status(ids, status))

    def to_boxes(self) -> None:
        """Replace the selected polygons and masks with rotated boxes."""
        self._change(
            lambda document, ids: document.reshape(
                {id_: Specimen.rectangle(document.specimens[id_].box, document.specimens[id_].name) for id_ in ids}
            )
        )

    def to_polygons(self) -> None:
        """Replace the selected boxes with polygons, which have masks."""
        self._change(
            lambda document, ids: document.reshape(
                {id_: Specimen.polygon(document.specimens[id_].polygons, document.specimens[id_].name) for id_ in ids}
            )
        )

    def delete(self) -> None:
        """Delete the selected specimens."""
        self._change(lambda document, ids: document.remove(ids))

    def undo(self) -> None:
        """Undo the last click of an unfinished box or on a valve that is not outlined yet, or the last edit."""
        self._canvas.flush()
        if self._canvas.three_clicks.step_back() or (self._work is not None and self._work.take_back()):
            return
        if self._canvas.document is not None:
            with self._line.showing_errors():
                self._canvas.document.undo()

    def redo(self) -> None:
        """Redo the last edit that was undone."""
        self._canvas.flush()
        if self._canvas.document is not None:
            with self._line.showing_errors():
                self._canvas.document.redo()

    def cancel(self) -> None:
        """Cancel what is being drawn, stop outlining, or clear the selection."""
        if self._canvas.three_clicks.clicks:
            self._canvas.three_clicks.cancel()
        elif self._work is not None and self._work.is_running:
            self._work.stop()
        else:
            self._canvas.select([])

    def toggle_done(self) -> None:
        """Mark the image as done, or as not done."""
        document = self._canvas.document
        if document is not None:
            with self._line.showing_errors():
                document.set_done(document.state != "done")

    def _change(self, change: Callable[[Document, list[str]], object]) -> None:
        """Make an edit of the selected specimens."""
        self._canvas.flush()
        ids = list(self._canvas.selection())
        if self._canvas.document is not None and ids:
            with self._line.showing_errors():
                change(self._canvas.document, ids)
