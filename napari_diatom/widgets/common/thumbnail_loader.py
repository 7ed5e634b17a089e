"""Pictures for views of thousands of items. Only visible ones are read, in a thread.

Those that were asked for last, in one turn of the event loop, are read before all others, in their order.
"""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtGui import QIcon, QImage, QPixmap

from napari_diatom.core.errors import DiatomError
from napari_diatom.widgets.common.closing import when_destroyed

Read = Callable[[], NDArray[np.uint8]]
"""Reads one picture, shape (H, W, 3). Runs in the thread."""

_MAX_WAITING: Final = 400
"""Requests above this number are dropped, the oldest first: the user has scrolled on."""
_MAX_KEPT: Final = 3000
_ABOUT_AS_NEW: Final = 150
"""Recent requests that may be served before the latest one: about as many as a view has items."""


def icon_of(picture: QPixmap) -> QIcon:
    """Return a picture as an icon that keeps its colours when it is selected."""
    icon = QIcon(picture)
    icon.addPixmap(picture, QIcon.Mode.Selected)
    return icon


class ThumbnailLoader(QObject):
    """Returns pictures that are loaded, and loads the others in a thread.

    Parameters
    ----------
    parent : QObject, optional
        Its owner.
    most : int
        Number of pictures that are kept.
    """

    arrived = Signal(object)
    """The key of a picture that has been loaded."""
    _read = Signal(object, object)

    def __init__(self, parent: QObject | None = None, most: int = _MAX_KEPT) -> None:
        super().__init__(parent)
        self._most = most
        self._kept: OrderedDict[Hashable, QPixmap | None] = OrderedDict()
        self._asked: dict[Hashable, tuple[Read, Hashable]] = {}
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._request)
        self._reader = _Reader(self._read.emit)
        self._read.connect(self._take)
        when_destroyed(self, self._reader.stop)

    def get(self, key: Hashable, read: Read, source: Hashable = None) -> QPixmap | None:
        """Return a picture, None while it is being loaded or if it cannot be read.

        Parameters
        ----------
        key : Hashable
            Identifies the picture.
        read : callable
            Reads it.
        source : Hashable, optional
            The file it is read from. Pictures of one source are read one after the other.
        """
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        if key not in self._asked:
            self._asked[key] = read, source
            self._timer.start()
        return None

    def forget(self, key: Hashable) -> None:
        """Read a picture again the next time."""
        self._kept.pop(key, None)

    def clear(self) -> None:
        """Forget all pictures and requests."""
        self._asked.clear()
        self._reader.clear()
        self._kept.clear()

    def stop(self) -> None:
        """End the thread."""
        self._reader.stop()

    def _request(self) -> None:
        """Ask for the pictures of this turn, the first of them last: the reader takes the latest first."""
        asked, self._asked = self._asked, {}
        # One that was being read when it was asked for may have arrived since.
        wanted = [(key, *found) for key, found in reversed(asked.items()) if key not in self._kept]
        self._reader.request(wanted)

    def _take(self, key: Hashable, pixels: NDArray[np.uint8] | None) -> None:
        if not self._reader.deliver(key):
            return
        picture = None
        if pixels is not None:
            height, width = pixels.shape[:2]
            data = np.ascontiguousarray(pixels).tobytes()
            picture = QPixmap.fromImage(QImage(data, width, height, 3 * width, QImage.Format.Format_RGB888))
        self._kept[key] = picture
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        self.arrived.emit(key)


class _Reader:
    """A thread that reads the requested pictures, the latest first, together with those of the same source."""

    def __init__(self, emit: Callable[[Hashable, NDArray[np.uint8] | None], None]) -> None:
        self._emit = emit
        self._requests: OrderedDict[Hashable, tuple[Read, Hashable]] = OrderedDict()
        self._under_way: set[Hashable] = set()
        self._source: Hashable = None
        self._ready = threading.Condition()
        self._stopped = False
        self._thread: threading.Thread | None = None

    def request(self, asked: Sequence[tuple[Hashable, Read, Hashable]]) -> None:
        with self._ready:
            if self._stopped:
                return
            for key, read, source in asked:
                if key not in self._under_way:
                    self._requests[key] = read, source
                    self._requests.move_to_end(key)
            while len(self._requests) > _MAX_WAITING:
                self._requests.popitem(last=False)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="napari-diatom pictures", daemon=True)
                self._thread.start()
            self._ready.notify()

    def deliver(self, key: Hashable) -> bool:
        """Note that a picture has arrived. Return whether it is still wanted."""
        with self._ready:
            wanted = key in self._under_way
            self._under_way.discard(key)
            return wanted

    def clear(self) -> None:
        with self._ready:
            self._requests.clear()
            self._under_way.clear()

    def stop(self, *_: object) -> None:
        with self._ready:
            self._stopped = True
            self._requests.clear()
            self._ready.notify()

    def _work(self) -> None:
        while True:
            with self._ready:
                while not self._requests and not self._stopped:
                    self._ready.wait()
                if self._stopped:
                    return
                key, read = self._next()
            pixels = None
            with contextlib.suppress(DiatomError):
                pixels = read()
            # The window may have been closed in the meantime. A window that is closing waits in stop() for this signal.
            with self._ready, contextlib.suppress(RuntimeError):
                if self._stopped:
                    return
                self._emit(key, pixels)

    def _next(self) -> tuple[Hashable, Read]:
        """Take the latest request, or a recent one of the source that was read last."""
        newest = islice(reversed(self._requests.items()), _ABOUT_AS_NEW)
        key = next((key for key, (_, source) in newest if source == self._source), next(reversed(self._requests)))
        read, self._source = self._requests.pop(key)
        self._under_way.add(key)
        return key, read
