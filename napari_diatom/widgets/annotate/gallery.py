"""The review gallery: all specimens of a project as upright pictures, to sort, select and rename them."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from html import escape
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QAbstractListModel, QItemSelection, QModelIndex, QSize, Qt, QTimer, Signal
from qtpy.QtGui import QColor, QCursor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QListView,
    QPushButton,
    QToolTip,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_diatom.core.detections import STATUSES
from napari_diatom.core.errors import DiatomError
from napari_diatom.napari_layers.project_layer import size_text
from napari_diatom.project import gallery_order
from napari_diatom.project.document import Document
from napari_diatom.project.edits import Contents
from napari_diatom.project.gallery_order import Entry, Order
from napari_diatom.project.project import Project
from napari_diatom.widgets.annotate.gallery_pictures import SIDE, GallerySlides, as_html
from napari_diatom.widgets.annotate.thumbnail_loader import ThumbnailLoader, icon_of
from napari_diatom.widgets.common.closing import when_destroyed
from napari_diatom.widgets.common.object_names import named

_CELL: Final = QSize(SIDE + 12, SIDE + 34)
_CLOSE_UP: Final = "close-up"
_SELECTED_LOOK: Final = "QListView::item:selected { background: rgba(86, 180, 233, 150); }"
_TURN_S: Final = 0.02
"""Seconds in one turn of the event loop after which no other image is listed."""
_ORDER_TITLES: Final[Mapping[Order, str]] = {
    "unlikeness": "least like their class first",
    "confidence": "least sure of their class first",
    "score": "lowest score first",
    "length": "longest first",
    "length/width": "slenderest first",
    "image": "by image",
}
_ORDER_TIPS: Final[Mapping[Order, str]] = {
    "unlikeness": "How far length and shape are from those of the class",
    "confidence": "How probable the class is among all classes, by length and shape",
    "score": "How certain the model was that this is a specimen. 1 if a person drew it",
    "length": "In µm if all pixel sizes are known, otherwise in pixels",
    "length/width": "Length divided by width",
    "image": "In the order of the images, and of the specimens in each image",
}


class _Specimens(QAbstractListModel):
    """The specimens that are shown, with their pictures."""

    magnified = Signal(int)
    """The row of a specimen whose close-up has been read."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._project: Project | None = None
        self._entries: list[Entry] = []
        self._rows: dict[tuple[str, str], int] = {}
        self._slides = GallerySlides()
        self._pictures = ThumbnailLoader(self)
        self._pictures.arrived.connect(self._repaint)
        blank = QPixmap(SIDE, SIDE)
        blank.fill(QColor("#3a3e46"))
        self._blank = QIcon(blank)

    def set_entries(self, project: Project | None, entries: Sequence[Entry]) -> None:
        self.beginResetModel()
        self._project = project
        self._entries = list(entries)
        self._rows = {(entry.image_id, entry.id): row for row, entry in enumerate(entries)}
        self.endResetModel()

    def entry(self, row: int) -> Entry:
        return self._entries[row]

    def ranges(self, rows: Sequence[int]) -> QItemSelection:
        """Return rows, in ascending order, as a selection."""
        chosen = QItemSelection()
        apart = [k for k in range(1, len(rows)) if rows[k] != rows[k - 1] + 1]
        for begin, end in pairwise([0, *apart, len(rows)] if rows else []):
            chosen.select(self.index(rows[begin]), self.index(rows[end - 1]))
        return chosen

    def forget_pictures(self) -> None:
        self._pictures.clear()

    def stop(self) -> None:
        self._pictures.stop()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._entries)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        entry = self._entries[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            # Always two lines: the view gives all items the height of the first.
            return f"{entry.name}\n{entry.status if entry.status != STATUSES[0] else ''}"
        if role == Qt.ItemDataRole.ToolTipRole:
            return self.tip(entry)
        if role == Qt.ItemDataRole.DecorationRole:
            return self._icon(entry)
        return None

    def tip(self, entry: Entry) -> str:
        """Return what is known of a specimen, with a close-up as soon as that is read."""
        close_up = self._picture(entry, self._slides.close_up, _CLOSE_UP)
        made = "proposed, " if entry.proposed else ""
        size = size_text(entry.box, entry.pixel_size_um)
        lines = f"{entry.name}, {entry.status}", f"{entry.image_id}: {made}score {entry.score:.2f}, {size}"
        text = "<br>".join(map(escape, lines))
        return text if close_up is None else as_html(close_up) + text

    def _icon(self, entry: Entry) -> QIcon:
        picture = self._picture(entry, self._slides.small)
        return self._blank if picture is None else icon_of(picture)

    def _picture(self, entry: Entry, cut: Callable[..., NDArray[np.uint8]], *kind: str) -> QPixmap | None:
        """Return a picture of a specimen, None while it is being read."""
        project = self._project
        if project is None:
            return None
        with contextlib.suppress(DiatomError):
            image = project.settings.image(entry.image_id)
            read = partial(cut, project.path(entry.image_id), image, entry.box)
            return self._pictures.get((entry.image_id, entry.id, entry.box, *kind), read, entry.image_id)
        return None

    def _repaint(self, key: object) -> None:
        assert isinstance(key, tuple)
        row = self._rows.get(key[:2])
        if row is not None and key[-1] == _CLOSE_UP:
            self.magnified.emit(row)
        elif row is not None:
            index = self.index(row)
            self.dataChanged.emit(index, index, [Qt.ItemDataRole.DecorationRole])


class Gallery(QWidget):
    """Shows the specimens of a project.

    Parameters
    ----------
    parent : QWidget, optional
        Its owner.
    """

    slideRequested = Signal(str, str)
    """Ids of an image and of one of its specimens, to be shown on the slide."""
    edited = Signal(object)
    """Ids of the images whose specimens were changed here."""
    failed = Signal(str)
    """What went wrong."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
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
        self._model = _Specimens(self)
        self._list = named(QListView(), "gallery", spoken="Specimens of the project")
        self._list.setViewMode(QListView.ViewMode.IconMode)
        self._list.setResizeMode(QListView.ResizeMode.Adjust)
        self._list.setMovement(QListView.Movement.Static)
        self._list.setUniformItemSizes(True)
        self._list.setGridSize(_CELL)
        self._list.setIconSize(QSize(SIDE, SIDE))
        self._list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self._list.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self._list.setStyleSheet(_SELECTED_LOOK)
        # The end of a taxon's name says as much as its beginning.
        self._list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self._list.setModel(self._model)
        self._list.activated.connect(self._go_to)
        self._model.magnified.connect(self._magnify)
        selection = self._list.selectionModel()
        assert selection is not None
        selection.selectionChanged.connect(self._summarise)
        self._build()
        when_destroyed(self, _Specimens.stop, self._model)

    def set_project(self, project: Project | None) -> None:
        """Show the specimens of a project. They are listed in the background."""
        self._project = project
        self._entries = {}
        self._model.forget_pictures()
        self._fill_classes()
        self._waiting = deque() if project is None else deque(image.id for image in project.images)
        self._timer.start()
        self._show()

    def refresh(self, image_id: str) -> None:
        """List the specimens of an image again."""
        if self._project is not None:
            self._list_image(image_id)
            self._show_timer.start()

    def entries(self) -> list[Entry]:
        """Return the specimens that are shown, in their order."""
        return [self._model.entry(row) for row in range(self._model.rowCount())]

    def selected(self) -> list[Entry]:
        """Return the selected specimens."""
        return [self._model.entry(index.row()) for index in self._list.selectedIndexes()]

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

    def _build(self) -> None:
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
        for combo in (self._class, self._shown_status, self._order):
            combo.currentIndexChanged.connect(self._show)
        self._new_class.activated.connect(self._take_class)
        self._new_status.activated.connect(self._take_status)
        self._delete.clicked.connect(lambda *_: self.delete())
        self._slide.clicked.connect(lambda *_: self._go_to(self._list.currentIndex()))
        top = QHBoxLayout()
        for combo in (self._class, self._shown_status, self._order):
            top.addWidget(combo)
        top.addWidget(self._counts, 1)
        for part in (self._new_class, self._new_status, self._delete, self._slide):
            top.addWidget(part)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addLayout(top)
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
        while self._waiting and time.monotonic() < end:
            self._list_image(self._waiting.popleft())
        if self._waiting:
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
        everything = [entry for image in self._entries.values() for entry in image]
        order = self._order.currentData() or gallery_order.ORDERS[0]
        shown = gallery_order.ordered(
            everything, order, self._class.currentData() or "", self._shown_status.currentData()
        )
        self._model.set_entries(self._project, shown)
        selection = self._list.selectionModel()
        assert selection is not None
        rows = [row for row, entry in enumerate(shown if kept else ()) if (entry.image_id, entry.id) in kept]
        selection.select(self._model.ranges(rows), selection.SelectionFlag.Select)
        self._summarise()

    def _summarise(self, *_: object) -> None:
        selected = len(self._list.selectedIndexes())
        text = f"{self._model.rowCount()} specimens"
        if self._waiting and self._project is not None:
            text = f"listing image {len(self._project.images) - len(self._waiting)} of {len(self._project.images)}"
        self._counts.setText(f"{text}, {selected} selected" if selected else text)
        for widget in (self._new_class, self._new_status, self._delete, self._slide):
            widget.setEnabled(selected > 0)

    def _change(self, change: Callable[[Document, list[str]], object]) -> None:
        """Make an edit of the selected specimens in each of their images."""
        if self._project is None:
            return
        touched = gallery_order.by_image(self.selected())
        for image_id, ids in touched.items():
            with self._reporting_errors(), self._document(image_id) as document:
                change(document, [id_ for id_ in ids if id_ in document.specimens])
                self._entries[image_id] = self._listed(image_id, document.contents)
        self._show()
        if touched:
            self.edited.emit(list(touched))

    def _take_class(self, index: int) -> None:
        name = self._new_class.itemData(index)
        self._new_class.setCurrentIndex(0)
        if name:
            self.set_class(name)

    def _take_status(self, index: int) -> None:
        status = self._new_status.itemData(index)
        self._new_status.setCurrentIndex(0)
        if status:
            self.set_status(status)

    def _magnify(self, row: int) -> None:
        """Show the close-up of the specimen under the mouse."""
        viewport = self._list.viewport()
        assert viewport is not None
        index, place = self._model.index(row), viewport.mapFromGlobal(QCursor.pos())
        if viewport.underMouse() and self._list.indexAt(place) == index:
            QToolTip.showText(QCursor.pos(), self._model.tip(self._model.entry(row)), viewport)

    def _go_to(self, index: QModelIndex) -> None:
        if index.isValid():
            entry = self._model.entry(index.row())
            self.slideRequested.emit(entry.image_id, entry.id)
