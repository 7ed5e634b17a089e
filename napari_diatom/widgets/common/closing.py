"""The end of widgets, in an order in which no deleted object is called."""

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
"""napari's names of the sides of its window."""


def when_destroyed(thing: QObject, call: Callable[..., object], *args: object) -> None:
    """Call ``call(*args)`` when Qt destroys ``thing``. Function and arguments must not need ``thing``.

    A reference keeps the call alive until then. Without it, Python's garbage collector may clear the call before it
    destroys the widget. Qt then calls the cleared object, and the program crashes.
    """
    number = next(_numbers)
    _calls[number] = partial(_call, number, call, args)
    thing.destroyed.connect(_calls[number])


def _call(number: int, call: Callable[..., object], args: tuple[Any, ...], *_: object) -> None:
    _calls.pop(number, None)
    call(*args)


def delete_when_closed(widget: QWidget, viewer: Viewer | None = None, may_go: Callable[[], bool] | None = None) -> None:
    """Delete the widget of a dock when the user closes the dock. napari only removes and forgets it.

    Parameters
    ----------
    widget : QWidget
        The widget.
    viewer : napari.viewer.Viewer, optional
        The viewer of the dock.
    may_go : callable, optional
        Called before the deletion. If it returns false, the widget is docked again.
    """
    widget.installEventFilter(_Closing(widget, viewer, may_go))


def attach_while_docked(widget: QWidget, attach: Callable[[], None], detach: Callable[[], None]) -> None:
    """Have the widget of a dock follow its viewer, and not after the user has closed the dock.

    napari removes the widget from a dock that is closed, and puts it into another one that is opened again.

    Parameters
    ----------
    widget : QWidget
        The widget.
    attach, detach : callable
        Begin and stop to follow the viewer; it begins at once.
    """
    widget.installEventFilter(_Attachment(widget, attach, detach))
    attach()


def ask_before_closing(widget: QWidget, viewer: Viewer, may_close: Callable[[], bool]) -> None:
    """Keep the window of a viewer open while ``may_close()`` returns false, as long as the widget exists.

    ``viewer.close()`` in a program does not ask: the viewer is already dismantled when the window gets the event.
    """
    window = window_of(viewer)
    if window is not None:
        window.installEventFilter(_Staying(widget, viewer, may_close))


def window_of(viewer: Viewer) -> QWidget | None:
    """Return the main window of a viewer, None if it is closed."""
    window: QWidget | None = getattr(_bare_window(viewer), "_qt_window", None)
    return window


def canvas_of(viewer: Viewer) -> QWidget | None:
    """Return the widget in which a viewer draws, None if its window is closed."""
    drawn = getattr(getattr(_bare_window(viewer), "_qt_viewer", None), "canvas", None)
    native: QWidget | None = getattr(drawn, "native", None)
    return native


def focus_image(viewer: Viewer) -> None:
    """Give the keyboard to the image, in the next turn of the event loop: what is typed next are keys of tools."""
    canvas = canvas_of(viewer)
    if canvas is not None:
        QTimer.singleShot(0, canvas.setFocus)


def _bare_window(viewer: Viewer) -> Any:
    # Plugins get a proxy that warns about private attributes.
    return getattr(getattr(viewer, "__wrapped__", viewer), "window", None)


def _place_of(dock: QDockWidget) -> dict[str, str]:
    """Return the name of a dock, and its side of the window."""
    main = dock.parent()
    area = _AREAS.get(main.dockWidgetArea(dock), "right") if isinstance(main, QMainWindow) else "right"
    return {"name": str(getattr(dock, "name", dock.windowTitle())), "area": area}


class _Closing(QObject):
    """Deletes its widget when it is removed from its dock and not added to another one."""

    def __init__(self, widget: QWidget, viewer: Viewer | None, may_go: Callable[[], bool] | None) -> None:
        super().__init__(widget)
        self._widget = widget
        self._viewer = viewer
        self._may_go = may_go
        self._dock: QDockWidget | None = None
        self._place = {"name": "", "area": "right"}

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Handle the removal of the widget from its dock."""
        if event is None or event.type() != QEvent.Type.ParentChange:
            return False
        parent = self._widget.parent()
        if parent is None:
            if self._dock is not None:
                self._place = _place_of(self._dock)
            # napari is still removing the dock.
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


class _Attachment(QObject):
    """Attaches its widget to a viewer while it is in a dock."""

    def __init__(self, widget: QWidget, attach: Callable[[], None], detach: Callable[[], None]) -> None:
        super().__init__(widget)
        self._widget, self._attach, self._detach = widget, attach, detach
        self._is_attached = True

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Handle the removal of the widget from its dock, and its return."""
        if event is None or event.type() != QEvent.Type.ParentChange:
            return False
        docked = self._widget.parent() is not None
        if docked != self._is_attached:
            self._is_attached = docked
            (self._attach if docked else self._detach)()
        return False


class _Staying(QObject):
    """Keeps a viewer's window open."""

    def __init__(self, widget: QWidget, viewer: Viewer, may_close: Callable[[], bool]) -> None:
        super().__init__(widget)
        self._viewer = viewer
        self._may_close = may_close

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Handle the closing of the window."""
        if event is None or event.type() != QEvent.Type.Close or watched is not window_of(self._viewer):
            return False
        if _bare_window(self._viewer)._qt_viewer.isHidden() or self._may_close():
            return False
        event.ignore()
        return True
