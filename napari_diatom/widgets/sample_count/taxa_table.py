"""The table of a sample's taxa: counts, shares and intervals, the commonest first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from qtpy.QtCore import QAbstractTableModel, QItemSelectionModel, QModelIndex, QSize, Qt, Signal
from qtpy.QtGui import QFont
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from napari_diatom.core.text import many
from napari_diatom.samples.tally import BY_EDGE, BY_NAME, BY_STATUS, REASONS
from napari_diatom.samples.taxon_counts import TaxonCount
from napari_diatom.widgets.common.object_names import named

_COLUMNS: Final = {
    "taxon": "Click on a taxon to see its specimens of this sample",
    "count": "What its specimens count, in the unit of the protocol",
    "share": "Of the count, in %",
    "95 %": "Wilson's interval of the share, in %",
    "out": "Its specimens that do not count by the protocol",
}
_HEIGHT: Final = 150
_RIGHT: Final = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class CountedTaxa(QAbstractTableModel):
    """The taxa of a sample for a table.

    Parameters
    ----------
    parent : QWidget, optional
        Its owner.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: list[TaxonCount] = []

    def set_rows(self, rows: Sequence[TaxonCount]) -> None:
        """Show other counts."""
        if [row.taxon for row in rows] == [row.taxon for row in self._rows]:
            self._rows = list(rows)
            if rows:
                self.dataChanged.emit(self.index(0, 0), self.index(len(rows) - 1, len(_COLUMNS) - 1))
            return
        self.beginResetModel()
        self._rows = list(rows)
        self.endResetModel()

    def row(self, number: int) -> TaxonCount:
        """Return the count in a row."""
        return self._rows[number]

    def row_of(self, taxon: str) -> int:
        """Return the row of a taxon, -1 where there is none."""
        return next((k for k, row in enumerate(self._rows) if row.taxon == taxon), -1)

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of taxa."""
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
            return _cells(row)[column]
        if role == Qt.ItemDataRole.TextAlignmentRole and column:
            return _RIGHT
        if role == Qt.ItemDataRole.ToolTipRole:
            return _explained(row)
        if role == Qt.ItemDataRole.FontRole and not column:
            font = QFont()
            font.setItalic(True)
            return font
        return None


class TaxaTable(QTableView):
    """Shows the taxa of a sample.

    Parameters
    ----------
    parent : QWidget, optional
        Its owner.
    """

    taxonChosen = Signal(str)
    """A taxon was clicked, or Enter pressed on it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        named(self, "counted_taxa", "Click on a taxon to see its specimens of this sample", "Taxa of the sample")
        self._model = CountedTaxa(self)
        self.setModel(self._model)
        as_table(self)
        header = self.horizontalHeader()
        assert header is not None
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        # The rows that are seen: all of hundreds would be measured at every edit.
        header.setResizeContentsPrecision(0)
        self.clicked.connect(self._choose)
        self.activated.connect(self._choose)

    def sizeHint(self) -> QSize:
        """Return a size that leaves room for the rest of the dock on a small screen."""
        return QSize(240, _HEIGHT)

    def set_rows(self, rows: Sequence[TaxonCount]) -> None:
        """Show other counts; the taxon that is selected stays so."""
        current = self.currentIndex()
        taxon = self._model.row(current.row()).taxon if current.isValid() else ""
        self._model.set_rows(rows)
        number, selection = self._model.row_of(taxon), self.selectionModel()
        if number >= 0 and number != self.currentIndex().row() and selection is not None:
            flags = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
            selection.setCurrentIndex(self._model.index(number, 0), flags)

    def _choose(self, index: QModelIndex) -> None:
        self.taxonChosen.emit(self._model.row(index.row()).taxon)


def as_table(view: QTableView) -> None:
    """Have a view show rows that are chosen as a whole, and are not edited."""
    view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    view.setTabKeyNavigation(False)
    view.setWordWrap(False)
    rows = view.verticalHeader()
    assert rows is not None
    rows.hide()
    rows.setDefaultSectionSize(view.fontMetrics().height() + 6)


def in_percent(share: float) -> str:
    """Return a share in percent, empty where it is not known."""
    return "" if math.isnan(share) else f"{100 * share:.1f}"


def _cells(row: TaxonCount) -> tuple[str, ...]:
    interval = "" if math.isnan(row.low) else f"{in_percent(row.low)}-{in_percent(row.high)}"
    left = sum(row.left_out[k] for k in (BY_STATUS, BY_EDGE, BY_NAME))
    return row.taxon, f"{row.units:.10g}", in_percent(row.share), interval, str(left) if left else ""


def _explained(row: TaxonCount) -> str:
    """Return what the row does not show."""
    parts = [f"{row.taxon}: {many(row.specimens, 'specimen')}"]
    parts += ["planktic"] if row.is_planktic else []
    parts += [f"left out by {REASONS[k]}: {row.left_out[k]}" for k in (BY_STATUS, BY_EDGE, BY_NAME) if row.left_out[k]]
    return "\n".join(parts)
