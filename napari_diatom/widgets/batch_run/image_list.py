"""The images of a run, and what has become of each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from napari_diatom.counting.image_states import CountState, ImageState, merged_states

_TITLES: Final = ("Image", "Found", "Counted", "State", "Sample", "µm/px")
_HINTS: Final = (
    "Click a row to open the image and to see its specimens",
    "Specimens found at the threshold",
    "Specimens that count",
    "What has become of the image; for a skipped one, why",
    "The sample that the image belongs to: by default its folder",
    "Pixel size of the image; empty if it is unknown, and sizes are in pixels then",
)
_WIDTHS: Final = (170, 52, 60, 130, 80, 56)
_NUMBERS: Final = frozenset({"Found", "Counted", "µm/px"})
"""Columns that are aligned to the right."""
_WORDS: Final = {
    CountState.WAITING: "waiting",
    CountState.COUNTED: "counted",
    CountState.KEPT: "counted earlier",
}


class ImageListModel(QAbstractTableModel):
    """The states of images as a Qt table."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._states: list[ImageState] = []
        self._rows: dict[str, int] = {}

    def states(self) -> tuple[ImageState, ...]:
        """Return the states of all images."""
        return tuple(self._states)

    def state(self, row: int) -> ImageState:
        """Return the image in a row."""
        return self._states[row]

    def row(self, image: str) -> int | None:
        """Return the row of an image, None if it is not in the list."""
        return self._rows.get(image)

    def setStates(self, states: Iterable[ImageState]) -> None:
        """Show other images."""
        self.beginResetModel()
        self._replace(list(states))
        self.endResetModel()

    def take(self, news: Iterable[ImageState]) -> None:
        """Show what has become of images, and images that were not known before."""
        latest = list(news)
        if all(state.image in self._rows for state in latest):
            for state in latest:
                place = self._rows[state.image]
                self._states[place] = state
                self.dataChanged.emit(self.index(place, 0), self.index(place, len(_TITLES) - 1))
            return
        self.layoutAboutToBeChanged.emit()
        # The view makes such indices when it is told.
        before = [self._states[index.row()].image for index in self.persistentIndexList()]
        self._replace(merged_states(self._states, latest))
        for index, image in zip(self.persistentIndexList(), before, strict=True):
            row = self._rows.get(image)
            self.changePersistentIndex(index, QModelIndex() if row is None else self.index(row, index.column()))
        self.layoutChanged.emit()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of images."""
        return len(self._states)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of columns."""
        return len(_TITLES)

    def headerData(self, section: int, orientation: Any, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the title or the tooltip of a column."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return _TITLES[section]
        return _HINTS[section] if role == Qt.ItemDataRole.ToolTipRole else None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the value of a cell for a role."""
        state = self._states[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return _cells(state)[index.column()]
        if role == Qt.ItemDataRole.ToolTipRole:
            return state.reason or state.file or state.image
        if role == Qt.ItemDataRole.TextAlignmentRole and _TITLES[index.column()] in _NUMBERS:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None

    def _replace(self, states: list[ImageState]) -> None:
        self._states = states
        self._rows = {state.image: row for row, state in enumerate(states)}


def _cells(state: ImageState) -> tuple[str, ...]:
    """Return the texts of an image's row."""
    word = _WORDS.get(state.state) or f"skipped: {state.reason}"
    if state.state not in (CountState.COUNTED, CountState.KEPT):
        return state.image, "", "", word, state.sample, ""
    size = "" if state.pixel_size_um is None else f"{state.pixel_size_um:.4g}"
    return state.image, f"{state.specimens:,}", f"{state.counted:,}", word, state.sample, size


class ImageList(QTableView):
    """A table of images. It sends the image that the user chooses."""

    chosen = Signal(object)
    """The image of the row that is now current, with its state."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("image_list")
        self.setAccessibleName("Images of the run")
        self.setToolTip("The images of the run; click one to open it and to see its specimens")
        self.images = ImageListModel(self)
        self.setModel(self.images)
        look_like_a_list(self)
        for column, width in enumerate(_WIDTHS):
            self.setColumnWidth(column, width)
        selection = self.selectionModel()
        assert selection is not None
        selection.currentRowChanged.connect(self._on_row)
        self.clicked.connect(self._on_row)

    def _on_row(self, index: QModelIndex, *_: Any) -> None:
        if index.isValid():
            self.chosen.emit(self.images.state(index.row()))


def look_like_a_list(table: QTableView) -> None:
    """Give a table rows of one height that are chosen as a whole, and no grid."""
    # Otherwise Tab goes from cell to cell, and never out of the table.
    table.setTabKeyNavigation(False)
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setShowGrid(False)
    table.setWordWrap(False)
    vertical, horizontal = table.verticalHeader(), table.horizontalHeader()
    assert vertical is not None
    assert horizontal is not None
    vertical.hide()
    vertical.setDefaultSectionSize(22)
    vertical.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
    horizontal.setHighlightSections(False)
