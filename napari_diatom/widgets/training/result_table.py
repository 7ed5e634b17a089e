"""A table of results that nobody edits."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHeaderView, QTableWidget, QTableWidgetItem

from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.table_filling import filling


class ResultTable(QTableWidget):
    """Shows rows of texts.

    Parameters
    ----------
    name, title : str
        Its object name, and what a screen reader calls it.
    """

    def __init__(self, name: str, title: str) -> None:
        super().__init__(0, 0)
        named(self, name, spoken=title)
        self.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        # Otherwise Tab goes from cell to cell, and never out of the table.
        self.setTabKeyNavigation(False)
        header, rows = self.horizontalHeader(), self.verticalHeader()
        assert header is not None
        assert rows is not None
        rows.hide()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)

    def show_rows(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Show rows under a header; numbers stand at the right of their cells."""
        self.setColumnCount(len(header))
        self.setHorizontalHeaderLabels(list(header))
        with filling(self):
            self.setRowCount(len(rows))
            for row, cells in enumerate(rows):
                for column, text in enumerate(cells):
                    item = QTableWidgetItem(text)
                    item.setToolTip(text)
                    if text[:1].isdigit():
                        item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                    self.setItem(row, column, item)

    def clear_rows(self) -> None:
        """Show nothing."""
        self.setRowCount(0)
