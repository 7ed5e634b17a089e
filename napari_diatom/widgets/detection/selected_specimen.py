"""The specimen that is selected in the viewer, whichever dock its layer belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Shapes
from numpy.typing import NDArray

from napari_diatom.napari_layers import shapes_layer
from napari_diatom.napari_layers.result_facts import ResultFacts
from napari_diatom.widgets.common.image_layers import is_input, layer_image_name, layer_pixels, plane_of
from napari_diatom.widgets.detection.viewer_state import Shared

if TYPE_CHECKING:
    from napari.viewer import Viewer


@dataclass(frozen=True, eq=False)
class SelectedSpecimen:
    """A specimen, and the image that it is in.

    Attributes
    ----------
    number : int
        As its table has it; of annotations its place in the layer, from 1.
    box : ndarray of float64, shape (5,)
        Its oriented box, in pixels of the image.
    outline : ndarray of float64, shape (K, 2), or None
        x and y of its outline, if it is more than a box.
    name : str
        Its class.
    origin : str
        Who found it, as ``layer.features`` has it.
    image : napari.layers.Image
        The layer of the image.
    image_name : str
        Name of the image.
    plane : tuple of int
        Position on the axes of the image before y and x.
    pixel_size_um : float or None
        Micrometres per pixel.
    facts : ResultFacts or None
        Of a result; None of annotations.
    """

    number: int
    box: NDArray[np.float64]
    outline: NDArray[np.float64] | None
    name: str
    origin: str
    image: Image
    image_name: str
    plane: tuple[int, ...]
    pixel_size_um: float | None
    facts: ResultFacts | None

    @property
    def title(self) -> str:
        """What it is called, such as ``specimen 3 of slide.png``."""
        return f"specimen {self.number} of {self.image_name}"

    def pixels(self) -> Any:
        """Return the plane of the image, not computed."""
        return layer_pixels(self.image, self.facts)[self.plane]


def is_of_specimens(layer: Any) -> bool:
    """Return whether a layer shows specimens, as the docks that find and annotate them make it."""
    return isinstance(layer, Shapes) and shapes_layer.LENGTH_PX in layer.features


def selected_specimen(viewer: Viewer) -> SelectedSpecimen | str:
    """Return the selected specimen of the active layer, or what the user has to do first, in words."""
    layer = viewer.layers.selection.active
    if not isinstance(layer, Shapes) or not is_of_specimens(layer):
        return "Select a specimen: click it in the image, or its row in the table of Detect diatoms."
    rows = sorted(layer.selected_data)
    if not rows or rows[0] >= layer.nshapes:
        return "Select a specimen: click it in the image, or its row in the table of Detect diatoms."
    row = rows[0]
    shape = np.asarray(layer.data[row], dtype=np.float64)
    facts = ResultFacts.from_metadata(layer.metadata)
    image = _image_under(viewer, layer, shape)
    if image is None:
        return "The image of this specimen is not open. Open it first."
    points = shapes_layer.from_points(shape)
    plane = plane_of(image, viewer) if facts is None else facts.plane
    features = layer.features.iloc[row]
    length_um = float(features.get(shapes_layer.LENGTH_UM, np.nan))
    return SelectedSpecimen(
        int(features.get(shapes_layer.SPECIMEN, row + 1)),
        shapes_layer.to_boxes([shape])[0],
        None if shapes_layer.is_rectangle(points) else points,
        str(features.get(shapes_layer.CLASS, "")),
        str(features.get(shapes_layer.ORIGIN, "")),
        image,
        layer_image_name(image, viewer.layers, plane),
        plane,
        length_um / float(features[shapes_layer.LENGTH_PX]) if np.isfinite(length_um) else None,
        facts,
    )


def _image_under(viewer: Viewer, layer: Shapes, shape: NDArray[np.float64]) -> Image | None:
    """Return the image of a specimen: that of its result, else the topmost visible one at its place."""
    shared = Shared.of(viewer)
    result = shared.get(layer)
    if result is not None:
        return shared.image_of(result)
    world = layer.data_to_world(shape.mean(axis=0))
    for image in reversed(list(viewer.layers)):
        if is_input(image) and image.visible:
            y, x = np.asarray(image.world_to_data(world[-image.ndim :]))[-2:]
            height, width = layer_pixels(image).shape[-3:-1] if image.rgb else layer_pixels(image).shape[-2:]
            if -0.5 <= y < height and -0.5 <= x < width:
                found: Image = image
                return found
    return None
