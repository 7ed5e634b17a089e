"""Tables are filled at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from qtpy.QtWidgets import QHeaderView, QTableWidget
from superqt.utils import signals_blocked


@contextmanager
def filling(table: QTableWidget) -> Iterator[None]:
    """Have the columns of a table measured once when it has been filled, and no signals of its items meanwhile.

    Columns that are as wide as their contents are measured after each item, in all rows: of a table of some hundred
    rows that is shown, this takes half a minute.

    Parameters
    ----------
    table : QTableWidget
        Its columns are those that it is to have.
    """
    header = table.horizontalHeader()
    assert header is not None
    fitted = QHeaderView.ResizeMode.ResizeToContents
    columns = [k for k in range(header.count()) if header.sectionResizeMode(k) == fitted]
    for column in columns:
        header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
    try:
        with signals_blocked(table):
            yield
    finally:
        for column in columns:
            header.setSectionResizeMode(column, fitted)
