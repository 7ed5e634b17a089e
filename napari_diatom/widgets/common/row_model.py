"""Rows of a table that are shown anew as a whole: its cells are not kept one by one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QSortFilterProxyModel, Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

Row = TypeVar("Row")


class RowModel(QAbstractTableModel, Generic[Row]):
    """Shows a row for each of some things.

    Parameters
    ----------
    columns : mapping of str to str
        What is shown when the mouse is over each title.
    first_number : int
        The column from which on texts are aligned to the right.
    parent : QWidget, optional
        Its owner.
    """

    def __init__(self, columns: Mapping[str, str], first_number: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._columns = dict(columns)
        self._first_number = first_number
        self._rows: list[Row] = []

    @abstractmethod
    def key(self, row: Row) -> str:
        """Return what tells a row from all others."""

    @abstractmethod
    def cells(self, row: Row) -> Sequence[str | int]:
        """Return the texts and whole numbers of a row; an empty text where a number is not known."""

    @abstractmethod
    def explained(self, row: Row) -> str:
        """Return what is shown when the mouse is over a row."""

    def set_rows(self, rows: Sequence[Row]) -> None:
        """Show other rows; those of the same things stay where they are."""
        is_same = [*map(self.key, rows)] == [*map(self.key, self._rows)]
        if not is_same:
            self.beginResetModel()
        self._rows = list(rows)
        if not is_same:
            self.endResetModel()
        elif rows:
            self.dataChanged.emit(self.index(0, 0), self.index(len(rows) - 1, len(self._columns) - 1))

    def row(self, number: int) -> Row:
        """Return what a row shows."""
        return self._rows[number]

    def row_of(self, key: str) -> int:
        """Return the row of a thing, -1 where there is none."""
        return next((k for k, row in enumerate(self._rows) if self.key(row) == key), -1)

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of rows."""
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of columns."""
        return 0 if parent is not None and parent.isValid() else len(self._columns)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the title of a column."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        title = list(self._columns)[section]
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._columns[title]
        return title if role == Qt.ItemDataRole.DisplayRole else None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows."""
        row, column = self._rows[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return self.cells(row)[column]
        if role == Qt.ItemDataRole.UserRole:
            return _sorted_as(self.cells(row)[column])
        if role == Qt.ItemDataRole.TextAlignmentRole and column >= self._first_number:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return self.explained(row) if role == Qt.ItemDataRole.ToolTipRole else None


def show_rows(view: QTableView, model: RowModel[Any], wide: int, is_sorted: bool = False) -> None:
    """Have a view show rows that are chosen as a whole, and are not edited.

    Parameters
    ----------
    view : QTableView
        Shows them.
    model : RowModel
        Has them.
    wide : int
        The column that stretches.
    is_sorted : bool
        Whether the rows are sorted by the column whose title is clicked, at first by the first one.
    """
    if is_sorted:
        proxy = QSortFilterProxyModel(view)
        proxy.setSourceModel(model)
        proxy.setSortRole(Qt.ItemDataRole.UserRole)
        view.setModel(proxy)
        view.setSortingEnabled(True)
        view.sortByColumn(0, Qt.SortOrder.AscendingOrder)
    else:
        view.setModel(model)
    view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    view.setTabKeyNavigation(False)
    view.setWordWrap(False)
    rows, header = view.verticalHeader(), view.horizontalHeader()
    assert rows is not None
    assert header is not None
    rows.hide()
    rows.setDefaultSectionSize(view.fontMetrics().height() + 6)
    header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    header.setSectionResizeMode(wide, QHeaderView.ResizeMode.Stretch)
    # The rows that are seen: all of hundreds would be measured at every edit.
    header.setResizeContentsPrecision(0)


def _sorted_as(cell: str | int) -> str | int:
    """Return what a cell is sorted by: a number that is not known comes before all others."""
    return -1 if cell == "" else cell
