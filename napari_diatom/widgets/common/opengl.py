"""Keeps napari from crashing when a layer is taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet, ref

if TYPE_CHECKING:
    from napari.viewer import Viewer

_guarded: Final[WeakSet[Any]] = WeakSet()


def guard(viewer: Viewer) -> None:
    """Have the viewer's own OpenGL context current whenever a layer is taken away from it.

    napari then frees the layer's buffers and programs at once, in whatever context is current. After a drawing that is
    one of Qt's own: the canvas then draws with what is gone, which ends the program. See
    docs/reference/known-problems.md.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Any viewer, as often as one likes.
    """
    # Plugins get a proxy that warns of the canvas, which is not public.
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
