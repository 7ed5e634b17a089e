"""Runs a model on the open image, or on all images that nobody has worked on yet."""

from __future__ import annotations

from qtpy.QtCore import QObject

from napari_diatom.core.text import many
from napari_diatom.widgets.annotate.form import AnnotateForm
from napari_diatom.widgets.annotate.opened import Opened
from napari_diatom.widgets.annotate.overview import Overview
from napari_diatom.widgets.annotate.proposer import Proposer


class ProposalRun(QObject):
    """Starts the proposer, and shows its progress.

    Parameters
    ----------
    form : AnnotateForm
        Has the list of models, and shows the progress.
    opened : Opened
        The open project and image.
    proposer : Proposer
        Runs the model.
    overview : Overview
        Shows the numbers of proposals.
    """

    def __init__(self, form: AnnotateForm, opened: Opened, proposer: Proposer, overview: Overview) -> None:
        super().__init__(form)
        self._form = form
        self._opened = opened
        self._proposer = proposer
        self._overview = overview
        self._failures: list[str] = []
        proposer.progressed.connect(self._on_progress)
        proposer.proposed.connect(self._on_proposed)
        proposer.failed.connect(self._failures.append)
        proposer.finished.connect(self._on_finished)

    def start(self, all_untouched: bool = False) -> None:
        """Run the chosen model on this image, or on all untouched images."""
        project, image, model = self._opened.project, self._opened.image, self._form.model()
        if project is None or model is None:
            return
        images = [] if image is None else [image]
        if all_untouched:
            images = [tally.image for tally in project.summary() if tally.state == "untouched"]
        if images:
            self._form.show_running("proposals", True)
            self._proposer.start(project, images, model)
        else:
            self._form.line.say("There are no untouched images: somebody has worked on each of them.")

    def _on_progress(self, text: str) -> None:
        self._form.line.say(f"Looking for diatoms in {text}")

    def _on_proposed(self, image_id: str) -> None:
        project, image = self._opened.project, self._opened.image
        assert project is not None
        if image is None or image_id != image.id:
            with self._form.line.showing_errors():
                project.release(image_id)
        self._overview.count(image_id)
        self._overview.refresh()

    def _on_finished(self) -> None:
        self._form.show_running("proposals", False)
        more = f" {many(len(self._failures) - 1, 'more image')} failed." if len(self._failures) > 1 else ""
        self._form.line.say(f"{self._failures[0]}{more}" if self._failures else "", error=bool(self._failures))
        self._failures.clear()
