"""Tells a click from a drag: only a drag draws a specimen, and only a click marks a place."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final

import numpy as np
from napari.layers import Shapes
from numpy.typing import ArrayLike

_POINT_PX: Final = 2.0
"""A shape shorter than this, in pixels of the image, is not a specimen and is removed again."""
_CLICK_ON_SCREEN: Final = 5.0
"""Screen pixels. napari's shape of a click has 2.5; the smallest shape that can be dragged has 7."""

_CLICK_PX: Final = 4.0
"""Screen pixels that the mouse may move between press and release of a click. A longer move drags the view."""


def stayed_in_place(event: Any) -> Generator[None, None, bool]:
    """Follow the mouse from press to release; return whether that was a click with the left button."""
    if event.button != 1:
        return False
    begin = np.asarray(event.pos, dtype=np.float64)
    yield
    while event.type == "mouse_move":
        yield
    return bool(np.hypot(*(np.asarray(event.pos, dtype=np.float64) - begin)) <= _CLICK_PX)


def is_click(layer: Shapes, shape: ArrayLike, new: bool) -> bool:
    """Return whether a shape comes from a click without a drag, and is not a specimen.

    When the mouse button is pressed, napari's tools make a shape of a fixed size on the screen. A drag makes it larger.
    The size in screen pixels therefore separates the two, however far the view is zoomed out.

    Parameters
    ----------
    layer : napari.layers.Shapes
        The layer of the shape.
    shape : array-like, shape (M, D)
        The points of the shape.
    new : bool
        Whether it was just drawn. A shape that was moved or pasted may be small.
    """
    extent = float(np.ptp(np.asarray(shape, dtype=np.float64)[:, -2:], axis=0).max())
    if extent < _POINT_PX:
        return True
    per_screen_pixel = layer.scale_factor / abs(float(layer.scale[-1]))
    return new and str(layer.mode).startswith("add_") and extent < _CLICK_ON_SCREEN * per_screen_pixel
