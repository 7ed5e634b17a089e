"""Changes of single shapes in a layer of thousands.

napari's public ways (``data``, ``edge_color``, ``features``, removing and adding) touch all shapes of a layer at each
change; with 5,000 boxes that is 100 to 300 ms. Here, and nowhere else, the layer's list of shapes is changed in place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from napari.layers import Shapes
from numpy.typing import ArrayLike, NDArray


def reshape(layer: Shapes, rows: Sequence[int], shapes: Sequence[NDArray[np.float64]], kinds: Sequence[str]) -> None:
    """Give the shapes in ``rows`` other corners, and another kind (``rectangle``, ``polygon``) where that differs."""
    if not rows:
        return
    view = layer._data_view
    with view.batched_updates():
        for row, points, kind in zip(rows, shapes, kinds, strict=True):
            view.edit(row, points, new_type=None if view.shapes[row].name == kind else kind)
    if layer.selected_data.intersection(rows):
        layer._selected_box = layer.interaction_box(layer.selected_data)
    layer.refresh(thumbnail=False, extent=False)


def recolour(layer: Shapes, rows: Sequence[int], colours: ArrayLike) -> None:
    """Give the lines of the shapes in ``rows`` other colours, shape (N, 4), red to alpha of 0..1, where they differ."""
    wanted = np.asarray(colours, dtype=np.float32)
    if len(rows) and not np.allclose(layer._data_view.edge_color[list(rows)], wanted, atol=1e-3):
        layer._data_view.update_edge_colors(list(rows), wanted)
        layer.refresh(thumbnail=False, extent=False, highlight=False)


def write_features(layer: Shapes, rows: Sequence[int], features: Mapping[str, Sequence[Any]]) -> None:
    """Write columns of the features of the shapes in ``rows``; text that is made of features does not follow."""
    table = layer.features
    for name, values in features.items():
        column = table.columns.get_loc(name)
        for row, value in zip(rows, values, strict=True):
            table.iat[row, column] = value


def shape(layer: Shapes, row: int) -> tuple[NDArray[np.float64], str]:
    """Return the corners of one shape, shape (M, D), and its kind; ``layer.data`` makes a list of all at each call."""
    found = layer._data_view.shapes[row]
    return np.asarray(found.data, dtype=np.float64), str(found.name)


def thicken(layer: Shapes, width: float) -> None:
    """Give all lines of a small layer another width, in pixels of the image."""
    layer.edge_width = [width] * layer.nshapes


def is_drawing(layer: Shapes) -> bool:
    """Tell whether a polygon is being drawn that has not been closed yet."""
    return bool(layer._is_creating)
