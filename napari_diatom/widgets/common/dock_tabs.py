"""The docks of the plugin share one area of the window, as tabs with short titles."""

from __future__ import annotations

from typing import Final

from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow, QTabBar, QWidget

from napari_diatom.widgets.common.text_size import follow_font_size

_SHARES: Final = "shares_area"
"""Property of the widgets whose docks are tabs."""


def share_area(widget: QWidget, title: str) -> None:
    """Open the dock of a widget as a tab beside the plugin's other docks on the same side of the window.

    napari puts each new dock below the others, and the window grows beyond the screen. Users can drag a tab to any
    other place; it stays there. Its title bar and the menu *Window* name a dock in full.

    Parameters
    ----------
    widget : QWidget
        The content of the dock.
    title : str
        What its tab is called: one word, so that it can be read beside ten others.
    """
    widget.setProperty(_SHARES, True)
    follow_font_size(widget)
    widget.installEventFilter(_Docking(widget, title))


class _Docking(QObject):
    """Waits until its widget is put into a dock."""

    def __init__(self, widget: QWidget, title: str) -> None:
        super().__init__(widget)
        self._widget = widget
        self._title = title

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Handle the arrival of the widget in a dock."""
        moved = event is not None and event.type() == QEvent.Type.ParentChange
        if moved and watched is not None and isinstance(watched.parent(), QDockWidget):
            # napari adds the dock to the window after this.
            QTimer.singleShot(0, self._join)
        return False

    def _join(self) -> None:
        """Make a tab of the dock, in front of the others."""
        dock = self._widget.parent()
        window = None if not isinstance(dock, QDockWidget) else dock.parent()
        if not isinstance(dock, QDockWidget) or not isinstance(window, QMainWindow):
            return
        _shorten(dock, self._title)
        if dock.isFloating():
            return
        for other in window.findChildren(QDockWidget):
            content = other.widget()
            if other is dock or content is None or not content.property(_SHARES) or other.isFloating():
                continue
            if window.dockWidgetArea(other) != window.dockWidgetArea(dock):
                continue
            if other not in window.tabifiedDockWidgets(dock):
                window.tabifyDockWidget(other, dock)
            dock.show()
            dock.raise_()
            _let_scroll(window)
            return


def _shorten(dock: QDockWidget, title: str) -> None:
    """Give the tab of a dock a short title; the menu goes on with the full one."""
    action = dock.toggleViewAction()
    assert action is not None
    full = action.text()
    dock.setWindowTitle(title)
    action.setText(full)


def _let_scroll(window: QMainWindow) -> None:
    """Let the tabs of docks scroll where they do not fit: Qt would cut each to a letter or two."""
    for bar in window.findChildren(QTabBar, options=Qt.FindChildOption.FindDirectChildrenOnly):
        bar.setElideMode(Qt.TextElideMode.ElideNone)
        bar.setUsesScrollButtons(True)
