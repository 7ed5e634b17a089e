"""What the form shows of the open project and image: title, counts, and which buttons can be used."""

from __future__ import annotations

from qtpy.QtCore import QObject
from superqt.utils import signals_blocked

from napari_diatom.project import summary
from napari_diatom.project.missing_images import missing_images
from napari_diatom.widgets.annotate.canvas import AnnotationCanvas
from napari_diatom.widgets.annotate.form import NONE_SELECTED, AnnotateForm
from napari_diatom.widgets.annotate.opened import Opened


class Overview(QObject):
    """Keeps the form up to date.

    Parameters
    ----------
    form : AnnotateForm
        Shows the project.
    opened : Opened
        The open project and image.
    canvas : AnnotationCanvas
        Shows the open image.
    """

    def __init__(self, form: AnnotateForm, opened: Opened, canvas: AnnotationCanvas) -> None:
        super().__init__(form)
        self._form = form
        self._opened = opened
        self._canvas = canvas

    def show_classes(self) -> None:
        """Offer the classes of the project, and show how many specimens each has."""
        project = self._opened.project
        classes = () if project is None else project.settings.classes
        self._form.classes.set_classes(classes, {} if project is None else project.settings.former_names)
        self._canvas.set_classes(classes)
        self._form.show_counts()

    def show_title(self) -> None:
        """Show the name of the project, and who else has it open."""
        project, title = self._opened.project, self._form.title
        if project is None:
            title.setText("No project is open. Open one, or make a new one of your images.")
            return
        # Another dock of this program has it open, too.
        names = [there.annotator for there in project.session.others() if not project.session.is_mine(there)]
        also = f" (also open: {', '.join(names)})" if names else ""
        title.setText(f"{project.folder.name}{also}")
        title.setToolTip(str(project.folder))

    def show_images(self) -> None:
        """List the images of the project, and mark the one that is open."""
        self._form.browser.set_project(self._opened.project)
        self.show_missing()
        if self._opened.image is not None:
            self._form.browser.show_current(self._opened.image.id)

    def show_missing(self) -> None:
        """Mark the images whose files are missing."""
        project = self._opened.project
        self._form.browser.set_missing(() if project is None else [image.id for image in missing_images(project)])

    def count(self, *image_ids: str) -> None:
        """Show the current state and numbers of images in the list."""
        project, image, document = self._opened.project, self._opened.image, self._opened.document
        if project is None:
            return
        if image is not None and document is not None and image_ids == (image.id,):
            # The open image is counted at every edit, so no file is read.
            self._form.browser.update_image(summary.of_document(image, document))
        else:
            for tally in project.summary(image_ids):
                self._form.browser.update_image(tally)
        self._form.show_counts()

    def recount(self) -> None:
        """Show what other windows have made of the images that are not open here."""
        project, image, browser = self._opened.project, self._opened.image, self._form.browser
        if project is None:
            return
        known = {tally.image.id: tally for tally in browser.tallies() if image is None or tally.image.id != image.id}
        for tally in project.summary(known.keys()):
            if tally != known[tally.image.id]:
                browser.update_image(tally)
        self._form.show_counts()

    def refresh(self, *_: object) -> None:
        """Enable the buttons that can be used now, and show the numbers of the open image."""
        form, document = self._form, self._opened.document
        for of_project in (form.add, form.settings, form.propose_all, form.gallery, form.suggest, form.names):
            of_project.setEnabled(self._opened.project is not None)
        form.find_moved.setEnabled(form.browser.has_missing())
        form.remove.setEnabled(bool(form.browser.selected()))
        for of_image in (
            *form.tools.values(),
            form.done,
            form.propose,
            form.to_box,
            form.to_polygon,
            form.status,
            form.naming,
        ):
            of_image.setEnabled(document is not None)
        undo, redo = (None, None) if document is None else (document.history.undo_label, document.history.redo_label)
        for button, title, label in ((form.undo, "Undo", undo), (form.redo, "Redo", redo)):
            button.setText(title)
            button.setToolTip(f"{title} {label or ''}".strip())
            button.setEnabled(label is not None)
        proposals = 0 if document is None else len(document.proposals)
        for of_proposals in (form.accept, form.reject, form.uncertain):
            of_proposals.setEnabled(proposals > 0)
        specimens = 0 if document is None else len(document.specimens)
        selected = len(self._canvas.selection())
        explainable = selected > 0 or bool(self._canvas.proposals.selection())
        form.explain.setEnabled(explainable)
        form.explain.setToolTip("Show what the network sees of the selected specimen" if explainable else NONE_SELECTED)
        parts = [] if document is None else [f"<b>{specimens:,}</b> {'specimen' if specimens == 1 else 'specimens'}"]
        parts += [f"{proposals} proposed"] if proposals else []
        parts += [f"{selected} selected"] if selected else []
        form.counts.setText(", ".join(parts))
        with signals_blocked(form.done):
            form.done.setChecked(document is not None and document.state == "done")
