"""The dock widget *Annotate diatoms*: the images of a project, and everything to edit their specimens."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_diatom.analysis import worker_process
from napari_diatom.project.document import Document
from napari_diatom.project.edits import Edit
from napari_diatom.project.project import Project
from napari_diatom.project.settings import ProjectClass
from napari_diatom.widgets.annotate import questions
from napari_diatom.widgets.annotate.canvas import AnnotationCanvas
from napari_diatom.widgets.annotate.class_choice import ClassChoice
from napari_diatom.widgets.annotate.count_review import CountReview
from napari_diatom.widgets.annotate.form import NONE_SELECTED, AnnotateForm
from napari_diatom.widgets.annotate.gallery import Gallery
from napari_diatom.widgets.annotate.gallery_dock import GalleryDock
from napari_diatom.widgets.annotate.gallery_suggestions import GallerySuggestions
from napari_diatom.widgets.annotate.image_browser import ImageBrowser
from napari_diatom.widgets.annotate.names_link import NamesLink
from napari_diatom.widgets.annotate.naming_mode import NamingMode
from napari_diatom.widgets.annotate.opened import Opened
from napari_diatom.widgets.annotate.outline_actions import OutlineActions
from napari_diatom.widgets.annotate.overview import Overview
from napari_diatom.widgets.annotate.project_images import ProjectImages
from napari_diatom.widgets.annotate.project_session import ProjectSession
from napari_diatom.widgets.annotate.proposal_review import ProposalReview
from napari_diatom.widgets.annotate.proposal_run import ProposalRun
from napari_diatom.widgets.annotate.proposer import Analyse, Proposer
from napari_diatom.widgets.annotate.saving import Saving, save_on_exit
from napari_diatom.widgets.annotate.settings_link import SettingsLink
from napari_diatom.widgets.annotate.toolbox import Toolbox
from napari_diatom.widgets.canvas import key_bindings
from napari_diatom.widgets.canvas.specimen_actions import SpecimenActions
from napari_diatom.widgets.common.closing import ask_before_closing, delete_when_closed, focus_image, when_destroyed
from napari_diatom.widgets.common.dock_keys import MOUSE, ButtonKey, DockKeys
from napari_diatom.widgets.common.dock_tabs import share_area
from napari_diatom.widgets.common.open_project import OpenProject
from napari_diatom.widgets.common.opengl import guard
from napari_diatom.widgets.common.plugin_docks import INSIDES, open_dock
from napari_diatom.widgets.common.scrolled import Scrolled
from napari_diatom.widgets.naming.naming_session import NamingSession

if TYPE_CHECKING:
    from napari.viewer import Viewer


_BUTTON_KEYS: Final = (
    ButtonKey("Alt+O", "open_project", "open a project"),
    ButtonKey("Alt+N", "new_project", "make a new project"),
    ButtonKey("Alt+A", "add_images", "add images to the project"),
    ButtonKey("Alt+R", "propose", "run the model on this image"),
    ButtonKey("Alt+U", "next_unfinished", "open the next unfinished image"),
    ButtonKey("Alt+G", "show_gallery", "show all specimens of the project as pictures"),
    ButtonKey("Alt+E", "show_names", "name similar specimens at once, check names, and see the map"),
)


class AnnotateWidget(QWidget):
    """Annotates the images of a project.

    Programs can call what its keys and buttons do, for example ``widget.undo()``. ``__init__`` lists the names, each
    with the part that does the work.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The viewer it belongs to.
    analyse : callable, optional
        Makes proposals, in a thread; :func:`napari_diatom.analysis.worker_process.analyse` by default.
    """

    def __init__(self, napari_viewer: Viewer, analyse: Analyse | None = None) -> None:
        super().__init__()
        self._opened = opened = Opened()
        self._canvas = canvas = AnnotationCanvas(napari_viewer)
        self._open_project = OpenProject.of(napari_viewer)
        self._proposer = Proposer(worker_process.analyse if analyse is None else analyse)
        self._form = form = AnnotateForm()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(Scrolled(form))
        keys = DockKeys(self, napari_viewer, _BUTTON_KEYS, lambda: [*key_bindings.key_rows(projects=True), *MOUSE])
        self._overview = Overview(form, opened, canvas)
        self._toolbox = Toolbox(form, opened, canvas)
        self._saving = Saving(form, opened, canvas, self._toolbox)
        self._session = ProjectSession(form, opened, canvas, self._toolbox, self._overview, self._saving)
        self._images = ProjectImages(form, opened, self._session, self._overview)
        self._outlining = OutlineActions(form, opened, canvas)
        self._actions = SpecimenActions(form.line, canvas, self._outlining)
        self._count_review = CountReview(form, self._session)
        self._review = ProposalReview(form.line, opened, canvas, self._toolbox, self._overview)
        self._choice = ClassChoice(form, opened, canvas, self._overview, self._actions, self._review)
        self._run = ProposalRun(form, opened, self._proposer, self._overview)
        self._names = names = NamingSession(form)
        suggestions = GallerySuggestions(names, form.suggest.isChecked, form)
        form.suggest.toggled.connect(suggestions.changed)
        self._gallery_dock = GalleryDock(napari_viewer, suggestions, form)
        self._naming = NamingMode(form, opened, canvas, self._toolbox, self._session, self._choice, names)
        self._names_link = NamesLink(napari_viewer, form, opened, canvas, self._actions, names)
        self._settings = SettingsLink(napari_viewer, form, canvas, opened, self._session, self._overview, self._saving)

        self.open_project, self.new_project = self._count_review.open, self._session.create
        self.close_project = self._session.close
        self.open_image, self.go_to = self._session.open_image, self._session.go_to
        self.find_moved, self.remove_image = self._images.find_moved, self._images.remove
        self.use_tool = self._toolbox.use
        self.use_class, self.add_class = self._naming.use_class, self._choice.add
        self.toggle_naming, self.find_class = self._naming.toggle, self._naming.find_class
        self.take_genus = self._naming.take_genus
        self.set_status, self.delete = self._actions.set_status, self._actions.delete
        self.to_boxes, self.to_polygons = self._actions.to_boxes, self._actions.to_polygons
        self.outline = self._outlining.outline
        self.undo, self.redo, self.cancel = self._names_link.undo, self._names_link.redo, self._actions.cancel
        self.toggle_done = self._actions.toggle_done
        self.accept, self.reject, self.accept_all = self._review.accept, self._review.reject, self._review.accept_all
        self.confirm = self._review.confirm
        self.next_uncertain = self._review.next_uncertain
        self.propose = self._run.start
        self.show_settings = self._settings.show
        self.show_names, self.names_dock = self._names_link.show, self._names_link.dock
        self.names, self.suggested = self._names_link.names, self._naming.suggested
        self.flush = self._saving.flush
        self.show_keys = keys.show

        self._connect_form()
        self._connect_parts()
        self._save_on_exit(napari_viewer)
        self._bind_keys()
        self._session.show()

    def project(self) -> Project | None:
        """Return the open project."""
        return self._opened.project

    def document(self) -> Document | None:
        """Return the annotations of the open image."""
        return self._opened.document

    def canvas(self) -> AnnotationCanvas:
        """Return the canvas, which shows the open image."""
        return self._canvas

    def browser(self) -> ImageBrowser:
        """Return the list of images."""
        return self._form.browser

    def proposer(self) -> Proposer:
        """Return the proposer, which runs models on images."""
        return self._proposer

    def gallery(self) -> Gallery | None:
        """Return the review gallery, or None if it is not open."""
        return self._gallery_dock.gallery()

    def message(self) -> str:
        """Return what the dock said last."""
        return self._form.line.text()

    def next_image(self) -> None:
        """Open the next image of the list."""
        self._form.browser.step(1)

    def previous_image(self) -> None:
        """Open the previous image of the list."""
        self._form.browser.step(-1)

    def show_added(self, image_id: str, message: str = "") -> None:
        """Show an image that got specimens from elsewhere, with what is new in the project, and a message."""
        self._session.show()
        self.open_image(image_id)
        self._form.line.say(message)

    def explain(self) -> None:
        """Show what the network sees of the selected specimen or proposal, in a dock of its own."""
        if self._canvas.activate_selected():
            open_dock(self._canvas.viewer, INSIDES)
        else:
            self._form.line.warn(f"{NONE_SELECTED}.")

    def show_gallery(self, sample: str = "", taxon: str = "") -> None:
        """Show the specimens of the project as upright pictures, in a dock of their own; or one sample and taxon."""
        self._gallery_dock.show(self._opened.project, sample, taxon)

    def changeEvent(self, event: QEvent | None) -> None:
        """Close the project when the dock is closed: napari then removes the widget from the dock."""
        super().changeEvent(event)
        # A question must wait until napari has removed the dock: see _save_on_exit.
        taken_out = event is not None and event.type() == QEvent.Type.ParentChange and self.parent() is None
        if taken_out and self._saving.is_stored():
            self._session.close_and_leave()

    def _connect_form(self) -> None:
        form = self._form
        form.open.clicked.connect(self.ask_for_project)
        form.new.clicked.connect(lambda *_: self._settings.ask_for_new())
        form.settings.clicked.connect(lambda *_: self.show_settings())
        form.add.clicked.connect(lambda *_: self._images.add(questions.images_to_add(self)))
        form.find_moved.clicked.connect(self._ask_for_moved)
        form.remove.clicked.connect(lambda *_: self.remove_image(form.browser.selected()))
        form.browser.selectionChanged.connect(self._overview.refresh)
        form.browser.chosen.connect(self.open_image)
        form.classes.valueChanged.connect(self._on_class)
        form.classes.applied.connect(self.use_class)
        form.classes.newClassEntered.connect(self.add_class)
        form.classes.entered.connect(partial(focus_image, self._canvas.viewer))
        form.tool_chosen.connect(self.use_tool)
        form.status_chosen.connect(self.set_status)
        form.colour.currentIndexChanged.connect(lambda *_: self._canvas.colour_by(form.colour.currentData()))
        form.propose.clicked.connect(lambda *_: self.propose())
        form.propose_all.clicked.connect(lambda *_: self.propose(all_untouched=True))
        form.stop.clicked.connect(self._proposer.stop)
        form.stop.clicked.connect(self._outlining.stop)
        for button, act in (
            (form.undo, self.undo),
            (form.redo, self.redo),
            (form.keys, self.show_keys),
            (form.to_box, self.to_boxes),
            (form.to_polygon, self.to_polygons),
            (form.outline, self.outline),
            (form.explain, self.explain),
            (form.accept, self.accept),
            (form.reject, self.reject),
            (form.uncertain, self.next_uncertain),
            (form.gallery, self.show_gallery),
            (form.names, self.show_names),
            (form.done, self.toggle_done),
        ):
            button.clicked.connect(_ignoring_arguments(act))

    def _connect_parts(self) -> None:
        line, canvas, gallery, names = self._form.line, self._canvas, self._gallery_dock, self._names
        canvas.classless.connect(self._say_classless)
        canvas.refused.connect(line.warn)
        canvas.edited.connect(self._on_edited)
        canvas.selectionChanged.connect(self._overview.refresh)
        canvas.sizeChanged.connect(self._form.extent.setText)
        gallery.slideRequested.connect(self.go_to)
        gallery.edited.connect(self._on_gallery_edited)
        gallery.failed.connect(line.warn)
        gallery.edited.connect(lambda ids: names.refresh(*ids))
        names.failed.connect(line.warn)
        names.edited.connect(self._on_gallery_edited)
        names.edited.connect(lambda ids: gallery.refresh(*ids))
        names.edited.connect(self._overview.refresh)
        names.classes_changed.connect(self._overview.show_classes)
        self._names_link.slideRequested.connect(self.go_to)
        self._proposer.proposed.connect(names.refresh)
        self._settings.changed.connect(names.reread)
        self._session.project_changed.connect(self._on_project)
        self._session.heartbeat.connect(self._settings.catch_up)
        self._saving.removed.connect(self._settings.catch_up)
        self._saving.storing.connect(names.steps.finish)
        self._settings.changed.connect(lambda: gallery.set_project(self._opened.project))
        self._session.closing.connect(self._proposer.stop)
        self._session.closing.connect(self._outlining.stop)
        self._session.image_opened.connect(self._outlining.show)
        self._session.image_opened.connect(self._review.begin)
        self._images.removed.connect(self._proposer.skip)
        self._images.removed.connect(self._outlining.queue.skip)
        self._session.image_opened.connect(self._naming.look_here_first)
        self._session.closing.connect(self._naming.end)
        self._images.removed.connect(lambda _: gallery.set_project(self._opened.project))
        self._images.removed.connect(lambda _: names.reread())

    def _save_on_exit(self, viewer: Viewer) -> None:
        """Save everything, however the dock, the window or the program ends."""
        guard(viewer)
        share_area(self, "Annotate")
        delete_when_closed(self, viewer, self._session.close_and_leave)
        ask_before_closing(self, viewer, self._saving.may_close)
        # Qt may destroy the widget before Python does, so saving must not need it.
        when_destroyed(self, self._proposer.stop)
        when_destroyed(self, self._outlining.queue.leave)
        when_destroyed(self, self._names.steps.finish, True)
        when_destroyed(self, save_on_exit, self._opened)
        when_destroyed(self, self._open_project.close)

    def _bind_keys(self) -> None:
        for layer in (self._canvas.specimens.layer, self._canvas.proposals.layer):
            key_bindings.bind(layer, partial(getattr, self), projects=True)

    def _on_project(self) -> None:
        project = self._opened.project
        self._open_project.folder = None if project is None else project.folder
        self._open_project.classes = tuple if project is None else partial(_classes, project)
        if project is not self._names.project:
            self._names.set_project(project)
        self._gallery_dock.set_project(project)
        self._open_project.editor = None if project is None else self
        self._open_project.opened.emit()

    def _on_class(self, name: str) -> None:
        self._canvas.new_class = name

    def _on_edited(self, edit: Edit) -> None:
        self._opened.discarded = None
        self._saving.schedule()
        if self._opened.image is not None:
            self._overview.count(self._opened.image.id)
            self._gallery_dock.refresh(self._opened.image.id)
            self._names.refresh(self._opened.image.id)
        self._overview.refresh()

    def _on_gallery_edited(self, image_ids: list[str]) -> None:
        if self._opened.project is not None:
            self._saving.schedule()
            self._overview.count(*image_ids)

    def _say_classless(self) -> None:
        self._form.line.warn(
            "This project does not have any classes yet. To add one, type a name into the field above the list of "
            "classes and press Enter. Then draw again."
        )

    def ask_for_project(self) -> None:
        """Let the user choose a project, and open it."""
        folder = questions.project_to_open(self)
        if folder is not None:
            self.open_project(folder)

    def _ask_for_moved(self) -> None:
        folder = questions.folder_of_moved(self)
        if folder is not None:
            self.find_moved(folder)


def _classes(project: Project) -> tuple[ProjectClass, ...]:
    return project.settings.classes


def _ignoring_arguments(act: Callable[..., object]) -> Callable[..., None]:
    """Return a function that ignores its arguments."""

    def do(*_: object) -> None:
        act()

    return do
