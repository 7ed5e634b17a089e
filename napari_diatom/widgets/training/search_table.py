"""The settings that can be searched for a training: a row each, to be ticked, with a range to be typed."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHeaderView, QLineEdit, QTableWidget, QTableWidgetItem, QVBoxLayout, QWidget

from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.table_filling import filling
from napari_diatom.widgets.forms.controls import tooltip_of
from napari_diatom.widgets.forms.option_fields import OptionField, fields_of

if TYPE_CHECKING:
    from diatom_training.finetune.config import TrainConfig

_TICKED: Final = ("rate", "weight_decay")
"""Settings that are ticked at first."""
_USED: Final = Qt.ItemDataRole.UserRole


class SearchTable(QWidget):
    """Ticks settings, and edits their ranges."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._filter = named(QLineEdit(), "search_filter", spoken="Find a setting")
        self._filter.setPlaceholderText("Find a setting")
        self._filter.setClearButtonEnabled(True)
        self._table = named(QTableWidget(0, 2), "search_settings", spoken="Settings to search")
        self._table.setToolTip("Tick what is searched. Write a range as 0.0001:0.01, or choices as adamw,sgd.")
        self._table.setHorizontalHeaderLabels(["Setting", "Range or choices"])
        # Otherwise Tab goes from cell to cell, and never out of the table.
        self._table.setTabKeyNavigation(False)
        header, rows = self._table.horizontalHeader(), self._table.verticalHeader()
        assert header is not None
        assert rows is not None
        rows.hide()
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._filter)
        layout.addWidget(self._table, 1)
        self._filter.textChanged.connect(self._show_matching)

    def list_settings(self, config: TrainConfig) -> None:
        """Offer the settings that can be searched for a training with their usual ranges, the ticked ones on top."""
        from diatom_training.tuning.ranges import range_text
        from diatom_training.tuning.search_space import searchable

        known = searchable(config)
        first = [name for name in _TICKED if name in known]
        with filling(self._table):
            self._table.setRowCount(len(known))
            for row, name in enumerate([*first, *(name for name in known if name not in first)]):
                values = known[name]
                field = _field(name)
                title = QTableWidgetItem(f"{field.label} ({name})" if "." in name else field.label)
                title.setData(_USED, name)
                title.setToolTip(tooltip_of(field.sentence))
                title.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable)
                title.setCheckState(Qt.CheckState.Checked if name in _TICKED else Qt.CheckState.Unchecked)
                self._table.setItem(row, 0, title)
                self._table.setItem(row, 1, QTableWidgetItem("" if values is None else range_text(values)))
        self._show_matching(self._filter.text())

    def tick(self, names: Collection[str]) -> None:
        """Tick these settings alone, by their dotted names."""
        for row in range(self._table.rowCount()):
            title = self._table.item(row, 0)
            assert title is not None
            chosen = title.data(_USED) in names
            title.setCheckState(Qt.CheckState.Checked if chosen else Qt.CheckState.Unchecked)

    def texts(self) -> list[str]:
        """Return what is ticked with its range, such as ``rate=0.0001:0.01``."""
        found = []
        for row in range(self._table.rowCount()):
            title, values = self._table.item(row, 0), self._table.item(row, 1)
            assert title is not None
            if title.checkState() == Qt.CheckState.Checked:
                text = "" if values is None else values.text().strip()
                found.append(f"{title.data(_USED)}={text}" if text else str(title.data(_USED)))
        return found

    def _show_matching(self, text: str) -> None:
        """Show the rows that have a text, and all that are ticked."""
        for row in range(self._table.rowCount()):
            title = self._table.item(row, 0)
            assert title is not None
            there = text.strip().lower() in f"{title.text()} {title.data(_USED)}".lower()
            self._table.setRowHidden(row, not there and title.checkState() != Qt.CheckState.Checked)


def _field(name: str) -> OptionField:
    """Return the field of a setting by its name, with its label and what it means."""
    from diatom_training.finetune.config import TrainConfig
    from diatom_training.learning.options import LearningOptions

    kind: type = TrainConfig if name == "architecture" else LearningOptions
    *groups, last = name.split(".")
    for group in groups:
        field = next(field for field in fields_of(kind) if field.name == group)
        if field.kind == "entries":
            return field
        kind = field.type
    return next(field for field in fields_of(kind) if field.name == last)
