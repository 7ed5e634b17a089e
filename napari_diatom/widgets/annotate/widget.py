"""The dock widget *Annotate diatoms*: a project's images, and all that is done to their specimens."""

from __future__ import annotations

import contextlib
import gc
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from napari.layers import Image
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QMessageBox,
    QPushButton,
    QSizePolicy,
    QSplitter,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_diatom.analysis import worker_process
from napari_diatom.core.detections import STATUSES
from napari_diatom.core.errors import DiatomError
from napari_diatom.core.text import many
from napari_diatom.images.image_files import find_images
from napari_diatom.models import library
from napari_diatom.napari_layers import project_layer, shapes_layer
from napari_diatom.project import summary
from napari_diatom.project.document import Document
from napari_diatom.project.edit_conflicts import ConflictError
from napari_diatom.project.edits import Edit
from napari_diatom.project.image_identity import page_of
from napari_diatom.project.project import Project
from napari_diatom.project.review_queue import Round, unmatched
from napari_diatom.project.settings import ProjectImage
from napari_diatom.project.specimen import Specimen
from napari_diatom.project.taxon_list import read_taxa
from napari_diatom.widgets.annotate import key_bindings
from napari_diatom.widgets.annotate.canvas import Canvas
from napari_diatom.widgets.annotate.class_list import ClassList
from napari_diatom.widgets.annotate.gallery import Gallery
from napari_diatom.widgets.annotate.image_browser import Browser
from napari_diatom.widgets.annotate.image_pyramid import layer_data
from napari_diatom.widgets.annotate.mask_painter import Painter
from napari_diatom.widgets.annotate.proposer import Analyse, Proposer
from napari_diatom.widgets.canvas.viewer_camera import camera_of
from napari_diatom.widgets.common.asking import ask, can_answer
from napari_diatom.widgets.common.closing import ask_before_closing, delete_when_closed, when_destroyed, window_of
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.opengl import guard

if TYPE_CHECKING:
    from napari.viewer import Viewer

_FLUSH_MS: Final = 1500
"""Time without an edit after which the files are written; the journal has all edits before that."""
_BEAT_MS: Final = 30_000
_CLOSE_UP: Final = 5.0
"""Lengths of a specimen that a view of :data:`_VIEW_PX` spans when it goes to one."""
_VIEW_PX: Final = 700.0
_DEFAULT_CLASSES: Final = ("diatom",)
_ALARM: Final = "color: #d55e00"
_NOT_STORED: Final = (
    "<b>Your last edits are not on disk.</b> They are in memory alone, and lost when napari is closed. Make room on "
    "the disk, or make the folder of the project writable: saving is tried again every few seconds."
)
_STAYS_OPEN: Final = "{} stays open: its last edits cannot be written, and closing it would lose them."
_LOST: Final = "The last edits of {} in the project {} were lost: they could not be written before the window closed."
_LISTED: Final = 12
"""Specimens that a question about two versions names."""

_TOOLS: Final = {
    "select": ("Select", "Select, move, turn and scale specimens (S)"),
    "three-clicks": ("Rotated box", "Three clicks: both ends of the apical axis, then the margin (B)"),
    "upright": ("Upright box", "Drag from corner to corner (U)"),
    "polygon": ("Polygon", "Click the corners; double click or Enter closes it (P)"),
    "paint": ("Paint mask", "Paint and fill the mask of the selected specimen, or of a new one (M, then M again)"),
}
_MODES: Final = {
    "select": "select",
    "three-clicks": "pan_zoom",
    "upright": "add_rectangle",
    "polygon": "add_polygon",
    "paint": "pan_zoom",
    "move": "pan_zoom",
}
_TOOL_LOOK: Final = """
QToolButton { border: 1px solid rgba(128, 128, 128, 110); border-radius: 2px; padding: 3px 5px; }
QToolButton:checked { background: rgba(86, 180, 233, 130); }
"""
"""napari's themes draw tools without a border, and those that are switched on like the others."""


class AnnotateWidget(QWidget):
    """Annotates the images of a project.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The viewer it belongs to.
    analyse : callable, optional
        Makes proposals, in a thread; :func:`napari_diatom.analysis.worker_process.analyse` by default.
    """

    def __init__(self, napari_viewer: Viewer, analyse: Analyse = worker_process.analyse) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._project: Project | None = None
        self._document: Document | None = None
        self._image: ProjectImage | None = None
        self._round = Round()
        self._tool = "select"
        self._canvas = Canvas(napari_viewer)
        self._painter = Painter(napari_viewer)
        self._gallery: Gallery | None = None
        self._failures: list[str] = []
        self._proposer = Proposer(analyse)
        self._flush_timer = QTimer(self)
        self._flush_timer.setSingleShot(True)
        self._flush_timer.setInterval(_FLUSH_MS)
        self._beat_timer = QTimer(self)
        self._beat_timer.setInterval(_BEAT_MS)
        self._given_up: Project | None = None
        self._look_timer = QTimer(self)
        self._look_timer.setSingleShot(True)
        self._look_timer.timeout.connect(self._look_after_layers)
        self._build()
        self._connect()
        self._bind_keys()
        self._show_project()

    def project(self) -> Project | None:
        """Return the open project."""
        return self._project

    def document(self) -> Document | None:
        """Return the annotations of the open image."""
        return self._document

    def canvas(self) -> Canvas:
        """Return what shows the open image."""
        return self._canvas

    def browser(self) -> Browser:
        """Return the list of images."""
        return self._browser

    def open_project(self, folder: Path) -> None:
        """Open a project and its first unfinished image; what is wrong with it is shown instead."""
        with self._told():
            project = Project.open(folder)
            if not self.close_project():
                project.close()
                return
            self._project = project
            self._show_project()
            self._browser.next_unfinished()

    def new_project(self, folder: Path, images: Sequence[Path], classes: Path | None = None) -> None:
        """Make a project of images, with the classes of a taxon list or one class, and open it."""
        with self._told():
            Project.create(folder, images, _DEFAULT_CLASSES if classes is None else read_taxa(classes)).close()
            self.open_project(folder)

    def close_project(self) -> bool:
        """Write everything and close the project; what cannot be written stays in its journal.

        Where edits are in memory alone, a person is asked, and without one the project stays open. Returns whether it
        is closed.
        """
        if not self._may_close():
            return False
        self._proposer.stop()
        self._leave_image()
        project, self._project = self._project, None
        self._show_project()
        if project is not None:
            with self._told():
                project.close()
        return True

    def open_image(self, image_id: str) -> None:
        """Show an image of the project with its specimens."""
        project = self._project
        if project is None:
            return
        with self._told(), _unswept():
            image = project.settings.image(image_id)
            self._check(image)
            data, multiscale = layer_data(page_of(project.path(image_id), image.page, image.division))
            document = project.show(image_id)
            self._leave_image()
            size = project.settings.pixel_sizes_um.get(image.slide)
            place = {} if size is None else {"scale": (size, size), "units": ("µm", "µm")}
            layer = Image(data, rgb=True, multiscale=multiscale, name=image_id, **place)
            self._viewer.add_layer(layer)
            self._image, self._document, self._round = image, document, Round()
            self._canvas.open(document, layer, project.settings.classes, size)
            self._viewer.reset_view()
            self._browser.show_current(image_id)
            self.use_tool(self._tool)
        self._refresh()

    def use_tool(self, name: str) -> None:
        """Take a tool; ``paint`` again, or another one, takes over what was painted."""
        if self._painter.is_on:
            self._end_painting()
            name = "select" if name == "paint" else name
        self._hold(name)
        if self._document is None:
            return
        layer = self._canvas.specimens.layer
        self._canvas.three_clicks.switch(name == "three-clicks")
        if layer in self._viewer.layers:
            self._viewer.layers.selection.active = layer
            layer.mode = _MODES[name]
        if name == "paint":
            self._begin_painting()

    def _hold(self, name: str) -> None:
        """Show which tool is in the hand."""
        self._tool = name
        for tool, button in self._tools.items():
            button.setChecked(tool == name)

    def use_class(self, key_or_name: str) -> None:
        """Choose a class, by its key or name, for what is drawn next, and give it to what is selected.

        Selected proposals are accepted as that class while their layer is the active one; in the middle of a box it is
        that box's alone.
        """
        name = self._classes.by_key(key_or_name) or key_or_name
        if self._project is None or name not in {entry.name for entry in self._project.settings.classes}:
            return
        self._classes.setValue(name)
        if self._canvas.three_clicks.clicks:
            return
        proposals = self._canvas.proposals
        # The viewer of a plugin is a proxy, and so is what it gives: equal to a layer, not the same object.
        if self._viewer.layers.selection.active == proposals.layer and proposals.selection():
            self._decide(lambda document, ids: document.accept(ids, name=name))
        else:
            self._change(lambda document, ids: document.set_class(ids, name))

    def add_class(self, name: str) -> None:
        """Add a class to the project and choose it; where there are others already, a person is asked first."""
        project = self._project
        if project is None:
            return
        kinds = QMessageBox.StandardButton
        question = f"This project has no class {name!r}. Add it?"
        if project.settings.classes and kinds.Yes != QMessageBox.question(self, "New class", question):
            return
        with self._told():
            project.update(project.settings.with_classes([name]))
            self._show_classes()
            self._classes.clear_search()
            self.use_class(name)
            self._say("")

    def set_status(self, status: str) -> None:
        """Give what is selected a status."""
        self._change(lambda document, ids: document.set_status(ids, status))

    def to_boxes(self) -> None:
        """Make rotated boxes of the selected polygons and masks."""
        self._change(
            lambda document, ids: document.reshape(
                {id_: Specimen.rectangle(document.specimens[id_].box, document.specimens[id_].name) for id_ in ids}
            )
        )

    def to_polygons(self) -> None:
        """Make polygons, which have masks, of the selected boxes."""
        self._change(
            lambda document, ids: document.reshape(
                {id_: Specimen.polygon(document.specimens[id_].polygons, document.specimens[id_].name) for id_ in ids}
            )
        )

    def delete(self) -> None:
        """Delete what is selected."""
        self._change(lambda document, ids: document.remove(ids))

    def accept(self) -> None:
        """Accept the selected proposals, else the one gone to last, and go to the next."""
        self._decide(lambda document, ids: self._accepted(document, ids))

    def reject(self) -> None:
        """Reject the selected proposals, else the one gone to last, and go to the next."""
        self._decide(lambda document, ids: document.reject(ids))

    def accept_all(self) -> None:
        """Accept all proposals of the image, but for those that mean a specimen that is there already."""
        document = self._document
        if document is None or not document.proposals:
            return
        with self._told():
            new = unmatched(document.specimens, document.proposals)
            if new:
                self._accepted(document, new)
            left = len(document.proposals)
            if left:
                lie, stay = ("lies", "it stays") if left == 1 else ("lie", "they stay")
                self._say(f"{many(left, 'proposal')} {lie} on specimens that are there already: {stay}.")

    def next_uncertain(self) -> None:
        """Go to what is least certain: where models and people disagree first, then the lowest score."""
        document = self._document
        doubt = None if document is None else self._round.next(document.specimens, document.proposals)
        if doubt is not None:
            self._canvas.select([doubt.specimen.id])
            if self._viewer.layers.selection.active == self._canvas.proposals.layer and not self._painter.is_on:
                # Nothing can be drawn in the layer of the proposals.
                self._hold("select")
                self._canvas.three_clicks.switch(False)
                self._canvas.specimens.layer.mode = _MODES["select"]
            self._go_to(doubt.specimen)
            self._say(doubt.text)

    def undo(self) -> None:
        """Undo the last click of an unfinished box, else the last edit."""
        self._canvas.flush()
        if self._document is not None and not self._canvas.three_clicks.step_back():
            with self._told():
                self._document.undo()

    def redo(self) -> None:
        """Do again what was undone last."""
        self._canvas.flush()
        if self._document is not None:
            with self._told():
                self._document.redo()

    def give_up(self) -> None:
        """Give up what is being drawn, or let go of the selection."""
        if self._canvas.three_clicks.clicks:
            self._canvas.three_clicks.give_up()
        else:
            self._canvas.select([])

    def next_image(self) -> None:
        """Show the next image of the list."""
        self._browser.step(1)

    def previous_image(self) -> None:
        """Show the image before."""
        self._browser.step(-1)

    def toggle_done(self) -> None:
        """Mark the image as done, or as not done."""
        if self._document is not None:
            with self._told():
                self._document.set_done(self._document.state != "done")

    def show_gallery(self) -> None:
        """Show all specimens of the project as upright pictures, in a dock widget of its own."""
        if self._gallery is None:
            self._gallery = gallery = Gallery()
            gallery.wanted.connect(self.go_to)
            gallery.edited.connect(self._on_gallery_edited)
            gallery.failed.connect(lambda text: self._say(text, error=True))
            # Closed by the user, the dock takes the gallery with it.
            when_destroyed(gallery, self.__dict__.__setitem__, "_gallery", None)
            self._viewer.window.add_dock_widget(gallery, name="Review gallery", area="bottom")
            gallery.set_project(self._project)
        parent = self._gallery.parentWidget()
        if parent is not None:
            parent.show()
            parent.raise_()

    def gallery(self) -> Gallery | None:
        """Return the review gallery where it was shown."""
        return self._gallery

    def go_to(self, image_id: str, specimen_id: str) -> None:
        """Show a specimen on its slide."""
        if self._image is None or self._image.id != image_id:
            self.open_image(image_id)
        document = self._document
        if document is not None and specimen_id in document.specimens:
            self._canvas.select([specimen_id])
            self._go_to(document.specimens[specimen_id])

    def show_keys(self) -> None:
        """Show the sheet of keys."""
        box = QMessageBox(QMessageBox.Icon.NoIcon, "Keys", key_bindings.sheet(), QMessageBox.StandardButton.Close, self)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.open()

    def propose(self, all_untouched: bool = False) -> None:
        """Have the chosen model make proposals for this image, or for all untouched ones."""
        name = self._model_combo.currentData()
        if self._project is None or name is None:
            return
        images = [self._image] if self._image is not None else []
        if all_untouched:
            images = [tally.image for tally in self._project.summary() if tally.state == "untouched"]
        if images:
            self._stop.setEnabled(True)
            self._proposer.start(self._project, images, self._models[name])
        else:
            self._say("No image is untouched.")

    def flush(self) -> None:
        """Write what was edited; another window's edits are merged with the own ones."""
        self._flush_timer.stop()
        self._canvas.flush()
        if self._project is None:
            return
        try:
            self._project.flush()
        except ConflictError as error:
            with self._told():
                self._merge(error)
        except DiatomError as error:
            # The journal, or memory, has the edits; the next one tries again.
            self._say(str(error), error=True)
        self._show_stored()

    def _build(self) -> None:
        self._title = named(QLabel(), "project")
        self._title.setWordWrap(True)
        self._open = named(QPushButton("Open..."), "open_project")
        self._new = named(QPushButton("New..."), "new_project")
        self._add = named(QPushButton("Add images..."), "add_images")
        self._browser = Browser()
        self._classes = ClassList()
        self._tools: dict[str, QToolButton] = {}
        for name, (title, tip) in _TOOLS.items():
            button = named(QToolButton(), f"tool_{name}")
            button.setText(title)
            button.setToolTip(tip)
            button.setCheckable(True)
            button.clicked.connect(partial(self._take_tool, name))
            self._tools[name] = button
        self._undo = named(QToolButton(), "undo")
        self._redo = named(QToolButton(), "redo")
        self._keys = named(QToolButton(), "keys")
        self._keys.setText("Keys")
        self._keys.setToolTip("All keys (F1)")
        self._status = named(QComboBox(), "status")
        self._status.addItem("status of the selected", "")
        for status in STATUSES:
            self._status.addItem(status, status)
        self._colour = named(QComboBox(), "colour_by")
        for way in project_layer.WAYS:
            self._colour.addItem(f"colour by {way}", way)
        self._to_box = named(QToolButton(), "to_boxes")
        self._to_box.setText("To box")
        self._to_box.setToolTip("The rotated box in place of the selected masks and polygons")
        self._to_polygon = named(QToolButton(), "to_polygons")
        self._to_polygon.setText("To polygon")
        self._to_polygon.setToolTip("Polygons, which have masks, in place of the selected boxes")
        self._show_all = named(QPushButton("Gallery"), "show_gallery")
        self._show_all.setToolTip("All specimens of the project as upright pictures, to be sorted and relabelled")
        self._done = named(QPushButton("Done"), "done")
        self._done.setCheckable(True)
        self._done.setToolTip("All specimens of the image are annotated (D)")
        self._models = {model.card.name: model for model in library.available()}
        self._model_combo = named(QComboBox(), "model")
        for name, model in self._models.items():
            self._model_combo.addItem(f"{name} {model.card.version}", name)
        self._propose = named(QPushButton("Propose"), "propose")
        self._propose.setToolTip("Have the model look at this image; nothing of yours is touched")
        self._propose_all = named(QPushButton("All untouched"), "propose_all")
        self._stop = named(QPushButton("Stop"), "stop")
        self._stop.setEnabled(False)
        self._accept = named(QPushButton("Accept"), "accept")
        self._accept.setToolTip("The selected proposals, else the current one (A)")
        self._reject = named(QPushButton("Reject"), "reject")
        self._reject.setToolTip("The selected proposals, else the current one (X)")
        self._uncertain = named(QPushButton("Next uncertain"), "next_uncertain")
        self._uncertain.setToolTip("What models and people disagree about, then the lowest score (N)")
        self._counts = named(QLabel(), "counts")
        self._size = named(QLabel(), "size")
        self._size.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._message = named(QLabel(), "message")
        self._message.setWordWrap(True)
        self._not_stored = named(QLabel(_NOT_STORED), "not_stored")
        self._not_stored.setWordWrap(True)
        self._not_stored.setStyleSheet(_ALARM)
        self._not_stored.hide()
        self._lay_out()

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.addWidget(self._title, 1)
        for wide in (self._open, self._new, self._add):
            top.addWidget(wide)
        tools = QGridLayout()
        tools.setSpacing(3)
        for column, button in enumerate(self._tools.values()):
            tools.addWidget(button, 0, column)
        for column, button in enumerate((self._undo, self._redo, self._to_box, self._to_polygon, self._keys)):
            tools.addWidget(button, 1, column)
        choices = QHBoxLayout()
        choices.addWidget(self._status, 1)
        choices.addWidget(self._colour, 1)
        models = QHBoxLayout()
        models.addWidget(self._model_combo, 1)
        for wide in (self._propose, self._propose_all, self._stop):
            models.addWidget(wide)
        decisions = QHBoxLayout()
        for wide in (self._accept, self._reject, self._uncertain):
            decisions.addWidget(wide)
        for wide in (self._show_all, self._done):
            decisions.addWidget(wide)
        below = QHBoxLayout()
        for label, share in ((self._counts, 2), (self._size, 1)):
            # A text that grows in the middle of a drag must not widen the dock: the slide would move under the mouse.
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
            below.addWidget(label, share)
        work = QWidget()
        work.setStyleSheet(_TOOL_LOOK)
        column_layout = QVBoxLayout(work)
        column_layout.setContentsMargins(0, 0, 0, 0)
        for part in (tools, choices):
            column_layout.addLayout(part)
        column_layout.addWidget(self._classes, 1)
        for part in (models, decisions, below):
            column_layout.addLayout(part)
        split = QSplitter(Qt.Orientation.Vertical)
        split.addWidget(self._browser)
        split.addWidget(work)
        split.setStretchFactor(1, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.addLayout(top)
        layout.addWidget(split, 1)
        layout.addWidget(self._message)
        layout.addWidget(self._not_stored)

    def _connect(self) -> None:
        self._open.clicked.connect(self._ask_for_project)
        self._new.clicked.connect(self._ask_for_new)
        self._add.clicked.connect(self._ask_for_images)
        self._browser.chosen.connect(self.open_image)
        self._classes.valueChanged.connect(self._on_class)
        self._classes.applied.connect(self.use_class)
        self._classes.wanted.connect(self.add_class)
        self._canvas.classless.connect(self._say_classless)
        self._canvas.refused.connect(lambda text: self._say(text, error=True))
        self._undo.clicked.connect(self.undo)
        self._redo.clicked.connect(self.redo)
        self._keys.clicked.connect(self.show_keys)
        self._to_box.clicked.connect(self.to_boxes)
        self._to_polygon.clicked.connect(self.to_polygons)
        self._status.activated.connect(self._on_status)
        self._colour.currentIndexChanged.connect(lambda *_: self._canvas.colour_by(self._colour.currentData()))
        self._done.clicked.connect(self.toggle_done)
        self._show_all.clicked.connect(lambda *_: self.show_gallery())
        self._propose.clicked.connect(lambda *_: self.propose())
        self._propose_all.clicked.connect(lambda *_: self.propose(all_untouched=True))
        self._stop.clicked.connect(self._proposer.stop)
        self._accept.clicked.connect(self.accept)
        self._reject.clicked.connect(self.reject)
        self._uncertain.clicked.connect(self.next_uncertain)
        self._canvas.edited.connect(self._on_edited)
        self._canvas.selectionChanged.connect(self._refresh)
        self._canvas.sizeChanged.connect(self._size.setText)
        self._proposer.progressed.connect(lambda text: self._say(f"Looking for diatoms in {text}"))
        self._proposer.proposed.connect(self._on_proposed)
        self._proposer.failed.connect(self._on_proposal_failed)
        self._proposer.finished.connect(self._on_proposals_finished)
        self._flush_timer.timeout.connect(self.flush)
        self._beat_timer.timeout.connect(self._beat)
        self._beat_timer.start()
        guard(self._viewer)
        self._viewer.layers.events.removed.connect(self._on_removed)
        delete_when_closed(self, self._viewer, self._let_go)
        ask_before_closing(self, self._viewer, self._may_close)
        # Qt may be rid of the widget before Python is; what is written then must not need it.
        when_destroyed(self, _leave, self._proposer, self.__dict__)

    def changeEvent(self, event: QEvent | None) -> None:
        """Leave the project when the dock is closed by its cross: napari takes the widget out of it then."""
        super().changeEvent(event)
        # A question has to wait until napari has taken the dock away: see _let_go.
        taken_out = event is not None and event.type() == QEvent.Type.ParentChange and self.parent() is None
        if taken_out and self._is_stored():
            self._let_go()

    def _let_go(self) -> bool:
        """Leave the project and the viewer; return whether both were left."""
        if not self.close_project():
            return False
        self._canvas.leave()
        return True

    def _is_stored(self) -> bool:
        """Try to put all edits on disk, and return whether they are there."""
        if self._painter.is_on:
            self.use_tool("select")
        self._canvas.flush()
        if self._project is None:
            return True
        # What somebody else has written meanwhile is no matter here: the journal keeps the edits then.
        with contextlib.suppress(DiatomError):
            self._project.flush()
        self._show_stored()
        return self._project.is_stored

    def _may_close(self) -> bool:
        """Return whether closing the project loses nothing, or a person takes the loss."""
        project = self._project
        if project is None or self._is_stored() or project is self._given_up:
            return True
        window = window_of(self._viewer)
        if not can_answer(window):
            self._say(_STAYS_OPEN.format(project.folder.name), error=True)
            warnings.warn(_STAYS_OPEN.format(project.folder), stacklevel=2)
            return False
        names = ", ".join(project.unstored())
        answer = ask(
            window,
            "Edits are not saved",
            f"Your last edits of {names} in the project {project.folder.name} cannot be written. They are in "
            "memory alone, and closing the project loses them.\n\nKeep it open to make room on the disk, or to make "
            "the folder writable: saving is tried again every few seconds.",
            "Keep the project open",
            "Close and lose the edits",
        )
        if answer == 1:
            self._given_up = project
        return answer == 1

    def _on_removed(self, event: Any) -> None:
        if self._document is not None:
            # Whoever takes a layer out may be about to take out the next one.
            self._look_timer.start(0)

    def _look_after_layers(self) -> None:
        """End what has lost its layers: napari's own button deletes whatever layer is selected."""
        image, canvas = self._image, self._canvas
        if image is None or canvas.image is None:
            return
        if self._painter.is_on and self._painter.layer not in self._viewer.layers:
            self.use_tool("select")
        lost = [layer.name for layer in (canvas.image, *canvas.layers()) if layer not in self._viewer.layers]
        if lost:
            self._leave_image()
            self._browser.show_none()
            self._refresh()
            self._say(
                f"{image.id} was closed, because its layer {lost[0]!r} was deleted. Its specimens are kept: click the "
                "image in the list to open it again."
            )

    def _bind_keys(self) -> None:
        for layer in (self._canvas.specimens.layer, self._canvas.proposals.layer):
            for key in key_bindings.KEYS:
                layer.bind_key(key.name, self._action(key), overwrite=True)

    def _action(self, key: key_bindings.Key) -> Callable[..., None]:
        """Return what a key does; napari asks for a function with a name."""
        method: Callable[..., object] = getattr(self, key.action)

        def act(*_: object) -> None:
            method(*([key.argument] if key.argument else []))

        return act

    def _take_tool(self, name: str, *_: object) -> None:
        self.use_tool(name)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Show an error of ours to the user."""
        try:
            yield
        except DiatomError as error:
            self._say(str(error), error=True)
            show_error(str(error))

    def _change(self, change: Callable[[Document, list[str]], object]) -> None:
        """Make an edit of the selected specimens."""
        self._canvas.flush()
        ids = list(self._canvas.selection())
        if self._document is not None and ids:
            with self._told():
                change(self._document, ids)

    def _decide(self, decide: Callable[[Document, list[str]], object]) -> None:
        """Accept or reject the selected proposals, and go to the next one."""
        self._canvas.flush()
        ids = list(self._canvas.proposals.selection())
        if self._document is not None and ids:
            self._round.note(self._document.specimens, self._document.proposals)
            with self._told():
                decide(self._document, ids)
        self.next_uncertain()

    def _accepted(self, document: Document, ids: Sequence[str]) -> Edit:
        """Accept proposals; the classes that a model gives and the project lacks become the one that is chosen."""
        others = {document.proposals[id_].name for id_ in ids if id_ in document.proposals}
        others = {name for name in others if self._canvas.class_of(name) != name}
        edit = document.accept(ids, name=self._canvas.class_of)
        missing = {item.name for item in edit.after.values() if item is not None} - {
            entry.name for entry in self._canvas.classes
        }
        if missing and self._project is not None:
            # A project without classes gets those of the model.
            self._project.update(self._project.settings.with_classes(sorted(missing)))
            self._show_classes()
        if others:
            names = ", ".join(sorted(others))
            which = f"class {names}, which" if len(others) == 1 else f"classes {names}, which"
            self._say(f"The model gives the {which} this project does not have: accepted as {self._classes.value()}.")
        return edit

    def _say_classless(self) -> None:
        self._say(
            "This project has no classes yet: type a name into the field above the list of classes and press Enter, "
            "then draw again.",
            error=True,
        )

    def _begin_painting(self) -> None:
        selected = self._canvas.selection()
        specimen = self._document.specimens[selected[0]] if self._document is not None and selected else None
        if not self._classes.value():
            self._say_classless()
            self.use_tool("select")
        elif self._canvas.image is not None:
            self._painter.begin(self._canvas.image, self._view(), specimen)
            layer = self._painter.layer
            assert layer is not None
            for name in ("M", "Enter", "Return"):
                layer.bind_key(name, lambda *_: self.use_tool("paint"), overwrite=True)

    def _end_painting(self) -> None:
        specimen = self._painter.specimen
        mask = self._painter.end()
        document = self._document
        if document is None or mask is None:
            return
        with self._told():
            if specimen is not None and specimen.id in document.specimens:
                document.reshape({specimen.id: Specimen.of_mask(mask, specimen.name)})
            else:
                document.add([Specimen.of_mask(mask, self._classes.value())], "paint")

    def _view(self) -> tuple[int, int, int, int]:
        """Return ``x0, y0, x1, y1`` of what is seen of the image, in pixels."""
        image = self._canvas.image
        assert image is not None
        low, high = np.asarray(image.corner_pixels, dtype=np.float64)[:, :2]
        factor = image.downsample_factors[image.data_level][:2] if image.multiscale else np.ones(2)
        (y0, x0), (y1, x1) = low * factor, (high + 1) * factor
        return int(x0), int(y0), int(x1), int(y1)

    def _go_to(self, specimen: Specimen) -> None:
        """Bring a specimen to the middle of the view."""
        layer = self._canvas.specimens.layer
        points = shapes_layer.to_points([specimen.box[:2]])[0]
        camera = camera_of(self._viewer)
        camera.center = (*camera.center[:-2], *np.asarray(layer.data_to_world(points))[-2:])
        span = specimen.box[2] * float(layer.scale[-1]) * _CLOSE_UP
        camera.zoom = _VIEW_PX / span

    def _leave_image(self) -> None:
        """Write and close what is open."""
        if self._painter.is_on:
            self._end_painting()
        if self._document is None:
            return
        self._canvas.flush()
        layer, image = self._canvas.image, self._image
        self._canvas.close()
        self._document = self._image = None
        self._flush_timer.stop()
        if layer in self._viewer.layers:
            self._viewer.layers.remove(layer)
        if self._project is not None and image is not None:
            with self._told():
                self._project.release(image.id)
            self._count(image.id)
        self._show_stored()

    def _check(self, image: ProjectImage) -> None:
        """Say so where the file of an image is not the one that was annotated."""
        assert self._project is not None
        condition = self._project.condition(image.id)
        if condition == "changed":
            show_info(f"{image.id} is another file than the one that was annotated. Boxes may lie elsewhere.")

    def _merge(self, error: ConflictError) -> None:
        """Take over what another window wrote, with the own edits on top of it."""
        document = self._document
        if document is None:
            self._say(str(error), error=True)
            return
        try:
            document.rebase()
        except ConflictError as clash:
            listed = "\n".join(f"- {item.words()}" for item in clash.clashes[:_LISTED])
            more = len(clash.clashes) - _LISTED
            answer = ask(
                self,
                "Changed in another window",
                f"{many(len(clash.clashes), 'specimen')} of this image, changed here and by somebody else:\n\n{listed}"
                f"{f'{chr(10)}And {more} more.' if more > 0 else ''}\n\nWhich version of these do you want to keep? "
                "All other changes are kept, yours and theirs.",
                "Keep mine",
                "Keep theirs",
            )
            document.rebase(("mine", "theirs")[answer])
        self._flush_timer.start()
        self._say("Merged with what another window wrote.")

    def _on_class(self, name: str) -> None:
        self._canvas.new_class = name

    def _on_status(self, index: int) -> None:
        status = self._status.itemData(index)
        with signals_blocked(self._status):
            self._status.setCurrentIndex(0)
        if status:
            self.set_status(status)

    def _show_stored(self) -> None:
        """Say so as long as edits are in memory alone, and try again to write them."""
        is_stored = self._project is None or self._project.is_stored
        self._not_stored.setVisible(not is_stored)
        if not is_stored:
            self._flush_timer.start()

    def _on_edited(self, edit: Edit) -> None:
        self._given_up = None
        self._flush_timer.start()
        self._show_stored()
        if self._image is not None:
            self._count(self._image.id)
            if self._gallery is not None:
                self._gallery.refresh(self._image.id)
        self._refresh()

    def _on_gallery_edited(self, image_ids: list[str]) -> None:
        if self._project is not None:
            self._flush_timer.start()
            self._show_stored()
            self._count(*image_ids)

    def _on_proposed(self, image_id: str) -> None:
        assert self._project is not None
        if self._image is None or image_id != self._image.id:
            with self._told():
                self._project.release(image_id)
        self._count(image_id)
        self._refresh()

    def _on_proposal_failed(self, text: str) -> None:
        self._failures.append(text)

    def _on_proposals_finished(self) -> None:
        self._stop.setEnabled(False)
        more = f" And {many(len(self._failures) - 1, 'more image')}." if len(self._failures) > 1 else ""
        self._say(f"{self._failures[0]}{more}" if self._failures else "", error=bool(self._failures))
        self._failures.clear()

    def _count(self, *image_ids: str) -> None:
        """Show in the list what images have now."""
        if self._project is None:
            return
        if self._image is not None and self._document is not None and image_ids == (self._image.id,):
            # Of the image at hand, which is counted at every edit, no file is asked.
            self._browser.update_image(summary.of_document(self._image, self._document))
        else:
            for tally in self._project.summary():
                if tally.image.id in image_ids:
                    self._browser.update_image(tally)
        self._show_counts()

    def _show_counts(self) -> None:
        """Show how many specimens of each class the project has."""
        counts: Counter[str] = Counter()
        for tally in self._browser.tallies():
            counts.update(tally.by_class())
        self._classes.set_counts(counts)

    def _beat(self) -> None:
        if self._project is not None:
            with contextlib.suppress(DiatomError):
                self._project.beat()
            self._show_title()

    def _show_project(self) -> None:
        project = self._project
        self._browser.set_project(project)
        if self._gallery is not None:
            self._gallery.set_project(project)
        self._show_classes()
        self._show_title()
        self._show_stored()
        self._refresh()

    def _show_classes(self) -> None:
        """Offer the classes of the project, and show how many specimens each has."""
        classes = () if self._project is None else self._project.settings.classes
        self._classes.set_classes(classes)
        self._canvas.set_classes(classes)
        self._show_counts()

    def _show_title(self) -> None:
        if self._project is None:
            self._title.setText("No project is open.")
            return
        names = [presence.annotator for presence in self._project.others()]
        also = f" (also open: {', '.join(names)})" if names else ""
        self._title.setText(f"{self._project.folder.name}{also}")
        self._title.setToolTip(str(self._project.folder))

    def _refresh(self, *_: object) -> None:
        """Enable what can be done now."""
        document = self._document
        has_project, has_image = self._project is not None, document is not None
        self._add.setEnabled(has_project)
        for widget in (*self._tools.values(), self._done, self._propose, self._to_box, self._to_polygon, self._status):
            widget.setEnabled(has_image)
        self._propose_all.setEnabled(has_project)
        self._show_all.setEnabled(has_project)
        undo, redo = (None, None) if document is None else (document.undo_label, document.redo_label)
        for button, title, label in ((self._undo, "Undo", undo), (self._redo, "Redo", redo)):
            button.setText(title)
            button.setToolTip(f"{title} {label or ''}".strip())
            button.setEnabled(label is not None)
        proposals = 0 if document is None else len(document.proposals)
        for wide in (self._accept, self._reject, self._uncertain):
            wide.setEnabled(proposals > 0)
        specimens = 0 if document is None else len(document.specimens)
        selected = len(self._canvas.selection())
        parts = [f"<b>{specimens:,}</b> {'specimen' if specimens == 1 else 'specimens'}"] if has_image else []
        parts += [f"{proposals} proposed"] if proposals else []
        parts += [f"{selected} selected"] if selected else []
        self._counts.setText(", ".join(parts))
        with signals_blocked(self._done):
            self._done.setChecked(document is not None and document.state == "done")

    def _ask_for_project(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Open the folder of a project")
        if folder:
            self.open_project(Path(folder))

    def _ask_for_new(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of the new project")
        if not folder:
            return
        names, _ = QFileDialog.getOpenFileNames(self, "Images of the project", folder)
        if names:
            taxa, _ = QFileDialog.getOpenFileName(self, "Taxon list (cancel for none)", folder, "CSV (*.csv)")
            self.new_project(Path(folder), [Path(name) for name in names], Path(taxa) if taxa else None)

    def _ask_for_images(self) -> None:
        names, _ = QFileDialog.getOpenFileNames(self, "Images to add")
        if names and self._project is not None:
            with self._told():
                self._project.add_images(find_images(names))
                self._browser.set_project(self._project)
                if self._image is not None:
                    self._browser.show_current(self._image.id)

    def _say(self, message: str, error: bool = False) -> None:
        self._message.setText(message)
        self._message.setStyleSheet(_ALARM if error else "")


@contextlib.contextmanager
def _unswept() -> Iterator[None]:
    """Keep Python from searching all of napari's objects for garbage because thousands that last are made."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _leave(proposer: Proposer, state: dict[str, Any], *_: object) -> None:
    """Write everything when the window is closed."""
    proposer.stop()
    project: Project | None = state.get("_project")
    if project is None:
        return
    with contextlib.suppress(DiatomError):
        project.flush()
    if not project.is_stored and project is not state.get("_given_up"):
        warnings.warn(_LOST.format(", ".join(project.unstored()), project.folder), stacklevel=2)
    with contextlib.suppress(DiatomError):
        project.close()
