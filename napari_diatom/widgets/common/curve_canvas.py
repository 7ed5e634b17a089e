"""A plot of curves in the window, in the colours of napari's theme."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QWidget

_CURVES_PX: Final = 320


def curve_canvas(name: str, title: str) -> Any:
    """Return an empty, transparent canvas with an object name, and a title for screen readers."""
    from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained")
    figure.patch.set_alpha(0)
    # matplotlib does not say the types of its canvas.
    canvas_of: Any = FigureCanvasQTAgg
    canvas = canvas_of(figure)
    canvas.setObjectName(name)
    canvas.setAccessibleName(title)
    canvas.setMinimumHeight(_CURVES_PX)
    canvas.setStyleSheet("background: transparent;")
    return canvas


class OnThemeChange(QObject):
    """Calls ``draw`` when the colours of a widget have changed, as with napari's theme.

    Parameters
    ----------
    widget : QWidget
        The widget.
    draw : callable
        Draws the curves again.
    """

    def __init__(self, widget: QWidget, draw: Callable[[], None]) -> None:
        super().__init__(widget)
        self._widget, self._draw = widget, draw
        self._ink = ink_of(widget)
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Look at the colour of text once all styles are set."""
        if event is not None and event.type() in (QEvent.Type.StyleChange, QEvent.Type.PaletteChange):
            QTimer.singleShot(0, self._look)
        return False

    def _look(self) -> None:
        if ink_of(self._widget) != self._ink:
            self._ink = ink_of(self._widget)
            self._draw()


def ink_of(widget: QWidget) -> str:
    """Return the colour of text in a widget."""
    return widget.palette().text().color().name()
