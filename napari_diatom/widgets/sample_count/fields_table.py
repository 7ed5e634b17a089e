"""The table of a sample's fields in the protocol's order: how far each is, and what was counted in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from qtpy.QtCore import QModelIndex, QSize, Signal
from qtpy.QtWidgets import QTableView, QWidget

from napari_diatom.samples.live_tally import FieldCount
from napari_diatom.widgets.annotate.image_browser import STATE_TITLES
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.row_model import RowModel, show_rows

_COLUMNS: Final = {
    "": "Which field is open, which is the next, and who has one open in another window",
    "field": "Click on a field to open it",
    "state": "How far the field is",
    "count": "What was counted in it",
    "proposed": "What a model proposes besides; it does not count yet",
}
_HEIGHT: Final = 120


class CountedFields(RowModel[FieldCount]):
    """The fields of a sample for a table.

    Parameters
    ----------
    parent : QWidget, optional
        Its owner.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(_COLUMNS, 3, parent)
        self._open = self._next = ""
        self._elsewhere: Mapping[str, str] = {}

    def set_open(self, is_open: str, is_next: str, elsewhere: Mapping[str, str]) -> None:
        """Mark the next field, and those that are open here or ``elsewhere``, by their ids, from the next rows on."""
        self._open, self._next, self._elsewhere = is_open, is_next, elsewhere

    def key(self, row: FieldCount) -> str:
        """Return the id of the field."""
        return row.image.id

    def cells(self, row: FieldCount) -> tuple[str, ...]:
        """Return marks, id, state, count and proposals."""
        mark = "open" if row.image.id == self._open else "next" if row.image.id == self._next else ""
        mark = ", ".join(filter(None, (mark, self._elsewhere.get(row.image.id, ""))))
        state = "cannot be read" if row.problem else STATE_TITLES[row.state]
        count = f"{row.units:.10g}" if row.units or row.is_done else ""
        return mark, row.image.id, state, count, str(row.proposals) if row.proposals else ""

    def explained(self, row: FieldCount) -> str:
        """Return why the field cannot be read, or its whole id, and who has it open in another window."""
        person = self._elsewhere.get(row.image.id)
        return row.problem or (f"{row.image.id}\n{person} has it open in another window" if person else row.image.id)


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
        show_rows(self, self._model, wide=1)
        self._seen = ""
        self.clicked.connect(self._choose)
        self.activated.connect(self._choose)

    def sizeHint(self) -> QSize:
        """Return a size that leaves room for the rest of the dock on a small screen."""
        return QSize(240, _HEIGHT)

    def set_rows(
        self, rows: Sequence[FieldCount], is_open: str, is_next: str, elsewhere: Mapping[str, str] | None = None
    ) -> None:
        """Show other fields, the one that is open, the next one, and who has which open ``elsewhere``, by ids."""
        self._model.set_open(is_open, is_next, elsewhere or {})
        self._model.set_rows(rows)
        number = self._model.row_of(is_open or is_next)
        if number >= 0 and self._seen != (is_open or is_next):
            self._seen = is_open or is_next
            self.scrollTo(self._model.index(number, 0))

    def _choose(self, index: QModelIndex) -> None:
        self.fieldChosen.emit(self._model.row(index.row()).image.id)
