"""The specimens that a view shows as upright pictures, for Qt's views of lists."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QAbstractListModel, QItemSelection, QModelIndex, QSize, Qt, Signal
from qtpy.QtGui import QColor, QCursor, QIcon, QPixmap
from qtpy.QtWidgets import QAbstractItemView, QListView, QToolTip, QWidget

from napari_diatom.core.detections import STATUSES
from napari_diatom.core.errors import DiatomError
from napari_diatom.napari_layers.project_layer import size_text
from napari_diatom.project.gallery_order import Entry
from napari_diatom.project.project import Project
from napari_diatom.widgets.common.closing import when_destroyed
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.specimen_pictures import SIDE, GallerySlides, as_html
from napari_diatom.widgets.common.thumbnail_loader import ThumbnailLoader, icon_of

_CELL: Final = QSize(SIDE + 12, SIDE + 34)
_CLOSE_UP: Final = "close-up"
_SELECTED_LOOK: Final = "QListView::item:selected { background: rgba(86, 180, 233, 150); }"


class PicturedSpecimens(QAbstractListModel):
    """Specimens of a project with their pictures, which are read when they are seen.

    Parameters
    ----------
    parent : QWidget, optional
        Its owner.
    """

    magnified = Signal(int)
    """The row of a specimen whose close-up has been read."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._project: Project | None = None
        self._entries: list[Entry] = []
        self._notes: list[str] = []
        self._rows: dict[tuple[str, str], int] = {}
        self._slides = GallerySlides()
        self._pictures = ThumbnailLoader(self)
        self._pictures.arrived.connect(self._repaint)
        blank = QPixmap(SIDE, SIDE)
        blank.fill(QColor("#3a3e46"))
        self._blank = QIcon(blank)

    def set_entries(self, project: Project | None, entries: Sequence[Entry], notes: Sequence[str] = ()) -> None:
        """Show other specimens.

        Parameters
        ----------
        project : Project or None
            The project of the specimens.
        entries : sequence of Entry
            The specimens, in their order.
        notes : sequence of str
            What is written under the name of each, in place of its status.
        """
        self.beginResetModel()
        self._project = project
        self._entries = list(entries)
        self._notes = list(notes)
        self._rows = {(entry.image_id, entry.id): row for row, entry in enumerate(entries)}
        self.endResetModel()

    def set_notes(self, notes: Sequence[str]) -> None:
        """Write something else under the name of each specimen; see :meth:`set_entries`."""
        if list(notes) != self._notes and self._entries:
            self._notes = list(notes)
            self.dataChanged.emit(self.index(0), self.index(len(self._entries) - 1), [Qt.ItemDataRole.DisplayRole])

    def entry(self, row: int) -> Entry:
        """Return the specimen of a row."""
        return self._entries[row]

    def ranges(self, rows: Sequence[int]) -> QItemSelection:
        """Return rows, in ascending order, as a selection."""
        chosen = QItemSelection()
        apart = [k for k in range(1, len(rows)) if rows[k] != rows[k - 1] + 1]
        for begin, end in pairwise([0, *apart, len(rows)] if rows else []):
            chosen.select(self.index(rows[begin]), self.index(rows[end - 1]))
        return chosen

    def forget_pictures(self) -> None:
        """Read all pictures again when they are seen."""
        self._pictures.clear()

    def stop(self) -> None:
        """End the thread that reads pictures."""
        self._pictures.stop()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of specimens."""
        return 0 if parent is not None and parent.isValid() else len(self._entries)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return text, tooltip or picture of a specimen."""
        if not index.isValid():
            return None
        entry = self._entries[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            # Always two lines: the view gives all items the height of the first.
            status = entry.status if entry.status != STATUSES[0] else ""
            return f"{entry.name}\n{self._notes[index.row()] if self._notes else status}"
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


class PictureView(QListView):
    """Specimens side by side as upright pictures, of which several can be selected.

    Parameters
    ----------
    name : str
        Object name.
    spoken : str
        What a screen reader calls it.
    parent : QWidget, optional
        Its owner.
    """

    opened = Signal(object)
    """The :class:`Entry` that was double-clicked."""

    def __init__(self, name: str, spoken: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        named(self, name, spoken=spoken)
        self.specimens = PicturedSpecimens(self)
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setMovement(QListView.Movement.Static)
        self.setUniformItemSizes(True)
        self.setMinimumHeight(_CELL.height() + 2 * self.frameWidth())
        self.setGridSize(_CELL)
        self.setIconSize(QSize(SIDE, SIDE))
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setStyleSheet(_SELECTED_LOOK)
        # The end of a taxon's name says as much as its beginning.
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setModel(self.specimens)
        self.activated.connect(self._open)
        self.specimens.magnified.connect(self._magnify)
        when_destroyed(self, PicturedSpecimens.stop, self.specimens)

    def entries(self) -> list[Entry]:
        """Return the specimens that are shown, in their order."""
        return [self.specimens.entry(row) for row in range(self.specimens.rowCount())]

    def selected(self) -> list[Entry]:
        """Return the selected specimens, in their order."""
        return [self.specimens.entry(row) for row in self.selected_rows()]

    def selected_rows(self) -> list[int]:
        """Return the rows of the selected specimens, ascending."""
        return sorted(index.row() for index in self.selectedIndexes())

    def select(self, rows: Sequence[int]) -> None:
        """Select rows, in ascending order, beside those that are selected."""
        selection = self.selectionModel()
        assert selection is not None
        selection.select(self.specimens.ranges(rows), selection.SelectionFlag.Select)

    def go_to(self, row: int) -> None:
        """Select one row only, and scroll to it."""
        self.setCurrentIndex(self.specimens.index(row))

    def _open(self, index: QModelIndex) -> None:
        if index.isValid():
            self.opened.emit(self.specimens.entry(index.row()))

    def _magnify(self, row: int) -> None:
        """Show the close-up of the specimen under the mouse."""
        viewport = self.viewport()
        assert viewport is not None
        index, place = self.specimens.index(row), viewport.mapFromGlobal(QCursor.pos())
        if viewport.underMouse() and self.indexAt(place) == index:
            QToolTip.showText(QCursor.pos(), self.specimens.tip(self.specimens.entry(row)), viewport)
