"""Outlines that have come, until the user's hand has left the layer that they go into."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from qtpy.QtCore import QObject, QTimer

from napari_diatom.widgets.canvas.outline_queue import Outlined, OutlineQueue, OutlineTask

_POLL_MS: Final = 30
"""Time after which it is seen again whether the user has let go of what is being drawn or dragged."""


class ArrivedOutlines(QObject):
    """What has come of the tasks of a queue, in its order.

    Parameters
    ----------
    parent : QObject
        Its owner.
    queue : OutlineQueue
        Does the tasks.
    is_under_hand : callable
        Returns whether the user draws or drags something.
    use : callable
        Makes edits of what came of a task, which is given with it.
    """

    def __init__(
        self,
        parent: QObject,
        queue: OutlineQueue,
        is_under_hand: Callable[[], bool],
        use: Callable[[Any, Outlined], None],
    ) -> None:
        super().__init__(parent)
        self._queue, self._is_under_hand, self._use = queue, is_under_hand, use
        self._kept: list[tuple[OutlineTask, Outlined]] = []
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_POLL_MS)
        self._timer.timeout.connect(self._apply)
        queue.outlined.connect(self._on_outlined)

    @property
    def is_running(self) -> bool:
        """Whether a task is not done, or what came of it is not used yet."""
        return bool(self._queue.tasks or self._kept)

    def take_back(self) -> bool:
        """Forget the last click that is not done. Return whether there was one."""
        clicks = [task for task in self._queue.tasks if task.point is not None]
        if clicks:
            self._queue.drop(clicks[-1])
            return True
        for number, (task, _) in reversed(list(enumerate(self._kept))):
            if task.point is not None:
                del self._kept[number]
                return True
        return False

    def stop(self) -> None:
        """Do none of the tasks that are not done, and use nothing more."""
        self._kept.clear()
        self._queue.stop()

    def leave(self) -> None:
        """Stop, and tell nobody."""
        self._kept.clear()
        self._timer.stop()
        self._queue.leave()

    def _on_outlined(self, task: OutlineTask, outlined: Outlined) -> None:
        self._kept.append((task, outlined))
        self._apply()

    def _apply(self) -> None:
        """Use what has arrived, as soon as the user draws and drags nothing."""
        if self._kept and self._is_under_hand():
            self._timer.start()
            return
        while self._kept:
            self._use(*self._kept.pop(0))
