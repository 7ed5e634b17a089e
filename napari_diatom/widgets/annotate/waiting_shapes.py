"""Specimens on their way into a layer, some in each turn of the event loop: the window can be used meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from qtpy.QtCore import QObject, QTimer

AT_ONCE: Final = 120
"""Specimens that are added without waiting. napari takes about a quarter of a millisecond for an outline."""
_SHARE: Final = 0.1
"""Part of what a layer shows already that is added in one turn, where that is more: each turn draws all of them."""
_POLL_MS: Final = 30
"""Time after which it is asked again whether the user's hand has left the layer."""


class WaitingShapes(QObject):
    """The ids of specimens that wait to be added to a layer, in their order.

    Parameters
    ----------
    parent : QObject
        Owns it.
    add : callable
        Adds the specimens of these ids to the layer.
    shown : callable
        Returns how many specimens the layer shows.
    is_free : callable
        Returns whether the layer may be changed now. While the user draws, it may not.
    """

    def __init__(
        self,
        parent: QObject,
        add: Callable[[list[str]], None],
        shown: Callable[[], int],
        is_free: Callable[[], bool],
    ) -> None:
        super().__init__(parent)
        self._ids: dict[str, None] = {}
        self._add, self._shown, self._is_free = add, shown, is_free
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._turn)

    def __contains__(self, id_: object) -> bool:
        return id_ in self._ids

    def __len__(self) -> int:
        return len(self._ids)

    def put(self, ids: Iterable[str]) -> None:
        """Add these after those that wait already."""
        self._ids.update(dict.fromkeys(ids))
        if self._ids and not self._timer.isActive():
            self._timer.start(0)

    def take(self, ids: Iterable[str]) -> list[str]:
        """Return those of the ids that wait. They wait no longer."""
        taken = [id_ for id_ in ids if id_ in self._ids]
        for id_ in taken:
            del self._ids[id_]
        return taken

    def clear(self) -> None:
        """Add nothing more."""
        self._timer.stop()
        self._ids.clear()

    def _turn(self) -> None:
        """Add the next ones."""
        if not self._is_free():
            self._timer.start(_POLL_MS)
            return
        number = max(AT_ONCE, int(_SHARE * self._shown()))
        self._add(self.take(list(self._ids)[:number]))
        if self._ids:
            self._timer.start(0)
