"""What the pages of the settings are put together from: buttons, and tables that are filled at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import QFlowLayout

from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.table_filling import filling

_GAP: Final = 4
"""Pixels of the screen between two buttons."""


def push_button(name: str, title: str, tip: str) -> QPushButton:
    """Return a button with an object name, a name for screen readers and a tooltip."""
    button = named(QPushButton(title), name)
    button.setToolTip(tip)
    button.setAccessibleName(title.rstrip("."))
    button.setAccessibleDescription(tip)
    return button


def page_layout(page: QWidget) -> QVBoxLayout:
    """Return the layout of a page, with narrow margins: docks are narrow."""
    layout = QVBoxLayout(page)
    layout.setContentsMargins(2, 4, 2, 4)
    return layout


def in_rows(*buttons: QPushButton) -> QFlowLayout:
    """Return buttons in as many rows as their texts need in a narrow dock."""
    rows = QFlowLayout()
    rows.setContentsMargins(0, 0, 0, 0)
    rows.setHorizontalSpacing(_GAP)
    rows.setVerticalSpacing(_GAP)
    for button in buttons:
        rows.addWidget(button)
    return rows


def in_a_row(*parts: QWidget) -> QHBoxLayout:
    """Return widgets in a row."""
    row = QHBoxLayout()
    row.setContentsMargins(0, 0, 0, 0)
    for part in parts:
        row.addWidget(part)
    return row


def settings_table(name: str, title: str, heads: Sequence[str], stretched: int = 0) -> QTableWidget:
    """Return an empty table whose rows are selected whole.

    Parameters
    ----------
    name, title : str
        Object name, and the name for screen readers.
    heads : sequence of str
        Headings of the columns.
    stretched : int
        The column that takes the room that is left.
    """
    table = named(QTableWidget(0, len(heads)), name)
    table.setAccessibleName(title)
    table.setToolTip(title)
    table.setHorizontalHeaderLabels(list(heads))
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
    table.setTabKeyNavigation(False)
    sides, top = table.verticalHeader(), table.horizontalHeader()
    assert sides is not None
    assert top is not None
    sides.hide()
    top.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
    top.setSectionResizeMode(stretched, QHeaderView.ResizeMode.Stretch)
    top.setMinimumSectionSize(32)
    table.setMinimumHeight(120)
    return table


def fill_table(table: QTableWidget, rows: Sequence[Sequence[object]]) -> None:
    """Show rows in a table; numbers stand at the right, and headings are not cut."""
    top = table.horizontalHeader()
    assert top is not None
    for column in range(table.columnCount()):
        if top.sectionResizeMode(column) == QHeaderView.ResizeMode.Interactive:
            top.resizeSection(column, max(top.sectionSize(column), top.sectionSizeHint(column)))
    with filling(table):
        table.setRowCount(len(rows))
        for row, cells in enumerate(rows):
            for column, value in enumerate(cells):
                item = QTableWidgetItem("" if value is None else f"{value:,}" if isinstance(value, int) else str(value))
                if isinstance(value, int | float):
                    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                item.setToolTip(item.text())
                table.setItem(row, column, item)
    shown = table.viewport()
    assert shown is not None
    shown.update()


def chosen_rows(table: QTableWidget) -> list[int]:
    """Return the numbers of the selected rows, from the top."""
    chosen = table.selectionModel()
    return sorted(index.row() for index in chosen.selectedRows()) if chosen is not None else []
