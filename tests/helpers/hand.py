"""A hand at the mouse and the keyboard of the X server: xdotool moves the pointer, the window feels it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import napari

PATIENCE = 20.0
"""Seconds that something may take to happen, where nothing else is set."""


def missing() -> str:
    """Return why there is no such hand here, empty where there is one."""
    if not sys.platform.startswith("linux") or not os.environ.get("DISPLAY"):
        return "there is no X display"
    return "" if shutil.which("xdotool") else "xdotool is not installed"


class Hand:
    """Clicks, drags and types, and counts it.

    Parameters
    ----------
    viewer : napari.Viewer
        With a window that is shown.
    """

    def __init__(self, viewer: napari.Viewer) -> None:
        self.viewer = viewer
        self.counts: Counter[str] = Counter()
        self.patience = PATIENCE
        self.spin(0.3)

    def click(self, x: float, y: float) -> None:
        """Click on a place of the image, in its pixels."""
        self.point(x, y)
        self._do("click", "1")
        self.counts["clicks"] += 1
        self.spin()

    def drag(self, start: tuple[float, float], *stations: tuple[float, float]) -> None:
        """Press on a place, go by way of others, and let go."""
        self.point(*start)
        self._do("mousedown", "1")
        self.spin()
        for x, y in stations:
            self.point(x, y)
        self._do("mouseup", "1")
        self.counts["drags"] += 1
        self.spin()

    def key(self, name: str) -> None:
        """Press a key, by its name in X such as ``ctrl+z``."""
        self._do("key", name)
        self.counts["keys"] += 1
        self.spin()

    def point(self, x: float, y: float) -> None:
        """Move the pointer to a place of the image."""
        across, down = self.on_screen(x, y)
        self._do("mousemove", f"{across}", f"{down}")
        self.spin()

    def on_screen(self, x: float, y: float) -> tuple[int, int]:
        """Return where a place of the active layer is on the screen."""
        layer = self.viewer.layers.selection.active
        world = layer.data_to_world((y, x))
        canvas = self.viewer.window._qt_viewer.canvas
        right, low = canvas.view.scene.transform.map([world[-1], world[-2], 0, 1])[:2]
        corner = canvas.native.mapToGlobal(canvas.native.rect().topLeft())
        return round(corner.x() + right), round(corner.y() + low)

    def wait(self, until: Callable[[], bool]) -> None:
        """Wait until something is so."""
        end = time.monotonic() + self.patience
        while not until():
            assert time.monotonic() < end, "It did not happen."
            self.spin(0.02)

    def spin(self, seconds: float = 0.06) -> None:
        """Have the window do what it has to, for at least so long."""
        from qtpy.QtWidgets import QApplication

        end = time.monotonic() + seconds
        while True:
            QApplication.processEvents()
            if time.monotonic() >= end:
                return
            time.sleep(0.005)

    def _do(self, *words: str) -> None:
        subprocess.run(["xdotool", *words], check=True)
