"""What a click leaves in a layer of shapes where a drag would have drawn a specimen."""

from __future__ import annotations

from typing import Final

import numpy as np
from napari.layers import Shapes
from numpy.typing import ArrayLike

_POINT_PX: Final = 2.0
"""A shape shorter than this, in pixels of the image, is no specimen and is taken away again."""
_CLICK_ON_SCREEN: Final = 5.0
"""Pixels of the screen between the 2.5 of napari's shapes of a click and the 7 of the smallest that can be dragged."""


def is_click(layer: Shapes, shape: ArrayLike, new: bool) -> bool:
    """Return whether a shape comes from a click without a drag, and is no specimen.

    napari's tools make a shape of a fixed size on the screen at the press of a button. What is drawn by a drag is
    larger; so the screen's pixels tell them apart, however far the view is zoomed out.

    Parameters
    ----------
    layer : napari.layers.Shapes
        The layer that it was drawn in.
    shape : array-like, shape (M, D)
        Its points.
    new : bool
        Whether it was just drawn; what was moved or pasted may look small.
    """
    extent = float(np.ptp(np.asarray(shape, dtype=np.float64)[:, -2:], axis=0).max())
    if extent < _POINT_PX:
        return True
    per_screen_pixel = layer.scale_factor / abs(float(layer.scale[-1]))
    return new and str(layer.mode).startswith("add_") and extent < _CLICK_ON_SCREEN * per_screen_pixel
