"""Edits of the selected specimens, with undo and redo."""

from __future__ import annotations

from collections.abc import Callable

from napari_diatom.project.document import Document
from napari_diatom.project.specimen import Specimen
from napari_diatom.widgets.annotate.canvas import AnnotationCanvas
from napari_diatom.widgets.annotate.message_line import MessageLine
from napari_diatom.widgets.annotate.opened import Opened
from napari_diatom.widgets.annotate.outline_actions import OutlineActions


class SpecimenActions:
    """Changes the selected specimens of the open image.

    Parameters
    ----------
    line : MessageLine
        Shows errors.
    opened : Opened
        The open project and image.
    canvas : AnnotationCanvas
        Shows the open image and its selection.
    outlining : OutlineActions
        May have clicks on valves that are not done.
    """

    def __init__(self, line: MessageLine, opened: Opened, canvas: AnnotationCanvas, outlining: OutlineActions) -> None:
        self._line = line
        self._opened = opened
        self._canvas = canvas
        self._outlining = outlining

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
        if self._canvas.three_clicks.step_back() or self._outlining.take_back():
            return
        if self._opened.document is not None:
            with self._line.showing_errors():
                self._opened.document.undo()

    def redo(self) -> None:
        """Redo the last edit that was undone."""
        self._canvas.flush()
        if self._opened.document is not None:
            with self._line.showing_errors():
                self._opened.document.redo()

    def cancel(self) -> None:
        """Cancel what is being drawn, stop outlining, or clear the selection."""
        if self._canvas.three_clicks.clicks:
            self._canvas.three_clicks.cancel()
        elif self._outlining.is_running:
            self._outlining.stop()
        else:
            self._canvas.select([])

    def toggle_done(self) -> None:
        """Mark the image as done, or as not done."""
        document = self._opened.document
        if document is not None:
            with self._line.showing_errors():
                document.set_done(document.state != "done")

    def _change(self, change: Callable[[Document, list[str]], object]) -> None:
        """Make an edit of the selected specimens."""
        self._canvas.flush()
        ids = list(self._canvas.selection())
        if self._opened.document is not None and ids:
            with self._line.showing_errors():
                change(self._opened.document, ids)
