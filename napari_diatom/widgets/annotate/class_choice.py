"""The chosen class, for the selected specimens and for the next one that is drawn."""

from __future__ import annotations

from napari_diatom.widgets.annotate import questions
from napari_diatom.widgets.annotate.canvas import AnnotationCanvas
from napari_diatom.widgets.annotate.form import AnnotateForm
from napari_diatom.widgets.annotate.opened import Opened
from napari_diatom.widgets.annotate.overview import Overview
from napari_diatom.widgets.annotate.proposal_review import ProposalReview
from napari_diatom.widgets.canvas.specimen_actions import SpecimenActions


class ClassChoice:
    """Chooses among the classes of the project, and adds to them.

    Parameters
    ----------
    form : AnnotateForm
        Has the list of classes.
    opened : Opened
        The open project and image.
    canvas : AnnotationCanvas
        Shows the open image.
    overview : Overview
        Shows the classes.
    actions : SpecimenActions
        Gives selected specimens the class.
    review : ProposalReview
        Accepts selected proposals as the class.
    """

    def __init__(
        self,
        form: AnnotateForm,
        opened: Opened,
        canvas: AnnotationCanvas,
        overview: Overview,
        actions: SpecimenActions,
        review: ProposalReview,
    ) -> None:
        self._form = form
        self._opened = opened
        self._canvas = canvas
        self._overview = overview
        self._actions = actions
        self._review = review

    def use(self, key_or_name: str) -> None:
        """Choose a class, by its key or name, for the next specimen and for the selected ones.

        While the layer of the proposals is active, the selected proposals are accepted as that class. While a box is
        being drawn, only that box gets the class.
        """
        project, classes = self._opened.project, self._form.classes
        name = classes.by_key(key_or_name) or key_or_name
        if project is None or name not in {entry.name for entry in project.settings.classes}:
            return
        classes.setValue(name)
        if self._canvas.three_clicks.clicks:
            return
        if self._review.is_active:
            self._review.accept_as(name)
        else:
            self._actions.set_class(name)

    def add(self, name: str) -> None:
        """Add a class to the project and choose it. If the project has classes already, the user is asked first."""
        project = self._opened.project
        if project is None or (project.settings.classes and not questions.is_new_class(self._form, name)):
            return
        with self._form.line.showing_errors():
            present = project.settings.former_names.get(name)
            if present is None:
                project.classes.add(name)
            name = present or name
            self._overview.show_classes()
            self._form.classes.clear_search()
            self.use(name)
            self._form.line.say("")
