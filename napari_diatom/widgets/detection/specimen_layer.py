"""A layer for specimens: where it lies, how it looks while it is empty, and what it remembers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Shapes
from numpy.typing import NDArray

from napari_diatom.core.detections import Detections
from napari_diatom.napari_layers import labels_layer, shapes_layer
from napari_diatom.widgets.common.image_layers import belongs, place_of

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_diatom.napari_layers.shapes_layer import ResultFacts


def empty_layer(image: Image, facts: ResultFacts, candidates: Detections) -> Shapes:
    """Return an empty, hidden layer that fits over an image, and that remembers what candidates it is for."""
    layer = Shapes(
        ndim=image.ndim,
        name=f"{facts.image} diatoms",
        **place_of(image, facts=facts),
        visible=False,
        metadata=remembered(facts, candidates),
        features=shapes_layer.to_features(Detections.empty(facts.classes), [], (), facts.pixel_size_um),
        **shapes_layer.LOOK.layer_kwargs(bright=_is_bright(image)),
    )
    layer.current_edge_width = shapes_layer.edge_width(facts.height, facts.width)
    layer.current_edge_color = shapes_layer.edge_colours(facts.classes[:1], facts.classes)[0]
    layer.current_face_color = "transparent"
    return layer


def lay_over(layer: Shapes, facts: ResultFacts, image: Image) -> None:
    """Give a layer an image's place in the world, unless its specimens are for an image of another size.

    What was hidden when it was opened, for want of its own image, is shown then.
    """
    if not belongs(facts, image):
        return
    for name, value in place_of(image, facts=facts).items():
        if name != "axis_labels":
            setattr(layer, name, value)
    if layer.metadata.get(shapes_layer.WAITING_KEY):
        layer.metadata = {**layer.metadata, shapes_layer.WAITING_KEY: False}
        layer.visible = True


def remembered(facts: ResultFacts, candidates: Detections) -> dict[str, Any]:
    """Return what a layer of these candidates remembers in its metadata."""
    if candidates.masks is None:
        return facts.to_metadata()
    drawn = labels_layer.draw_polygons(candidates, np.arange(len(candidates)) + 1, facts.plane)
    return facts.to_metadata() | labels_layer.to_metadata(drawn)


def numbers_in(features: Any) -> NDArray[np.int64]:
    """Return the specimens' numbers in a table of features, 0 where they have none."""
    return np.nan_to_num(np.asarray(features[shapes_layer.SPECIMEN], dtype=np.float64)).astype(np.int64)


def _is_bright(image: Image) -> bool:
    """Return whether an image is shown rather bright than dark, as in bright field."""
    thumbnail = np.asarray(image.thumbnail, dtype=np.float64)
    shown = thumbnail[thumbnail[..., 3] > 0]
    return bool(len(shown) and shown[:, :3].mean() > 127)
