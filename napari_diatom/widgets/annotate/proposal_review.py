"""Proposals are accepted as specimens, or rejected, the least certain first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from napari_diatom.core.text import either, many
from napari_diatom.project.document import Document
from napari_diatom.project.edits import Edit
from napari_diatom.project.review_queue import ReviewQueue, unmatched
from napari_diatom.widgets.annotate.canvas import AnnotationCanvas
from napari_diatom.widgets.annotate.opened import Opened
from napari_diatom.widgets.annotate.overview import Overview
from napari_diatom.widgets.annotate.slide_view import zoom_to
from napari_diatom.widgets.annotate.toolbox import Toolbox
from napari_diatom.widgets.common.message_line import MessageLine


class ProposalReview:
    """Goes through the proposals of the open image with the user.

    Parameters
    ----------
    line : MessageLine
        Shows why a proposal is to be reviewed.
    opened : Opened
        The open project and image.
    canvas : AnnotationCanvas
        Shows the open image and its selection.
    toolbox : Toolbox
        Drawing tools are switched off while proposals are reviewed.
    overview : Overview
        Shows the classes of accepted proposals.
    """

    def __init__(
        self, line: MessageLine, opened: Opened, canvas: AnnotationCanvas, toolbox: Toolbox, overview: Overview
    ) -> None:
        self._line = line
        self._opened = opened
        self._canvas = canvas
        self._toolbox = toolbox
        self._overview = overview
        self._queue = ReviewQueue()

    @property
    def is_active(self) -> bool:
        """Whether proposals are selected, and their layer is the active one."""
        proposals = self._canvas.proposals
        # The viewer of a plugin is a proxy, and so are its layers: they are equal to a layer, but not the same object.
        is_active = self._canvas.viewer.layers.selection.active == proposals.layer
        return bool(is_active and proposals.selection())

    def begin(self) -> None:
        """Start again, with another image."""
        self._queue = ReviewQueue()

    def accept(self) -> None:
        """Accept the selected proposals, and go to the next one."""
        self._decide(self._accepted)

    def accept_as(self, name: str) -> None:
        """Accept the selected proposals as a class, and go to the next one."""
        self._decide(lambda document, ids: document.accept(ids, name=name))

    def reject(self) -> None:
        """Reject the selected proposals, and go to the next one."""
        self._decide(lambda document, ids: document.reject(ids))

    def accept_all(self) -> None:
        """Accept all proposals of the image, except those on specimens that are there already."""
        document = self._opened.document
        if document is None or not document.proposals:
            return
        with self._line.showing_errors():
            new = unmatched(document.specimens, document.proposals)
            if new:
                self._accepted(document, new)
            left = len(document.proposals)
            if left:
                were = either(left, "was", "were")
                self._line.say(f"{many(left, 'proposal')} on specimens that are there already {were} not accepted.")

    def confirm(self) -> Edit | None:
        """Accept all proposals of the image, except those on specimens that are there already, and mark it as done.

        Returns
        -------
        Edit or None
            What was done, in one step; None where no image is open or an error was shown.
        """
        self._toolbox.end_painting()
        self._canvas.flush()
        document = self._opened.document
        if document is not None:
            with self._line.showing_errors():
                new = unmatched(document.specimens, document.proposals)
                return self._accepted(document, new, is_done=True)
        return None

    def next_uncertain(self) -> None:
        """Go to the least certain proposal: disagreements of models and people first, then the lowest score."""
        document = self._opened.document
        entry = None if document is None else self._queue.next(document.specimens, document.proposals)
        if entry is not None:
            self._canvas.select([entry.specimen.id])
            self._toolbox.stop_drawing()
            zoom_to(self._canvas.viewer, self._canvas.specimens.layer, entry.specimen)
            self._line.say(entry.text)

    def _decide(self, decide: Callable[[Document, list[str]], object]) -> None:
        """Accept or reject the selected proposals, and go to the next one."""
        self._canvas.flush()
        document, ids = self._opened.document, list(self._canvas.proposals.selection())
        if document is not None and ids:
            self._queue.note(document.specimens, document.proposals)
            with self._line.showing_errors():
                decide(document, ids)
        self.next_uncertain()

    def _accepted(self, document: Document, ids: Sequence[str], is_done: bool = False) -> Edit:
        """Accept proposals. A class that the project does not have is replaced by the chosen class."""
        others = {document.proposals[id_].name for id_ in ids if id_ in document.proposals}
        others = {name for name in others if self._canvas.class_of(name) != name}
        edit = document.accept(ids, name=self._canvas.class_of, done=is_done)
        missing = {item.name for item in edit.after.values() if item is not None} - {
            entry.name for entry in self._canvas.classes
        }
        project = self._opened.project
        if missing and project is not None:
            # A project without classes gets the classes of the model.
            project.update(project.settings.with_classes(sorted(missing)))
            self._overview.show_classes()
        if others:
            names = ", ".join(sorted(others))
            classes = either(len(others), "class", "classes")
            self._line.say(
                f"This project does not have the model's {classes} {names}. The proposals were accepted as "
                f"{self._canvas.new_class}."
            )
        return edit
