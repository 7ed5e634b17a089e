"""How widgets end: in an order in which nothing is called that is gone already."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any, Final

from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QWidget

_numbers: Final = count()
_calls: Final[dict[int, Callable[..., None]]] = {}


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


def delete_when_closed(widget: QWidget) -> None:
    """Have Qt delete a dock's widget once the dock is closed by its cross: napari but takes it out and forgets it."""
    widget.installEventFilter(_Closing(widget))


class _Closing(QObject):
    """Deletes its widget when that is taken out of its dock and not put into another one at once."""

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self._widget = widget

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Notice that the widget is taken out of its dock."""
        if event is not None and event.type() == QEvent.Type.ParentChange and self._widget.parent() is None:
            QTimer.singleShot(0, self._delete)
        return False

    def _delete(self) -> None:
        if self._widget.parent() is None:
            self._widget.deleteLater()
