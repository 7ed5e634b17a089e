"""Scrolls the content of a dock in a low window."""

from __future__ import annotations

from typing import Final

from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtWidgets import QFrame, QScrollArea, QWidget

_LEAST_HEIGHT: Final = 240
"""Smallest height of a dock, in pixels of the screen."""


class Scrolled(QScrollArea):
    """Scrolls only vertically, so that two docks, one above the other, fit on a small screen.

    Parameters
    ----------
    content : QWidget
        The widget to scroll.
    """

    def __init__(self, content: QWidget) -> None:
        super().__init__()
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidgetResizable(True)
        self.setWidget(content)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Update the dock when the content needs another width."""
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(watched, event)

    def sizeHint(self) -> QSize:
        """Return the size of the whole content."""
        content, bar = self.widget(), self.verticalScrollBar()
        assert content is not None
        assert bar is not None
        return content.sizeHint() + QSize(bar.sizeHint().width(), 0)

    def minimumSizeHint(self) -> QSize:
        """Return the width of the whole content, and the height of a few rows."""
        content, bar = self.widget(), self.verticalScrollBar()
        assert content is not None
        assert bar is not None
        return QSize(content.minimumSizeHint().width() + bar.sizeHint().width(), _LEAST_HEIGHT)
