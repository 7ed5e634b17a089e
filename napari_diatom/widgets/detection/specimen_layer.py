"""A layer for specimens: its place, its look, and its metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.annotations import SHAPES
from napari_diatom.core.detections import Detections
from napari_diatom.measurement.outline_refinement import NOT_FOUND
from napari_diatom.napari_layers import labels_layer, shapes_layer
from napari_diatom.napari_layers.layer_file import LayerFile, layer_file
from napari_diatom.napari_layers.result_facts import ResultFacts
from napari_diatom.widgets.canvas.shape_edits import ManyShapes
from napari_diatom.widgets.common.image_layers import belongs, layer_placement, stored_orientation

if TYPE_CHECKING:
    from napari.layers import Image, Shapes

    from napari_diatom.analysis.pipeline import Analysis


def facts_of(analysis: Analysis, image: Image, plane: tuple[int, ...], pixel_size_um: float | None) -> ResultFacts:
    """Return the facts of a layer for what was found on a plane of an image."""
    file = (layer_file(image) if image.ndim == 2 else None) or LayerFile("")
    return ResultFacts(
        image=analysis.image,
        height=analysis.height,
        width=analysis.width,
        classes=analysis.detections.classes,
        pixel_size_um=pixel_size_um,
        model=analysis.origin,
        plane=plane,
        orientation=stored_orientation(image),
        path=file.path,
        page=file.page,
        z=file.z,
    )


def empty_layer(image: Image, facts: ResultFacts, candidates: Detections) -> Shapes:
    """Return an empty, hidden layer for candidates on an image."""
    layer = ManyShapes(
        ndim=image.ndim,
        name=f"{facts.image} diatoms",
        **layer_placement(image, facts=facts),
        visible=False,
        metadata=layer_metadata(facts, candidates),
        features=shapes_layer.to_features(Detections.empty(facts.classes), [], (), facts.pixel_size_um),
        **shapes_layer.LOOK.layer_kwargs(),
    )
    layer.usual_width = shapes_layer.edge_width(facts.height, facts.width)
    if facts.height is not None and facts.width is not None:
        layer.frame = facts.height, facts.width
    layer.current_edge_width = shapes_layer.edge_width(facts.height, facts.width)
    layer.current_edge_color = shapes_layer.edge_colours(facts.classes[:1], facts.classes)[0]
    layer.current_face_color = "transparent"
    return layer


def lay_over(layer: Shapes, facts: ResultFacts, image: Image) -> None:
    """Move a layer to the place of its image, unless the image has another size.

    A layer that was hidden because its image was missing becomes visible.
    """
    if not belongs(facts, image):
        return
    for name, value in layer_placement(image, facts=facts).items():
        if name != "axis_labels":
            setattr(layer, name, value)
    if layer.metadata.get(shapes_layer.WAITING_KEY):
        layer.metadata = {**layer.metadata, shapes_layer.WAITING_KEY: False}
        layer.visible = True


def layer_metadata(facts: ResultFacts, candidates: Detections) -> dict[str, Any]:
    """Return the metadata of a layer for candidates."""
    if candidates.masks is None:
        return facts.to_metadata()
    drawn = labels_layer.draw_polygons(candidates, np.arange(len(candidates)) + 1, facts.plane)
    return facts.to_metadata() | labels_layer.to_metadata(drawn)


def annotated_shapes(features: Any, found: Detections) -> list[str] | None:
    """Return the kind of each of N specimens in files: one whose box was not outlined stays a rectangle.

    None where no network has outlined boxes.
    """
    if found.masks is None or shapes_layer.OUTLINE not in features:
        return None
    return [SHAPES[0] if verdict == NOT_FOUND else SHAPES[1] for verdict in features[shapes_layer.OUTLINE]]


def numbers_in(features: Any) -> NDArray[np.int64]:
    """Return the specimens' numbers in a table of features, 0 where a number is missing."""
    return np.nan_to_num(np.asarray(features[shapes_layer.SPECIMEN], dtype=np.float64)).astype(np.int64)
