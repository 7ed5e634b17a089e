"""A plot of curves in the window, in the colours of napari's theme."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final, Literal

from napari.qt.threading import create_worker
from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject, QTimer, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_diatom.widgets.common.worker import QuietWorker

Layout = Literal["constrained"] | None

_CURVES_PX: Final = 320
_LOADED: Final = "matplotlib.backends.backend_qtagg", "matplotlib.figure", "matplotlib.widgets", "matplotlib.path"


def curve_canvas(name: str, title: str, layout: Layout = "constrained") -> Any:
    """Return an empty, transparent canvas with an object name, and a title for screen readers.

    ``layout`` finds place for all texts before each drawing; without one axes stay where they are.
    """
    from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
    from matplotlib.figure import Figure

    figure = Figure(layout=layout)
    figure.patch.set_alpha(0)
    # matplotlib does not say the types of its canvas.
    canvas_of: Any = FigureCanvasQTAgg
    canvas = canvas_of(figure)
    canvas.setObjectName(name)
    canvas.setAccessibleName(title)
    canvas.setMinimumHeight(_CURVES_PX)
    canvas.setStyleSheet("background: transparent;")
    return canvas


def keep_margins(axes: Any, left: float, bottom: float, right: float, top: float) -> None:
    """Keep axes at distances, in pixels, from the edges of their canvas, whatever its size."""
    from matplotlib.transforms import Bbox

    def locate(axes: Any, renderer: Any) -> Bbox:
        canvas, whole = axes.figure.canvas, axes.figure.bbox
        across, along = canvas.device_pixel_ratio / whole.width, canvas.device_pixel_ratio / whole.height
        return Bbox.from_extents(left * across, bottom * along, 1 - right * across, 1 - top * along)

    axes.set_axes_locator(locate)


class CurvePlace(QWidget):
    """A place for a canvas, which is made when the place is seen, or :meth:`load` called, for the first time.

    Loading matplotlib takes a second or more, so a thread does it, and the window goes on meanwhile.

    Parameters
    ----------
    name, title : str
        As of :func:`curve_canvas`.
    least_height : int
        Pixels.
    layout : {"constrained"} or None
        As of :func:`curve_canvas`.
    """

    made = Signal()
    """There is a canvas now."""

    def __init__(self, name: str, title: str, least_height: int, layout: Layout = "constrained") -> None:
        super().__init__()
        self._made_with = name, title, layout
        self._least_height = least_height
        self._is_awaited = False
        self.canvas: Any = None
        self.setMinimumHeight(least_height)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Have the canvas made."""
        super().showEvent(event)
        self.load()

    def load(self) -> None:
        """Load matplotlib, and make the canvas."""
        if not self._is_awaited:
            self._is_awaited = True
            worker = create_worker(_load, _worker_class=QuietWorker, _ignore_errors=True)
            worker.returned.connect(self._make)
            worker.start()

    def _make(self, *_: object) -> None:
        if not isalive(self):  # type: ignore[no-untyped-call]
            return
        self.canvas = curve_canvas(*self._made_with)
        self.canvas.setMinimumHeight(self._least_height)
        layout = self.layout()
        assert layout is not None
        layout.addWidget(self.canvas)
        self.made.emit()


def _load() -> None:
    """Load the parts of matplotlib that draw. Runs in a thread."""
    for module in _LOADED:
        import_module(module)


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
