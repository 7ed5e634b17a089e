"""Tables of hundreds of classes are shown at once, also while they are seen."""

from __future__ import annotations

import time

import pytest
from qtpy.QtWidgets import QHeaderView

from napari_diatom.widgets.naming.taxa_rows import NamedTaxa, TaxonRow
from napari_diatom.widgets.project_settings.page_parts import fill_table, settings_table
from napari_diatom.widgets.training.result_table import ResultTable

CLASSES, COLUMNS = 300, 7
MOST_S = 3.0
"""Of the processor: filled item by item, a table that is seen takes ten times as long."""
TITLES = [f"column {k}" for k in range(COLUMNS)]


def rows_of(first):
    """Return the rows of some classes."""
    return [[f"Genus species{k}", *(str(first + k * n) for n in range(1, COLUMNS))] for k in range(CLASSES)]


def shown(table, qtbot):
    """Show a table."""
    qtbot.addWidget(table)
    table.resize(800, 400)
    table.show()
    qtbot.waitExposed(table)
    return table


def results(qtbot):
    table = shown(ResultTable("results", "Results"), qtbot)
    return table, lambda first: table.show_rows(TITLES, rows_of(first))


def settings(qtbot):
    table = shown(settings_table("settings", "Settings", TITLES), qtbot)
    header = table.horizontalHeader()
    for column in range(1, COLUMNS):
        header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
    return table, lambda first: fill_table(table, rows_of(first))


@pytest.mark.parametrize("make", [results, settings])
def test_a_table_that_is_seen_is_filled_at_once(make, qtbot, qapp):
    table, fill = make(qtbot)
    fill(0)
    qapp.processEvents()
    began = time.thread_time()
    fill(10**9)
    qapp.processEvents()
    assert time.thread_time() - began < MOST_S
    assert table.item(0, 1).text() == "1000000000"
    # Its columns are as wide as what stands in them now.
    assert table.columnWidth(1) >= table.fontMetrics().horizontalAdvance("1000000000")


def test_the_taxa_are_sorted_by_number_and_unknown_ones_stand_together(qtbot):
    from qtpy.QtCore import Qt
    from qtpy.QtWidgets import QTableView

    from napari_diatom.widgets.common.row_model import show_rows

    view, rows = QTableView(), NamedTaxa()
    show_rows(view, rows, 0, is_sorted=True)
    qtbot.addWidget(view)
    shares = {"a": 9, "b": "", "c": 100, "d": 25}
    rows.set_rows([TaxonRow((name, 1, 0, share, "", "", ""), "") for name, share in shares.items()])
    model = view.model()
    view.sortByColumn(3, Qt.SortOrder.AscendingOrder)
    assert [model.index(row, 0).data() for row in range(4)] == ["b", "a", "d", "c"]
    view.sortByColumn(0, Qt.SortOrder.DescendingOrder)
    assert [model.index(row, 0).data() for row in range(4)] == ["d", "c", "b", "a"]
