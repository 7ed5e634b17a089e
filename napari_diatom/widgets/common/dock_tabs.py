"""The docks of the plugin share one area of the window, as tabs."""

from __future__ import annotations

from typing import Final

from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

_SHARES: Final = "shares_area"
"""Property of the widgets whose docks are tabs."""


def share_area(widget: QWidget) -> None:
    """Open the dock of a widget as a tab beside the plugin's other docks on the same side of the window.

    napari puts each new dock below the others, and the window grows beyond the screen. Users can drag a tab to any
    other place; it stays there.
    """
    widget.setProperty(_SHARES, True)
    widget.installEventFilter(_Docking(widget))


class _Docking(QObject):
    """Waits until its widget is put into a dock."""

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self._widget = widget

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
        if not isinstance(dock, QDockWidget) or not isinstance(window, QMainWindow) or dock.isFloating():
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
            return
