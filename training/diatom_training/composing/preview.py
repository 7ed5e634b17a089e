"""Composed fields as napari layers, to look at before a set is composed of thousands of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from diatom_training.composing.compose import ComposedField
from napari_diatom.napari_layers import shapes_layer

LayerData = tuple[Any, dict[str, Any], str]
"""Data, keyword arguments and type of a napari layer."""


def layers_of(fields: Sequence[ComposedField], classes: Sequence[str]) -> list[LayerData]:
    """Return a stack of fields of one size and the outlines in them, as layer data of napari.

    Parameters
    ----------
    fields : sequence of ComposedField
        At least one.
    classes : sequence of str
        Names that their classes count.
    """
    outlines = [shapes_layer.to_points(one, (plane,)) for plane, field in enumerate(fields) for one in field.outlines]
    names = [classes[number] for field in fields for number in field.class_ids]
    look: dict[str, Any] = {
        "name": "Outlines",
        "shape_type": "polygon",
        "ndim": 3,
        "edge_width": shapes_layer.edge_width(*fields[0].image.shape[:2]),
        "face_color": "transparent",
    }
    if outlines:
        look |= {"edge_color": shapes_layer.edge_colours(names, classes), "features": {shapes_layer.CLASS: names}}
    return [
        (np.stack([field.image for field in fields]), {"name": "Composed fields", "rgb": True}, "image"),
        (outlines, look, "shapes"),
    ]


def show(fields: Sequence[ComposedField], classes: Sequence[str]) -> None:
    """Open napari with fields and their outlines, and return when its window is closed."""
    import napari

    viewer = napari.Viewer(title="Composed fields")
    for data in layers_of(fields, classes):
        viewer.add_layer(napari.layers.Layer.create(*data))
    napari.run()
