"""A small histogram, stacked by class. It needs no plotting library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPalette
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_diatom.core.text import many
from napari_diatom.widgets.common.object_names import named

_MARGIN: Final = 4.0
_TICKS: Final = 4


class Histogram(QWidget):
    """Shows how many specimens there are of each length, stacked by class."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        named(self, "histogram", spoken="Histogram of lengths")
        self.setMinimumHeight(110)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._edges: NDArray[np.float64] = np.empty(0)
        self._counts: NDArray[np.int64] = np.empty((0, 0), dtype=np.int64)
        self._colours: list[QColor] = []
        self._unit = "px"

    def sizeHint(self) -> QSize:
        """Return a size that leaves room for the table."""
        return QSize(240, 120)

    def setValues(
        self, groups: Sequence[NDArray[np.float64]], colours: Sequence[tuple[int, int, int]], unit: str
    ) -> None:
        """Show the sizes of each class.

        Parameters
        ----------
        groups : sequence of ndarray, shape (N,)
            Sizes, an array per class.
        colours : sequence of (int, int, int)
            Red, green, blue per class.
        unit : str
            Unit of the sizes.
        """
        values = np.concatenate([*groups, np.empty(0)])
        self._unit = unit
        self._colours = [QColor(*colour) for colour in colours]
        if len(values):
            self._edges = bin_edges(values)
            self._counts = np.stack([np.histogram(group, self._edges)[0] for group in groups])
        else:
            self._edges, self._counts = np.empty(0), np.empty((0, 0), dtype=np.int64)
        self.setToolTip(f"Length of {many(len(values), 'specimen')} in {unit}" if len(values) else "")
        self.update()

    def counts(self) -> NDArray[np.int64]:
        """Return the shown counts, shape (classes, bins)."""
        return self._counts

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Paint bars, axis and ticks in the colours of the theme."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().color(QPalette.ColorRole.WindowText)
        faint = QColor(text)
        faint.setAlpha(90)
        font = self.font()
        font.setPointSizeF(max(font.pointSizeF() * 0.85, 6))
        painter.setFont(font)
        line = painter.fontMetrics().height()
        area = QRectF(self.rect()).adjusted(_MARGIN, line + _MARGIN, -_MARGIN, -line - _MARGIN)
        painter.setPen(faint)
        if not self._counts.size:
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, "Lengths appear here")
            return
        heights = self._counts.sum(axis=0)
        step = area.width() / len(heights)
        unit_height = area.height() / max(int(heights.max()), 1)
        for i in range(len(heights)):
            base = area.bottom()
            for counts, colour in zip(self._counts, self._colours, strict=True):
                if counts[i]:
                    height = float(counts[i]) * unit_height
                    bar = QRectF(area.left() + i * step + 0.5, base - height, max(step - 1, 1), height)
                    painter.fillRect(bar, colour)
                    base -= height
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        low, high = float(self._edges[0]), float(self._edges[-1])
        painter.setPen(text)
        for tick in ticks(low, high):
            label = f"{tick:g}"
            x = area.left() + (tick - low) / (high - low) * area.width()
            width = painter.fontMetrics().horizontalAdvance(label)
            x = min(max(x - width / 2, area.left()), area.right() - width)
            painter.drawText(QRectF(x, area.bottom() + 1, width + 2, line), Qt.AlignmentFlag.AlignLeft, label)
        head = QRectF(area.left(), 0, area.width(), line + 1)
        painter.drawText(head, Qt.AlignmentFlag.AlignLeft, f"Length, {self._unit}")
        painter.drawText(head, Qt.AlignmentFlag.AlignRight, f"tallest bar: {many(int(heights.max()), 'specimen')}")


def bin_edges(values: NDArray[np.float64], most: int = 30) -> NDArray[np.float64]:
    """Return the edges of at most ``most`` bins with a round width that hold all values."""
    low, high = float(values.min()), float(values.max())
    width = nice(max(high - low, abs(high) * 0.05, 1e-6) / min(most, max(6, math.isqrt(len(values)) * 2)))
    first = math.floor(low / width)
    last = max(math.ceil(high / width), first + 1)
    return np.asarray(np.arange(first, last + 1) * width, dtype=np.float64)


def ticks(low: float, high: float) -> list[float]:
    """Return about four round numbers within a range."""
    step = nice((high - low) / _TICKS)
    return [round(i * step, 10) for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def nice(width: float) -> float:
    """Return the next 1, 2 or 5 times a power of ten at or above ``width``."""
    power = float(10.0 ** math.floor(math.log10(width)))
    return next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= width * (1 - 1e-9))
