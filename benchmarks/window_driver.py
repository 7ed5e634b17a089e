"""A user of napari's window for other scripts: sends keys and clicks, real events of Qt, and counts them."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from unittest import mock

PATIENCE: Final = 600.0
"""Seconds that something may take to happen."""


class Driver:
    """Sends keys and clicks to napari's window, and counts them.

    Parameters
    ----------
    viewer : napari.Viewer
        With a window that is shown.
    widget : QWidget
        The dock that is worked in.
    """

    def __init__(self, viewer: Any, widget: Any) -> None:
        from napari_diatom.widgets.common.closing import canvas_of

        self.viewer, self.widget = viewer, widget
        self.counts: Counter[str] = Counter()
        self.canvas = canvas_of(viewer)

    def key(self, key: Any, where: Any = None) -> None:
        """Press a key, over the image by default."""
        from qtpy.QtTest import QTest

        QTest.keyClick(self.canvas if where is None else where, key)
        self.counts["keys"] += 1
        self.spin()

    def type(self, text: str, where: Any) -> None:
        """Type letters into a field."""
        from qtpy.QtTest import QTest

        QTest.keyClicks(where, text)
        self.counts["keys"] += len(text)

    def click(self, widget: Any, place: Any = None) -> None:
        """Click a widget."""
        from qtpy.QtCore import Qt
        from qtpy.QtTest import QTest

        QTest.mouseClick(widget, Qt.MouseButton.LeftButton, pos=widget.rect().center() if place is None else place)
        self.counts["clicks"] += 1
        self.spin()

    def spin(self) -> None:
        """Have the window do what it has to."""
        from qtpy.QtWidgets import QApplication

        for _ in range(3):
            QApplication.processEvents()

    def wait(self, until: Callable[[], bool]) -> None:
        """Wait until something is so."""
        end = time.monotonic() + PATIENCE
        while not until():
            if time.monotonic() > end:
                sys.exit("It did not happen.")
            self.spin()
            time.sleep(0.005)

    def part(self, kind: type, name: str) -> Any:
        """Return a part of the dock by its name."""
        found = self.widget.findChild(kind, name)
        assert found is not None, name
        return found

    def choose(self, name: str, data: object) -> None:
        """Choose an entry of a list by the arrow keys."""
        from qtpy.QtCore import Qt
        from qtpy.QtWidgets import QComboBox

        combo = self.part(QComboBox, name)
        row = combo.findData(data)
        assert row >= 0, f"{name} has no {data}"
        while combo.currentIndex() != row:
            self.key(Qt.Key.Key_Down if combo.currentIndex() < row else Qt.Key.Key_Up, combo)

    def press(self, name: str, folder: Path | None = None) -> None:
        """Click a button, and choose a folder where it asks for one."""
        from qtpy.QtWidgets import QAbstractButton, QFileDialog

        with mock.patch.object(QFileDialog, "getExistingDirectory", return_value=str(folder)):
            self.click(self.part(QAbstractButton, name))

    def cells(self, name: str) -> list[tuple[str, ...]]:
        """Return the cells of a table, row by row."""
        from qtpy.QtWidgets import QTableView

        model = self.part(QTableView, name).model()
        columns = range(model.columnCount())
        return [tuple(model.index(row, k).data() for k in columns) for row in range(model.rowCount())]
