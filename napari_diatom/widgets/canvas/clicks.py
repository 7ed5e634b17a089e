"""Tells a click from a drag in a layer of shapes: only a drag draws a specimen."""

from __future__ import annotations

from typing import Final

import numpy as np
from napari.layers import Shapes
from numpy.typing import ArrayLike

_POINT_PX: Final = 2.0
"""A shape shorter than this, in pixels of the image, is not a specimen and is removed again."""
_CLICK_ON_SCREEN: Final = 5.0
"""Screen pixels. napari's shape of a click has 2.5; the smallest shape that can be dragged has 7."""


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
