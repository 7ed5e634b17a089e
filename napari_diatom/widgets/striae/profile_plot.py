"""The profile along a specimen's midline, and its spectrum, drawn without a plotting library."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPalette, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_diatom.widgets.common.object_names import named

_MARGIN: Final = 4.0
_HEIGHT: Final = 120


class ProfilePlot(QWidget):
    """Shows one curve over an axis with its ends, and a mark on it.

    Parameters
    ----------
    name, title : str
        Object name, and what stands above the curve.
    unit : str
        Of the axis.
    """

    def __init__(self, name: str, title: str, unit: str) -> None:
        super().__init__()
        named(self, name, spoken=title)
        self.setMinimumHeight(_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._title, self._unit = title, unit
        self._x: NDArray[np.float64] = np.empty(0)
        self._y: NDArray[np.float64] = np.empty(0)
        self._mark: float | None = None

    def sizeHint(self) -> QSize:
        """Return a size at which waves can be counted."""
        return QSize(320, _HEIGHT)

    def setCurve(self, x: NDArray[np.float64], y: NDArray[np.float64], mark: float | None = None) -> None:
        """Show a curve, shape (N,) each, with a line at ``mark``; nothing for empty arrays."""
        self._x, self._y, self._mark = x, y, mark
        self.update()

    def curve(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the shown curve."""
        return self._x, self._y

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Paint the curve in the colours of the theme."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().color(QPalette.ColorRole.WindowText)
        faint = QColor(text)
        faint.setAlpha(90)
        line = painter.fontMetrics().height()
        area = QRectF(self.rect()).adjusted(_MARGIN, line + _MARGIN, -_MARGIN, -line - _MARGIN)
        painter.setPen(text)
        painter.drawText(QRectF(area.left(), 0, area.width(), line), Qt.AlignmentFlag.AlignLeft, self._title)
        painter.setPen(faint)
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        if len(self._x) < 2:
            return
        low, high = float(self._x[0]), float(self._x[-1])
        bottom, top = float(self._y.min()), float(self._y.max())
        across = area.left() + (self._x - low) / max(high - low, 1e-12) * area.width()
        up = area.bottom() - (self._y - bottom) / max(top - bottom, 1e-12) * area.height()
        if self._mark is not None and low <= self._mark <= high:
            x = area.left() + (self._mark - low) / (high - low) * area.width()
            painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
        painter.setPen(text)
        painter.drawPolyline(QPolygonF([QPointF(x, y) for x, y in zip(across.tolist(), up.tolist(), strict=True)]))
        foot = QRectF(area.left(), area.bottom() + 1, area.width(), line + 1)
        painter.drawText(foot, Qt.AlignmentFlag.AlignLeft, f"{low:.3g}")
        painter.drawText(foot, Qt.AlignmentFlag.AlignRight, f"{high:.3g} {self._unit}")
