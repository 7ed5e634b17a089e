"""How widgets end: in an order in which nothing is called that is gone already."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

if TYPE_CHECKING:
    from napari.viewer import Viewer

_numbers: Final = count()
_calls: Final[dict[int, Callable[..., None]]] = {}
_AREAS: Final = {
    Qt.DockWidgetArea.LeftDockWidgetArea: "left",
    Qt.DockWidgetArea.RightDockWidgetArea: "right",
    Qt.DockWidgetArea.TopDockWidgetArea: "top",
    Qt.DockWidgetArea.BottomDockWidgetArea: "bottom",
}
"""What napari calls the sides of its window."""


def when_destroyed(thing: QObject, call: Callable[..., object], *args: object) -> None:
    """Call ``call(*args)`` when Qt destroys ``thing``; neither may need it then.

    The call is held until then. Else Python's garbage collector, which comes upon a widget that nobody needs any more,
    may empty the call before it destroys the widget, and what is empty is called all the same: the program ends.
    """
    number = next(_numbers)
    _calls[number] = partial(_call, number, call, args)
    thing.destroyed.connect(_calls[number])


def _call(number: int, call: Callable[..., object], args: tuple[Any, ...], *_: object) -> None:
    _calls.pop(number, None)
    call(*args)


def delete_when_closed(widget: QWidget, viewer: Viewer | None = None, may_go: Callable[[], bool] | None = None) -> None:
    """Have Qt delete a dock's widget once the dock is closed by its cross: napari but takes it out and forgets it.

    Parameters
    ----------
    widget : QWidget
        The widget.
    viewer : napari.viewer.Viewer, optional
        Where it is docked.
    may_go : callable, optional
        Called before; where it returns false, the widget gets a dock in the viewer again.
    """
    widget.installEventFilter(_Closing(widget, viewer, may_go))


def ask_before_closing(widget: QWidget, viewer: Viewer, may_close: Callable[[], bool]) -> None:
    """Have the viewer's window stay open where ``may_close()`` returns false, for as long as there is the widget.

    A program that calls ``viewer.close()`` is not asked: the viewer has taken itself apart by the time the window
    hears of it.
    """
    window = window_of(viewer)
    if window is not None:
        window.installEventFilter(_Staying(widget, viewer, may_close))


def window_of(viewer: Viewer) -> QWidget | None:
    """Return the main window of a viewer, None where it is closed."""
    window: QWidget | None = getattr(_bare_window(viewer), "_qt_window", None)
    return window


def _bare_window(viewer: Viewer) -> Any:
    # Plugins get a proxy that warns of what is not public.
    return getattr(getattr(viewer, "__wrapped__", viewer), "window", None)


def _place_of(dock: QDockWidget) -> dict[str, str]:
    """Return the name of a dock, and the side of the window that it is on."""
    main = dock.parent()
    area = _AREAS.get(main.dockWidgetArea(dock), "right") if isinstance(main, QMainWindow) else "right"
    return {"name": str(getattr(dock, "name", dock.windowTitle())), "area": area}


class _Closing(QObject):
    """Deletes its widget when that is taken out of its dock and not put into another one at once."""

    def __init__(self, widget: QWidget, viewer: Viewer | None, may_go: Callable[[], bool] | None) -> None:
        super().__init__(widget)
        self._widget = widget
        self._viewer = viewer
        self._may_go = may_go
        self._dock: QDockWidget | None = None
        self._place = {"name": "", "area": "right"}

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Notice that the widget is taken out of its dock."""
        if event is None or event.type() != QEvent.Type.ParentChange:
            return False
        parent = self._widget.parent()
        if parent is None:
            if self._dock is not None:
                self._place = _place_of(self._dock)
            # napari is still in the middle of taking the dock away.
            QTimer.singleShot(0, self._delete)
        self._dock = parent if isinstance(parent, QDockWidget) else None
        return False

    def _delete(self) -> None:
        if self._widget.parent() is not None:
            return
        is_open = self._viewer is not None and window_of(self._viewer) is not None
        if self._may_go is None or self._may_go() or not is_open:
            self._widget.deleteLater()
        else:
            _bare_window(self._viewer).add_dock_widget(self._widget, **self._place)
            self._widget.show()


class _Staying(QObject):
    """Keeps a viewer's window open."""

    def __init__(self, widget: QWidget, viewer: Viewer, may_close: Callable[[], bool]) -> None:
        super().__init__(widget)
        self._viewer = viewer
        self._may_close = may_close

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Notice that the window is about to be closed."""
        if event is None or event.type() != QEvent.Type.Close or watched is not window_of(self._viewer):
            return False
        if _bare_window(self._viewer)._qt_viewer.isHidden() or self._may_close():
            return False
        event.ignore()
        return True
