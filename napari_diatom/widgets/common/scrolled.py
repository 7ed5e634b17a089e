"""Scrolls the content of a dock in a low window."""

from __future__ import annotations

from typing import Final

from qtpy.QtCore import QEvent, QObject, QSize
from qtpy.QtWidgets import QFrame, QScrollArea, QWidget

_LEAST_HEIGHT: Final = 240
"""Smallest height of a dock, in pixels of the screen."""
_MOST_WIDTH: Final = 400
"""Width that a dock may ask for, in pixels of the screen. More leaves too little of the image on a laptop."""


class Scrolled(QScrollArea):
    """Scrolls vertically, so that docks fit on a small screen; and sideways where a large font needs it.

    Parameters
    ----------
    content : QWidget
        The widget to scroll.
    """

    def __init__(self, content: QWidget) -> None:
        super().__init__()
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setWidget(content)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Update the dock when the content needs another width."""
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(watched, event)

    def sizeHint(self) -> QSize:
        """Return the size of the whole content, no wider than a dock may be."""
        content, bar = self.widget(), self.verticalScrollBar()
        assert content is not None
        assert bar is not None
        size = content.sizeHint() + QSize(bar.sizeHint().width() + 2 * self.frameWidth(), 0)
        return QSize(min(size.width(), _MOST_WIDTH), size.height())

    def minimumSizeHint(self) -> QSize:
        """Return the width of the content, unless that is too much for a dock, and the height of a few rows."""
        content, bar = self.widget(), self.verticalScrollBar()
        assert content is not None
        assert bar is not None
        # A theme may give even a scroll area without a frame a border.
        width = content.minimumSizeHint().width() + bar.sizeHint().width() + 2 * self.frameWidth()
        return QSize(min(width, _MOST_WIDTH), _LEAST_HEIGHT)
