"""Keeps the width of a widget that is hidden for now."""

from __future__ import annotations

from qtpy.QtCore import QSize
from qtpy.QtWidgets import QLayout, QSizePolicy, QWidget


class KeptWidth(QWidget):
    """Takes as much width as another widget needs, and no height.

    The viewer draws everything again when the width of a dock changes, and a hidden widget has none.

    Parameters
    ----------
    other : QWidget
        The widget, which may be hidden.
    """

    def __init__(self, other: QWidget) -> None:
        super().__init__()
        self._other = other
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def minimumSizeHint(self) -> QSize:
        """Return the least width of the other widget."""
        self._measure_again()
        return QSize(self._other.minimumSizeHint().width(), 0)

    def sizeHint(self) -> QSize:
        """Return the usual width of the other widget."""
        self._measure_again()
        return QSize(self._other.sizeHint().width(), 0)

    def _measure_again(self) -> None:
        """Let the layouts of the other widget forget sizes: Qt does not tell them what happens while it is hidden."""
        if self._other.isVisible():
            return
        for child in self._other.findChildren(QWidget):
            child.ensurePolished()
        for layout in (self._other.layout(), *self._other.findChildren(QLayout)):
            if layout is not None:
                layout.invalidate()
