"""The table of a sample's taxa: counts, shares and intervals, the commonest first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from qtpy.QtCore import QItemSelectionModel, QModelIndex, QSize, Qt, Signal
from qtpy.QtGui import QFont
from qtpy.QtWidgets import QTableView, QWidget

from napari_diatom.core.text import many
from napari_diatom.samples.tally import BY_EDGE, BY_NAME, BY_STATUS, REASONS
from napari_diatom.samples.taxon_counts import TaxonCount
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.row_model import RowModel, show_rows

_COLUMNS: Final = {
    "taxon": "Click on a taxon to see its specimens of this sample",
    "count": "What its specimens count, in the unit of the protocol",
    "share": "Of the count, in %",
    "95 %": "Wilson's interval of the share, in %",
    "out": "Its specimens that do not count by the protocol",
}
_HEIGHT: Final = 150


class CountedTaxa(RowModel[TaxonCount]):
    """The taxa of a sample for a table.

    Parameters
    ----------
    parent : QWidget, optional
        Its owner.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(_COLUMNS, 1, parent)

    def key(self, row: TaxonCount) -> str:
        """Return the name of the taxon."""
        return row.taxon

    def cells(self, row: TaxonCount) -> tuple[str, ...]:
        """Return name, count, share, interval, and how many do not count."""
        interval = "" if math.isnan(row.low) else f"{in_percent(row.low)}-{in_percent(row.high)}"
        left = sum(row.left_out[k] for k in (BY_STATUS, BY_EDGE, BY_NAME))
        return row.taxon, f"{row.units:.10g}", in_percent(row.share), interval, str(left) if left else ""

    def explained(self, row: TaxonCount) -> str:
        """Return what the row does not show."""
        reasons = [k for k in (BY_STATUS, BY_EDGE, BY_NAME) if row.left_out[k]]
        parts = [f"{row.taxon}: {many(row.specimens, 'specimen')}"]
        parts += ["planktic"] if row.is_planktic else []
        parts += [f"left out by {REASONS[k]}: {row.left_out[k]}" for k in reasons]
        return "\n".join(parts)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows; names are in italics."""
        if role == Qt.ItemDataRole.FontRole and not index.column():
            font = QFont()
            font.setItalic(True)
            return font
        return super().data(index, role)


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
        show_rows(self, self._model, wide=0)
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


def in_percent(share: float) -> str:
    """Return a share in percent, empty where it is not known."""
    return "" if math.isnan(share) else f"{100 * share:.1f}"
