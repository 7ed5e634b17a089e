"""Proposals become specimens, or are rejected, the least certain first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from napari_diatom.core.text import many
from napari_diatom.project.document import Document
from napari_diatom.project.edits import Edit
from napari_diatom.project.review_queue import ReviewQueue, unmatched
from napari_diatom.widgets.annotate.canvas import Canvas
from napari_diatom.widgets.annotate.message_line import MessageLine
from napari_diatom.widgets.annotate.opened import Opened
from napari_diatom.widgets.annotate.overview import Overview
from napari_diatom.widgets.annotate.slide_view import close_up
from napari_diatom.widgets.annotate.toolbox import Toolbox


class ProposalReview:
    """Goes through the proposals of the open image with a person.

    Parameters
    ----------
    line : MessageLine
        Where it says what to look at.
    opened : Opened
        What is open.
    canvas : Canvas
        What shows the open image, and knows what is selected.
    toolbox : Toolbox
        Where tools are put back that cannot be used on proposals.
    overview : Overview
        Shows classes that come with proposals.
    """

    def __init__(self, line: MessageLine, opened: Opened, canvas: Canvas, toolbox: Toolbox, overview: Overview) -> None:
        self._line = line
        self._opened = opened
        self._canvas = canvas
        self._toolbox = toolbox
        self._overview = overview
        self._round = ReviewQueue()

    @property
    def is_at_hand(self) -> bool:
        """Whether proposals are selected, and their layer is the active one."""
        proposals = self._canvas.proposals
        # The viewer of a plugin is a proxy, and so is what it gives: equal to a layer, not the same object.
        is_active = self._canvas.viewer.layers.selection.active == proposals.layer
        return bool(is_active and proposals.selection())

    def begin(self) -> None:
        """Begin anew, with another image."""
        self._round = ReviewQueue()

    def accept(self) -> None:
        """Accept the selected proposals, else the one gone to last, and go to the next."""
        self._decide(self._accepted)

    def accept_as(self, name: str) -> None:
        """Accept the selected proposals as a class, and go to the next."""
        self._decide(lambda document, ids: document.accept(ids, name=name))

    def reject(self) -> None:
        """Reject the selected proposals, else the one gone to last, and go to the next."""
        self._decide(lambda document, ids: document.reject(ids))

    def accept_all(self) -> None:
        """Accept all proposals of the image, but for those that mean a specimen that is there already."""
        document = self._opened.document
        if document is None or not document.proposals:
            return
        with self._line.told():
            new = unmatched(document.specimens, document.proposals)
            if new:
                self._accepted(document, new)
            left = len(document.proposals)
            if left:
                lie, stay = ("lies", "it stays") if left == 1 else ("lie", "they stay")
                self._line.say(f"{many(left, 'proposal')} {lie} on specimens that are there already: {stay}.")

    def next_uncertain(self) -> None:
        """Go to what is least certain: where models and people disagree first, then the lowest score."""
        document = self._opened.document
        doubt = None if document is None else self._round.next(document.specimens, document.proposals)
        if doubt is not None:
            self._canvas.select([doubt.specimen.id])
            self._toolbox.leave_drawing()
            close_up(self._canvas.viewer, self._canvas.specimens.layer, doubt.specimen)
            self._line.say(doubt.text)

    def _decide(self, decide: Callable[[Document, list[str]], object]) -> None:
        """Accept or reject the selected proposals, and go to the next one."""
        self._canvas.flush()
        document, ids = self._opened.document, list(self._canvas.proposals.selection())
        if document is not None and ids:
            self._round.note(document.specimens, document.proposals)
            with self._line.told():
                decide(document, ids)
        self.next_uncertain()

    def _accepted(self, document: Document, ids: Sequence[str]) -> Edit:
        """Accept proposals; the classes that a model gives and the project lacks become the one that is chosen."""
        others = {document.proposals[id_].name for id_ in ids if id_ in document.proposals}
        others = {name for name in others if self._canvas.class_of(name) != name}
        edit = document.accept(ids, name=self._canvas.class_of)
        missing = {item.name for item in edit.after.values() if item is not None} - {
            entry.name for entry in self._canvas.classes
        }
        project = self._opened.project
        if missing and project is not None:
            # A project without classes gets those of the model.
            project.update(project.settings.with_classes(sorted(missing)))
            self._overview.show_classes()
        if others:
            names = ", ".join(sorted(others))
            which = f"class {names}, which" if len(others) == 1 else f"classes {names}, which"
            self._line.say(
                f"The model gives the {which} this project does not have: accepted as {self._canvas.new_class}."
            )
        return edit
