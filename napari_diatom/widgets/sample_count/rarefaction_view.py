"""The rarefaction curve of a sample, small enough for a dock. It needs no plotting library."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPalette, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_diatom.core.text import many
from napari_diatom.widgets.common.object_names import named

_CURVE: Final = QColor("#56b4e9")
_TARGET: Final = QColor("#e69f00")
_MARGIN: Final = 6.0
_HEIGHT: Final = 84


class RarefactionView(QWidget):
    """Draws how many taxa are expected in smaller counts, and where the target is."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        named(self, "rarefaction", spoken="Rarefaction curve")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.setMinimumHeight(_HEIGHT)
        self._sizes: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._taxa: NDArray[np.float64] = np.empty(0)
        self._coverage = math.nan
        self._target = 0
        self._missing = ""

    def sizeHint(self) -> QSize:
        """Return a size that leaves room for the tables."""
        return QSize(240, _HEIGHT)

    def set_curve(self, sizes: NDArray[np.int64], taxa: NDArray[np.float64], coverage: float, target: int) -> None:
        """Show another curve.

        Parameters
        ----------
        sizes, taxa : ndarray, shape (M,)
            Specimens, and taxa expected among them; empty where nothing was counted.
        coverage : float
            Of the sample by the taxa seen, NaN where it is not known.
        target : int
            How many are to be counted.
        """
        self._sizes, self._taxa, self._coverage, self._target = sizes, taxa, coverage, target
        self.setToolTip(
            "Taxa expected in smaller counts of this sample (rarefaction). A curve that is still steep "
            "promises new taxa. The dashed line is the target."
        )
        self.update()

    def clear(self) -> None:
        """Say that nothing counts."""
        self._missing = "No specimen counts yet."
        self.set_curve(np.empty(0, dtype=np.int64), np.empty(0), math.nan, 0)

    def curve(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the sizes and taxa that are shown."""
        return self._sizes, self._taxa

    def text(self) -> str:
        """Return what stands in the corner of the curve."""
        if not len(self._sizes):
            return self._missing
        seen = many(round(float(self._taxa[-1])), "taxon", "taxa")
        covered = "" if math.isnan(self._coverage) else f", coverage {100 * self._coverage:.1f} %"
        return f"{seen} in {many(int(self._sizes[-1]), 'specimen')}{covered}"

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Paint the curve in the colours of the theme."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ink = self.palette().color(QPalette.ColorRole.WindowText)
        faint = QColor(ink)
        faint.setAlpha(90)
        font = self.font()
        font.setPointSizeF(max(font.pointSizeF() * 0.9, 6))
        painter.setFont(font)
        metrics = painter.fontMetrics()
        most = 0.0 if not len(self._taxa) else float(self._taxa[-1])
        left = metrics.horizontalAdvance(f"{most:.0f}") + 2 * _MARGIN
        area = QRectF(self.rect()).adjusted(left, _MARGIN, -_MARGIN, -metrics.height() - 2)
        painter.setPen(faint)
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        painter.drawLine(area.bottomLeft(), area.topLeft())
        if len(self._sizes):
            self._paint_curve(painter, area, faint, most)
        painter.setPen(ink)
        corner = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignBottom
        painter.drawText(area.adjusted(0, 0, -_MARGIN, -_MARGIN), corner, self.text())
        painter.end()

    def _paint_curve(self, painter: QPainter, area: QRectF, faint: QColor, most: float) -> None:
        widest = float(max(self._sizes[-1], min(self._target, 3 * self._sizes[-1])))
        across, up = area.width() / widest, (area.height() - _MARGIN) / max(most, 1.0)
        if self._target <= widest:
            x = area.left() + self._target * across
            painter.setPen(QPen(_TARGET, 1, Qt.PenStyle.DashLine))
            painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
        points = [
            QPointF(area.left() + size * across, area.bottom() - taxa * up)
            for size, taxa in zip([0, *self._sizes.tolist()], [0.0, *self._taxa.tolist()], strict=True)
        ]
        painter.setPen(QPen(_CURVE, 2))
        painter.drawPolyline(QPolygonF(points))
        painter.setBrush(_CURVE)
        painter.drawEllipse(points[-1], 3, 3)
        painter.setPen(faint)
        line = painter.fontMetrics().height()
        beside = QRectF(0, points[-1].y() - line / 2, area.left() - _MARGIN, line)
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(beside, right, f"{most:.0f}")
        below = QRectF(area.left(), area.bottom() + 1, area.width(), line)
        painter.drawText(below, Qt.AlignmentFlag.AlignLeft, "0")
        painter.drawText(below, Qt.AlignmentFlag.AlignHCenter, "specimens")
        painter.drawText(below, Qt.AlignmentFlag.AlignRight, f"{widest:.0f}")
