"""Keeps napari from crashing when a layer is removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet, ref

if TYPE_CHECKING:
    from napari.viewer import Viewer

_guarded: Final[WeakSet[Any]] = WeakSet()


def guard(viewer: Viewer) -> None:
    """Make the OpenGL context of a viewer current before a layer is removed from it.

    napari frees the buffers and programs of a removed layer immediately, in the current context. After a drawing, that
    is a context of Qt. The canvas then draws with freed objects, and the program crashes. See
    docs/reference/known-problems.md.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Any viewer. Repeated calls do nothing.
    """
    # Plugins get a proxy that warns about the canvas, which is private.
    window = getattr(getattr(viewer, "__wrapped__", viewer), "window", None)
    canvas = getattr(getattr(getattr(window, "_qt_viewer", None), "canvas", None), "_scene_canvas", None)
    if canvas is None or canvas in _guarded:
        return
    _guarded.add(canvas)
    known = ref(canvas)

    def make_current(_: Any) -> None:
        alive = known()
        if alive is not None:
            alive.set_current()

    viewer.layers.events.removing.connect(make_current)
