"""The layer that shows what is being drawn, beside the layer of the specimens."""

from __future__ import annotations

from typing import Final

import numpy as np

from napari_diatom.napari_layers import shapes_layer
from napari_diatom.widgets.canvas.shape_edits import ManyShapes

NAME: Final = "new box"


def preview_layer(ndim: int = 2) -> ManyShapes:
    """Return a layer with one hidden shape, for images of ``ndim`` dimensions."""
    layer = ManyShapes(ndim=ndim, name=NAME, **shapes_layer.LOOK.layer_kwargs())
    corners = np.zeros((4, ndim))
    corners[:, -2:] = [[0, 0], [0, 1], [1, 1], [1, 0]]
    layer.add(corners, edge_color="transparent", face_color="transparent")
    layer.mouse_pan = True
    return layer
