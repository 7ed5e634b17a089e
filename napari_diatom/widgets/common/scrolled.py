"""Scrolls the content of a dock in a low window."""

from __future__ import annotations

from typing import Final

from qtpy.QtCore import QEvent, QObject, QPoint, QSize, QTimer
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
        self._top: QWidget | None = None

    def bring_up(self, part: QWidget) -> None:
        """Scroll until a part of the content is at the top, and have the content fill the room below."""
        self._top = part
        content, viewport = self.widget(), self.viewport()
        assert content is not None
        assert viewport is not None
        content.setMinimumHeight(self._place(part) + viewport.height())
        # The layout takes a turn of the event loop.
        QTimer.singleShot(0, self._scroll)

    def _scroll(self) -> None:
        bar, part = self.verticalScrollBar(), self._top
        if bar is not None and part is not None:
            bar.setValue(self._place(part))

    def _place(self, part: QWidget) -> int:
        """Return how far below the top of the content a part is."""
        content = self.widget()
        assert content is not None
        layout = content.layout()
        if layout is not None:
            # What was shown or hidden in this turn of the event loop has its place.
            layout.activate()
        return part.mapTo(content, QPoint()).y()

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
