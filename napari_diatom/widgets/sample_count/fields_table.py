"""The table of a sample's fields in the protocol's order: how far each is, and what was counted in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QSize, Qt, Signal
from qtpy.QtWidgets import QHeaderView, QTableView, QWidget

from napari_diatom.samples.live_tally import FieldCount
from napari_diatom.widgets.annotate.image_browser import STATE_TITLES
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.sample_count.taxa_table import as_table

_COLUMNS: Final = {
    "": "Which field is open, and which is the next",
    "field": "Click on a field to open it",
    "state": "How far the field is",
    "count": "What was counted in it",
    "proposed": "What a model proposes besides; it does not count yet",
}
_HEIGHT: Final = 120


class CountedFields(QAbstractTableModel):
    """The fields of a sample for a table.

    Parameters
    ----------
    parent : QWidget, optional
        Its owner.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: list[FieldCount] = []
        self._open = self._next = ""

    def set_rows(self, rows: Sequence[FieldCount], is_open: str, is_next: str) -> None:
        """Show other fields, with the ids of the one that is open and of the next one."""
        is_same = [row.image.id for row in rows] == [row.image.id for row in self._rows]
        if not is_same:
            self.beginResetModel()
        self._rows, self._open, self._next = list(rows), is_open, is_next
        if not is_same:
            self.endResetModel()
        elif rows:
            self.dataChanged.emit(self.index(0, 0), self.index(len(rows) - 1, len(_COLUMNS) - 1))

    def row(self, number: int) -> FieldCount:
        """Return the field of a row."""
        return self._rows[number]

    def row_of(self, image_id: str) -> int:
        """Return the row of a field, -1 where there is none."""
        return next((k for k, row in enumerate(self._rows) if row.image.id == image_id), -1)

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of fields."""
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of columns."""
        return 0 if parent is not None and parent.isValid() else len(_COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the title of a column."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        title = list(_COLUMNS)[section]
        if role == Qt.ItemDataRole.ToolTipRole:
            return _COLUMNS[title]
        return title if role == Qt.ItemDataRole.DisplayRole else None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows."""
        row, column = self._rows[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return self._cells(row)[column]
        if role == Qt.ItemDataRole.TextAlignmentRole and column > 2:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.ToolTipRole:
            return row.problem or row.image.id
        return None

    def _cells(self, row: FieldCount) -> tuple[str, ...]:
        mark = "open" if row.image.id == self._open else "next" if row.image.id == self._next else ""
        state = "cannot be read" if row.problem else STATE_TITLES[row.state]
        count = f"{row.units:.10g}" if row.units or row.is_done else ""
        return mark, row.image.id, state, count, str(row.proposals) if row.proposals else ""


class FieldsTable(QTableView):
    """Shows the fields of a sample.

    Parameters
    ----------
    parent : QWidget, optional
        Its owner.
    """

    fieldChosen = Signal(str)
    """Id of a field that was clicked, or on which Enter was pressed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        named(self, "counted_fields", "Click on a field to open it", "Fields of the sample")
        self._model = CountedFields(self)
        self.setModel(self._model)
        as_table(self)
        self._seen = ""
        header = self.horizontalHeader()
        assert header is not None
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        # The rows that are seen: all of hundreds would be measured at every edit.
        header.setResizeContentsPrecision(0)
        self.clicked.connect(self._choose)
        self.activated.connect(self._choose)

    def sizeHint(self) -> QSize:
        """Return a size that leaves room for the rest of the dock on a small screen."""
        return QSize(240, _HEIGHT)

    def set_rows(self, rows: Sequence[FieldCount], is_open: str, is_next: str) -> None:
        """Show other fields, and the one that is open."""
        self._model.set_rows(rows, is_open, is_next)
        number = self._model.row_of(is_open or is_next)
        if number >= 0 and self._seen != (is_open or is_next):
            self._seen = is_open or is_next
            self.scrollTo(self._model.index(number, 0))

    def _choose(self, index: QModelIndex) -> None:
        self.fieldChosen.emit(self._model.row(index.row()).image.id)
