"""The review gallery: all specimens of a project as upright pictures, to sort, select and rename them."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_diatom.core.detections import STATUSES
from napari_diatom.core.errors import DiatomError
from napari_diatom.project import gallery_order
from napari_diatom.project.document import Document
from napari_diatom.project.edits import Contents
from napari_diatom.project.gallery_order import Entry, Order
from napari_diatom.project.project import Project
from napari_diatom.widgets.annotate.gallery_suggestions import GallerySuggestions
from napari_diatom.widgets.annotate.sample_choice import SampleChoice
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.pictured_specimens import PictureView
from napari_diatom.widgets.common.text_labels import text_label
from napari_diatom.widgets.naming.names_page import page_shortcut
from napari_diatom.widgets.naming.offers import OFFERED

_LETTERS: Final = 12
"""Of the names of samples and classes that are seen in any case."""
_TURN_S: Final = 0.02
"""Seconds in one turn of the event loop after which no other image is listed."""
_ORDER_TITLES: Final[Mapping[Order, str]] = {
    "unlikeness": "least like their class first",
    "confidence": "least sure of their class first",
    "score": "lowest score first",
    "length": "longest first",
    "length/width": "slenderest first",
    "class": "by class",
    "image": "by image",
}
_ORDER_TIPS: Final[Mapping[Order, str]] = {
    "unlikeness": "How far length and shape are from those of the class",
    "confidence": "How probable the class is among all classes, by length and shape",
    "score": "How certain the model was that this is a specimen. 1 if a person drew it",
    "length": "In µm if all pixel sizes are known, otherwise in pixels",
    "length/width": "Length divided by width",
    "class": "In the order of the names of their classes",
    "image": "In the order of the images, and of the specimens in each image",
}


class Gallery(QWidget):
    """Shows the specimens of a project.

    Parameters
    ----------
    suggestions : GallerySuggestions, optional
        Suggests names for specimens without one.
    parent : QWidget, optional
        Its owner.
    """

    slideRequested = Signal(str, str)
    """Ids of an image and of one of its specimens, to be shown on the slide."""
    edited = Signal(object)
    """Ids of the images whose specimens were changed here."""
    failed = Signal(str)
    """What went wrong."""

    def __init__(self, suggestions: GallerySuggestions | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._suggestions = suggestions
        self._project: Project | None = None
        self._entries: dict[str, list[Entry]] = {}
        self._waiting: deque[str] = deque()
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._list_some)
        self._show_timer = QTimer(self)
        self._show_timer.setSingleShot(True)
        self._show_timer.setInterval(80)
        self._show_timer.timeout.connect(self._show)
        self._note_timer = QTimer(self)
        self._note_timer.setSingleShot(True)
        self._note_timer.setInterval(150)
        self._note_timer.timeout.connect(self._suggest)
        self._list = PictureView("gallery", "Specimens of the project")
        self._model = self._list.specimens
        self._list.opened.connect(self._go_to)
        selection = self._list.selectionModel()
        assert selection is not None
        selection.selectionChanged.connect(self._summarise)
        self._build()
        if suggestions is not None:
            suggestions.changed.connect(self._note_timer.start)
            for number in range(1, OFFERED + 1):
                page_shortcut(str(number), self._list, partial(self.take, number))

    def set_project(self, project: Project | None) -> None:
        """Show the specimens of a project. They are listed in the background."""
        self._project = project
        self._entries = {}
        self._model.forget_pictures()
        self._fill_classes()
        self._sample.set_project(project)
        self._waiting = deque() if project is None else deque(image.id for image in project.images)
        self._timer.start()
        self._show()

    def show_sample(self, sample: str, taxon: str = "") -> None:
        """Show the specimens of one sample, those of all classes by class, or of one class the least alike first."""
        for combo, data in (
            (self._sample, sample),
            (self._class, taxon),
            (self._shown_status, ""),
            (self._order, gallery_order.ORDERS[0] if taxon else "class"),
        ):
            with signals_blocked(combo):
                combo.setCurrentIndex(max(combo.findData(data), 0))
        # They are what the user waits for.
        self._waiting = deque(sorted(self._waiting, key=lambda id_: not self._sample.has(id_)))
        self._show()

    def refresh(self, image_id: str) -> None:
        """List the specimens of an image again."""
        if self._project is not None:
            self._list_image(image_id)
            self._show_timer.start()

    def entries(self) -> list[Entry]:
        """Return the specimens that are shown, in their order."""
        return self._list.entries()

    def selected(self) -> list[Entry]:
        """Return the selected specimens."""
        return self._list.selected()

    def select_all(self) -> None:
        """Select all specimens that are shown."""
        self._list.selectAll()

    def set_class(self, name: str) -> None:
        """Give the selected specimens another class."""
        self._change(lambda document, ids: document.set_class(ids, name))

    def set_status(self, status: str) -> None:
        """Give the selected specimens another status."""
        self._change(lambda document, ids: document.set_status(ids, status))

    def delete(self) -> None:
        """Delete the selected specimens. For an open image, this can be undone."""
        self._change(lambda document, ids: document.remove(ids))

    def take(self, number: int) -> None:
        """Take a suggestion for the selected specimen, by its number from 1, and select the next one without a name."""
        chosen, suggestions = self._list.selected_rows(), self._suggestions
        if suggestions is None or len(chosen) != 1:
            return
        [row] = chosen
        shown = self.entries()
        if suggestions.take(shown[row], number):
            following = (k for k in range(row + 1, len(shown)) if suggestions.is_unnamed(shown[k]))
            self._list.go_to(next(following, row))

    def _build(self) -> None:
        self._sample = SampleChoice()
        self._class = named(QComboBox(), "gallery_class", "Which classes are shown", "Shown classes")
        self._shown_status = named(QComboBox(), "gallery_status", "Which statuses are shown", "Shown statuses")
        self._shown_status.addItem("any status", "")
        self._order = named(QComboBox(), "gallery_order", "Which specimens come first", "Order")
        self._new_class = named(QComboBox(), "gallery_new_class", "Give the selected specimens a class", "New class")
        self._new_status = named(
            QComboBox(), "gallery_new_status", "Give the selected specimens a status", "New status"
        )
        self._new_status.addItem("status ...", "")
        for status in STATUSES:
            self._shown_status.addItem(status, status)
            self._new_status.addItem(status, status)
        for order in gallery_order.ORDERS:
            self._order.addItem(_ORDER_TITLES[order], order)
            self._order.setItemData(self._order.count() - 1, _ORDER_TIPS[order], Qt.ItemDataRole.ToolTipRole)
        self._delete = named(QPushButton("Delete"), "gallery_delete", "Delete the selected specimens")
        self._slide = named(
            QPushButton("Show on slide"), "gallery_slide", "Open the image of the current specimen, and zoom to it"
        )
        self._counts = named(QLabel(), "gallery_counts")
        self._may_be = text_label("gallery_suggestions")
        for combo in (self._sample, self._class, self._shown_status, self._order):
            combo.currentIndexChanged.connect(self._show)
        self._new_class.activated.connect(partial(self._take, self._new_class, self.set_class))
        self._new_status.activated.connect(partial(self._take, self._new_status, self.set_status))
        self._delete.clicked.connect(lambda *_: self.delete())
        self._slide.clicked.connect(lambda *_: self._show_on_slide())
        top = QHBoxLayout()
        for combo in (self._sample, self._class, self._shown_status, self._order):
            top.addWidget(combo)
        for combo in (self._sample, self._class, self._order, self._new_class):
            # Long names of taxa would make the window wider than a small screen.
            combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            combo.setMinimumContentsLength(_LETTERS)
        top.addWidget(self._counts, 1)
        for part in (self._new_class, self._new_status, self._delete, self._slide):
            top.addWidget(part)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addLayout(top)
        layout.addWidget(self._may_be)
        layout.addWidget(self._list, 1)

    def _fill_classes(self) -> None:
        names = [] if self._project is None else [entry.name for entry in self._project.settings.classes]
        for combo, first in ((self._class, "all classes"), (self._new_class, "class ...")):
            with signals_blocked(combo):
                combo.clear()
                combo.addItem(first, "")
                for name in names:
                    combo.addItem(name, name)

    def _list_some(self) -> None:
        """List the specimens of the next images."""
        end = time.monotonic() + _TURN_S
        was_of_sample = bool(self._waiting) and self._sample.has(self._waiting[0])
        while self._waiting and time.monotonic() < end:
            self._list_image(self._waiting.popleft())
        if self._waiting and was_of_sample and not self._sample.has(self._waiting[0]):
            # All of the sample are listed; the others follow.
            self._show()
        elif self._waiting:
            self._summarise()
        else:
            self._timer.stop()
            self._show()

    def _list_image(self, image_id: str) -> None:
        assert self._project is not None
        with self._reporting_errors():
            self._entries[image_id] = self._listed(image_id, self._project.contents(image_id))

    def _listed(self, image_id: str, contents: Contents) -> list[Entry]:
        assert self._project is not None
        settings = self._project.settings
        size = settings.pixel_sizes_um.get(settings.image(image_id).slide)
        return gallery_order.entries(image_id, contents, pixel_size_um=size)

    @contextlib.contextmanager
    def _document(self, image_id: str) -> Iterator[Document]:
        """Yield a document. Afterwards it is written and released, unless it was open before."""
        project = self._project
        assert project is not None
        was_open = project.is_open(image_id)
        try:
            yield project.document(image_id)
        finally:
            if not was_open:
                project.release(image_id)

    @contextlib.contextmanager
    def _reporting_errors(self) -> Iterator[None]:
        try:
            yield
        except DiatomError as error:
            self.failed.emit(str(error))

    def _show(self, *_: object) -> None:
        self._show_timer.stop()
        kept = {(entry.image_id, entry.id) for entry in self.selected()}
        everything = [entry for id_, image in self._entries.items() if self._sample.has(id_) for entry in image]
        order = self._order.currentData() or gallery_order.ORDERS[0]
        shown = gallery_order.ordered(
            everything, order, self._class.currentData() or "", self._shown_status.currentData()
        )
        notes = () if self._suggestions is None else self._suggestions.notes(shown)
        self._model.set_entries(self._project, shown, notes)
        self._list.select(
            [row for row, entry in enumerate(shown if kept else ()) if (entry.image_id, entry.id) in kept]
        )
        self._summarise()

    def _suggest(self) -> None:
        """Show what is suggested now."""
        if self._suggestions is not None and not self._waiting:
            self._model.set_notes(self._suggestions.notes(self.entries()))
            self._summarise()

    def _summarise(self, *_: object) -> None:
        selected = len(self._list.selectedIndexes())
        text = f"{self._model.rowCount()} specimens"
        if self._waiting and self._project is not None:
            text = f"listing image {len(self._project.images) - len(self._waiting)} of {len(self._project.images)}"
        self._counts.setText(f"{text}, {selected} selected" if selected else text)
        may_be = ""
        if self._suggestions is not None and selected == 1:
            may_be = self._suggestions.line(self.selected()[0])
        self._may_be.setText(may_be)
        self._may_be.setVisible(bool(may_be))
        for widget in (self._new_class, self._new_status, self._delete, self._slide):
            widget.setEnabled(selected > 0)

    def _change(self, change: Callable[[Document, list[str]], object]) -> None:
        """Make an edit of the selected specimens in each of their images."""
        if self._project is None:
            return
        touched = gallery_order.by_image(self.selected())
        if self._suggestions is not None:
            self._suggestions.hurry(touched)
        for image_id, ids in touched.items():
            with self._reporting_errors(), self._document(image_id) as document:
                change(document, [id_ for id_ in ids if id_ in document.specimens])
                self._entries[image_id] = self._listed(image_id, document.contents)
        self._show()
        if touched:
            self.edited.emit(list(touched))

    def _take(self, combo: QComboBox, change: Callable[[str], None], index: int) -> None:
        """Change the selected specimens as chosen, and offer the choice again."""
        chosen = combo.itemData(index)
        combo.setCurrentIndex(0)
        if chosen:
            change(chosen)

    def _show_on_slide(self) -> None:
        index = self._list.currentIndex()
        if index.isValid():
            self._go_to(self._model.entry(index.row()))

    def _go_to(self, entry: Entry) -> None:
        self.slideRequested.emit(entry.image_id, entry.id)
