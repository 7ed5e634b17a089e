"""What the detection needs to know of an image layer of the viewer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image

from napari_diatom import placement
from napari_diatom.forms import ImageChoice
from napari_diatom.layers import MAP_KEY, ResultFacts
from napari_diatom.pixelsize import PixelSize

if TYPE_CHECKING:
    from napari.viewer import Viewer


def is_input(layer: Any) -> bool:
    """Return whether a layer is an image to be analysed, and not a map that an analysis made."""
    return isinstance(layer, Image) and MAP_KEY not in layer.metadata


def pixels_of(layer: Image, facts: ResultFacts | None = None) -> Any:
    """Return the layer's array at full resolution, not computed: upright, or the way the specimens of ``facts`` lie."""
    if facts is not None and placement.fit(layer, facts.height, facts.width, facts.orientation).of_stored:
        return placement.pixels_of(layer)
    return placement.upright_pixels(layer)


def name_of(layer: Image) -> str:
    """Return the name of the layer's image in tables: its file's, where it is the only layer of one file."""
    path = layer.source.path
    return layer.name if path is None or layer.ndim > 2 else Path(path).name


def is_of(image: str, layer: Image) -> bool:
    """Return whether annotations of ``image`` belong to a layer, by the name without its ending."""
    return Path(image).stem in (Path(layer.name).stem, Path(name_of(layer)).stem)


def place_of(layer: Image, plane: Sequence[int] = (), facts: ResultFacts | None = None) -> dict[str, Any]:
    """Return the keyword arguments that give another layer an image's place in the world.

    Parameters
    ----------
    layer : napari.layers.Image
        The image.
    plane : sequence of int
        Where the other layer's first indices lie on the axes before y and x, for one that holds a plane of a stack.
    facts : ResultFacts, optional
        Of the specimens in the other layer; by default it has the coordinates of the upright image.
    """
    fit = None if facts is None else placement.fit(layer, facts.height, facts.width, facts.orientation)
    return placement.place(layer, plane, None if fit is None else fit.matrix)


def belongs(facts: ResultFacts, layer: Image) -> bool:
    """Return whether specimens are for an image of the layer's size, as far as that is known."""
    return placement.fit(layer, facts.height, facts.width, facts.orientation).matrix is not None


def choice_of(layer: Image, viewer: Viewer) -> ImageChoice:
    """Return the plane of a layer that would be analysed."""
    shape = pixels_of(layer).shape
    height, width = (shape[-3:-1] if layer.rgb else shape[-2:]) if len(shape) >= 2 else (0, 0)
    order = viewer.dims.order
    flat = viewer.dims.ndisplay == 2 and tuple(order[-2:]) == tuple(sorted(order)[-2:])
    return ImageChoice(layer.name, int(height), int(width), flat)


def plane_of(layer: Image, viewer: Viewer) -> tuple[int, ...]:
    """Return the position of the shown plane on the layer's axes before y and x."""
    if layer.ndim <= 2:
        return ()
    at = layer.world_to_data(viewer.dims.point[-layer.ndim :])
    shape = pixels_of(layer).shape
    return tuple(int(np.clip(round(float(at[axis])), 0, shape[axis] - 1)) for axis in range(layer.ndim - 2))


def pixel_size_of(layer: Image) -> float | None:
    """Return micrometres per pixel as the layer's place or else its file states it; None where neither does."""
    return stated_by(layer).um


def stated_by(layer: Image) -> PixelSize:
    """Return the pixel size of a layer as its place in the world or else its file states it, and what is odd of it."""
    return placement.pixel_size_of(layer)


def turn_of(layer: Image) -> int | None:
    """Return how the file of a layer's image is stored; None for a layer without a file."""
    return placement.shown_by(layer).orientation
