"""A user at the docks of a window: menus are opened, buttons clicked and fields typed into, as far as they are seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication, QDialog, QDockWidget, QFileDialog, QScrollArea, QTableView, QTabWidget, QWidget

from helpers.window import child_of, trigger

PLUGIN = "napari-diatom"


class Desk:
    """Works in the docks of a viewer by mouse and keys.

    Parameters
    ----------
    viewer : napari.Viewer
        With a window that is shown.
    qtbot : pytestqt.qtbot.QtBot
        Sends the events.
    monkeypatch : pytest.MonkeyPatch
        Answers the system's dialogs for files.
    """

    def __init__(self, viewer: Any, qtbot: Any, monkeypatch: Any) -> None:
        self.viewer, self.qtbot, self.monkeypatch = viewer, qtbot, monkeypatch

    def open(self, command: str) -> Any:
        """Open a dock from the menu of plugins, and return its widget."""
        before = set(self.viewer.window.dock_widgets)
        trigger(self.viewer, f"{PLUGIN}.{command}")
        [name] = set(self.viewer.window.dock_widgets) - before
        self.qtbot.wait(50)
        return self.viewer.window.dock_widgets[name]

    def front(self, widget: QWidget) -> None:
        """Bring the dock of a widget to the front, by its tab."""
        dock = widget.parent()
        while not isinstance(dock, QDockWidget):
            assert dock is not None
            dock = dock.parent()
        dock.raise_()
        self.qtbot.wait(50)

    def seen(self, widget: QWidget, name: str) -> Any:
        """Return a part of a widget, scrolled to where it is seen."""
        part = child_of(widget, name)
        parent = part.parentWidget()
        while parent is not None:
            if isinstance(parent, QScrollArea):
                parent.ensureWidgetVisible(part)
            parent = parent.parentWidget()
        self.qtbot.wait(20)
        assert part.isVisible(), f"{name} is not seen"
        assert part.isEnabled(), f"{name} is disabled: {part.toolTip()}"
        assert not part.visibleRegion().isEmpty(), f"{name} is off the screen"
        return part

    def click(self, widget: QWidget, name: str) -> None:
        """Click on a button, or another part."""
        part = self.seen(widget, name)
        self.qtbot.mouseClick(part, Qt.MouseButton.LeftButton, pos=part.visibleRegion().boundingRect().center())

    def tick(self, widget: QWidget, name: str) -> None:
        """Change a tick or choose a radio button, by the space bar."""
        part = self.seen(widget, name)
        part.setFocus()
        self.qtbot.keyClick(part, Qt.Key.Key_Space)

    def type(self, widget: QWidget, name: str, text: str) -> None:
        """Type into a field in place of what is there, and press Enter."""
        part = self.seen(widget, name)
        part.setFocus()
        part.selectAll()
        self.qtbot.keyClicks(part, text)
        self.qtbot.keyClick(part, Qt.Key.Key_Return)

    def choose(self, widget: QWidget, name: str, data: object) -> None:
        """Choose an entry of a list by the arrow keys."""
        combo = self.seen(widget, name)
        combo.setFocus()
        row = combo.findData(data)
        assert row >= 0, f"{name} has no {data}"
        self.qtbot.keyClick(combo, Qt.Key.Key_Home)
        while combo.currentIndex() < row:
            self.qtbot.keyClick(combo, Qt.Key.Key_Down)
        assert combo.currentData() == data

    def page(self, widget: QWidget, name: str, number: int) -> None:
        """Go to a tab."""
        tabs: QTabWidget = self.seen(widget, name)
        bar = tabs.tabBar()
        self.qtbot.mouseClick(bar, Qt.MouseButton.LeftButton, pos=bar.tabRect(number).center())
        assert tabs.currentIndex() == number

    def row(self, widget: QWidget, name: str, number: int) -> None:
        """Click on a row of a table."""
        table: QTableView = self.seen(widget, name)
        index = table.model().index(number, 0)
        table.scrollTo(index)
        self.qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=table.visualRect(index).center())

    def answer(self, path: Path) -> None:
        """Choose a file or folder in the system's dialogs from now on."""
        self.monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(path))
        self.monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))

    def in_dialog(self, kind: type[QDialog], act: Callable[[Any], None], button: Callable[[], None]) -> None:
        """Press a button that asks something, and fill in what it asks."""
        wrong: list[BaseException] = []

        def look() -> None:
            dialog = QApplication.activeModalWidget()
            if not isinstance(dialog, kind):
                QTimer.singleShot(20, look)
                return
            try:
                act(dialog)
            except BaseException as error:
                wrong.append(error)
            finally:
                if dialog.isVisible():
                    dialog.reject()

        QTimer.singleShot(20, look)
        button()
        if wrong:
            raise wrong[0]

    def until(self, what: Callable[[], object], seconds: float = 60) -> None:
        """Wait until something is so."""
        self.qtbot.waitUntil(lambda: bool(what()), timeout=round(seconds * 1000))
