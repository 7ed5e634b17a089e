"""A dock's content that scrolls where the window is low."""

from __future__ import annotations

from typing import Final

from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtWidgets import QFrame, QScrollArea, QWidget

_LEAST_HEIGHT: Final = 240
"""Height, in pixels of the screen, down to which a dock can be made smaller."""


class Scrolled(QScrollArea):
    """Scrolls in height alone: two docks, one above the other, fit on a small screen.

    Parameters
    ----------
    content : QWidget
        What is scrolled.
    """

    def __init__(self, content: QWidget) -> None:
        super().__init__()
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidgetResizable(True)
        self.setWidget(content)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Tell the dock when the content needs another width."""
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(watched, event)

    def sizeHint(self) -> QSize:
        """Return the room that all of it takes."""
        content, bar = self.widget(), self.verticalScrollBar()
        assert content is not None
        assert bar is not None
        return content.sizeHint() + QSize(bar.sizeHint().width(), 0)

    def minimumSizeHint(self) -> QSize:
        """Return the width that all of it takes, and the height of a few rows."""
        content, bar = self.widget(), self.verticalScrollBar()
        assert content is not None
        assert bar is not None
        return QSize(content.minimumSizeHint().width() + bar.sizeHint().width(), _LEAST_HEIGHT)
