"""A row of widgets that goes on in a next line where a dock is too narrow for it, as with a large font."""

from __future__ import annotations

from typing import Final

from qtpy.QtCore import QPoint, QRect, QSize, Qt
from qtpy.QtWidgets import QLayout, QLayoutItem, QWidget

_GAP: Final = 3
"""Pixels between widgets."""


class WrappedRow(QLayout):
    """Puts widgets side by side as far as they fit, and shares out what room is left in each line.

    Parameters
    ----------
    *widgets : QWidget
        The widgets. Those that can use more room than others get all that is left in their line.
    """

    def __init__(self, *widgets: QWidget) -> None:
        super().__init__()
        self._items: list[QLayoutItem] = []
        self._given = 0
        self.setContentsMargins(0, 0, 0, 0)
        self.setSpacing(_GAP)
        for widget in widgets:
            self.addWidget(widget)

    def addItem(self, item: QLayoutItem | None) -> None:
        """Add an item at the end."""
        if item is not None:
            self._items.append(item)

    def count(self) -> int:
        """Return the number of items."""
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:
        """Return an item, None beyond the last one."""
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:
        """Remove an item and return it, None beyond the last one."""
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:
        """Return in which direction it can use more room than it asks for."""
        return Qt.Orientation.Horizontal

    def hasHeightForWidth(self) -> bool:
        """Return that its height depends on its width."""
        return True

    def heightForWidth(self, width: int) -> int:
        """Return the height of all lines at a width."""
        lines = self._lines(width)
        return sum(map(_height, lines)) + self.spacing() * max(len(lines) - 1, 0)

    def minimumSize(self) -> QSize:
        """Return the width of the widest item, and the height of the lines in the width that it has."""
        items = self._shown()
        width = max((item.minimumSize().width() for item in items), default=0)
        return QSize(width, self.heightForWidth(self._given) if self._given else _height(items))

    def sizeHint(self) -> QSize:
        """Return the size of all items in one line."""
        items = self._shown()
        gaps = self.spacing() * max(len(items) - 1, 0)
        return QSize(sum(item.sizeHint().width() for item in items) + gaps, _height(items))

    def setGeometry(self, rect: QRect) -> None:
        """Lay the items out in a place."""
        super().setGeometry(rect)
        if rect.width() != self._given:
            # A splitter does not ask for the height at a width, only for the least height.
            before = self.minimumSize().height()
            self._given = rect.width()
            if self.minimumSize().height() != before:
                self.update()
        y = rect.y()
        for line in self._lines(rect.width()):
            height = _height(line)
            greedy = [item for item in line if item.expandingDirections() & Qt.Orientation.Horizontal] or line
            more, rest = divmod(max(rect.width() - self._width(line), 0), len(greedy))
            x = rect.x()
            for item in line:
                width = min(item.minimumSize().width(), rect.width())
                if item in greedy:
                    width += more + (rest if item is greedy[-1] else 0)
                item.setGeometry(QRect(QPoint(x, y), QSize(width, height)))
                x += width + self.spacing()
            y += height + self.spacing()

    def _shown(self) -> list[QLayoutItem]:
        """Return the items that are not hidden."""
        return [item for item in self._items if not item.isEmpty()]

    def _width(self, items: list[QLayoutItem]) -> int:
        """Return the least width of items side by side."""
        return sum(item.minimumSize().width() for item in items) + self.spacing() * max(len(items) - 1, 0)

    def _lines(self, width: int) -> list[list[QLayoutItem]]:
        """Return the items, divided into lines of a width."""
        lines: list[list[QLayoutItem]] = []
        for item in self._shown():
            if lines and self._width([*lines[-1], item]) <= width:
                lines[-1].append(item)
            else:
                lines.append([item])
        return lines


def _height(line: list[QLayoutItem]) -> int:
    """Return the height of a line."""
    return max((item.sizeHint().height() for item in line), default=0)
