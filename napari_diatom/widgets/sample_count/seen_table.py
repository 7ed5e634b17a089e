"""The table of who saw which specimens of two counts, and as what."""

from __future__ import annotations

from typing import Final

from qtpy.QtCore import QModelIndex, QSize, Signal
from qtpy.QtWidgets import QTableView, QWidget

from napari_diatom.samples.count_agreement import CountAgreement, SeenSpecimen
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.row_model import RowModel, show_rows

SHOWN: Final = {
    "differences": "seen by one, or named differently",
    "first": "seen by the first person only",
    "second": "seen by the second person only",
    "names": "named differently",
    "all": "all specimens",
}
"""Which specimens may be listed, in words."""


class SeenRows(RowModel[SeenSpecimen]):
    """The specimens of two counts for a table.

    Parameters
    ----------
    found : CountAgreement
        Both counts.
    parent : QWidget, optional
        Its owner.
    """

    def __init__(self, found: CountAgreement, parent: QWidget | None = None) -> None:
        first, second = found.persons
        columns = {
            "field": "Click on a row to see the specimen",
            "seen by": "Who has seen it",
            first: f"What {first} calls it",
            second if second != first else f"{second} (second)": f"What {second} calls it",
        }
        super().__init__(columns, len(columns), parent)
        self._found = found

    def key(self, row: SeenSpecimen) -> str:
        """Return the keys in both projects."""
        return "|".join(self._found.keys(row))

    def cells(self, row: SeenSpecimen) -> tuple[str, ...]:
        """Return field, who has seen it, and both names."""
        who = {"both": "both", "first": self._found.persons[0], "second": self._found.persons[1]}
        return row.image, who[row.seen_by], *self._found.names(row)

    def explained(self, row: SeenSpecimen) -> str:
        """Return how much of it both have drawn."""
        return f"{100 * row.overlap:.0f} % of it is in both outlines" if row.seen_by == "both" else "seen by one person"


class SeenTable(QTableView):
    """Lists the specimens of two counts.

    Parameters
    ----------
    found : CountAgreement
        Both counts.
    parent : QWidget, optional
        Its owner.
    """

    specimenChosen = Signal(object)
    """The :class:`~napari_diatom.samples.count_agreement.SeenSpecimen` that was clicked, or Enter pressed on it."""

    def __init__(self, found: CountAgreement, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        named(self, "who_saw_what", "Click on a row to see the specimen", "Who saw what")
        self._found = found
        self._model = SeenRows(found, self)
        show_rows(self, self._model, wide=3)
        self.clicked.connect(self._choose)
        self.activated.connect(self._choose)

    def sizeHint(self) -> QSize:
        """Return a size of a few rows."""
        return QSize(460, 220)

    def show_specimens(self, sample: str, which: str) -> int:
        """List the specimens of a sample, empty for all, that :data:`SHOWN` describes; return how many these are."""
        rows = [one for one in self._found.seen if sample in ("", one.sample) and self._is_listed(one, which)]
        self._model.set_rows(rows)
        return len(rows)

    def _is_listed(self, one: SeenSpecimen, which: str) -> bool:
        if which in ("first", "second"):
            return one.seen_by == which
        first, second = self._found.names(one)
        differs = one.seen_by == "both" and first != second
        return which == "all" or differs or (which == "differences" and one.seen_by != "both")

    def _choose(self, index: QModelIndex) -> None:
        self.specimenChosen.emit(self._model.row(index.row()))
