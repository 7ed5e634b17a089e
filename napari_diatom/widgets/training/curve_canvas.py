"""A plot of curves in the window, in the colours of napari's theme."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtWidgets import QWidget

if TYPE_CHECKING:
    from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg

_CURVES_PX: Final = 320


def curve_canvas(name: str, title: str) -> FigureCanvasQTAgg:
    """Return an empty, transparent canvas with an object name, and a title for screen readers."""
    from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained")
    figure.patch.set_alpha(0)
    canvas = FigureCanvasQTAgg(figure)  # type: ignore[no-untyped-call]
    canvas.setObjectName(name)
    canvas.setAccessibleName(title)
    canvas.setMinimumHeight(_CURVES_PX)
    canvas.setStyleSheet("background: transparent;")
    return canvas


def ink_of(widget: QWidget) -> str:
    """Return the colour of text in a widget."""
    return widget.palette().text().color().name()
