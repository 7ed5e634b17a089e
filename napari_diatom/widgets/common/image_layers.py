"""What docks need to know of an image layer of the viewer."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image

from napari_diatom.images.pixel_size import PixelSize
from napari_diatom.napari_layers import placement
from napari_diatom.napari_layers.shapes_layer import MAP_KEY, ResultFacts

if TYPE_CHECKING:
    from napari.viewer import Viewer


@dataclass(frozen=True)
class ImageChoice:
    """What a form needs to know of an image layer.

    Attributes
    ----------
    name : str
        Name of the layer.
    height, width : int
        Of the plane that would be analysed, in pixels.
    flat : bool
        Whether the viewer shows a plane, not a volume, with the image's last two axes on the screen.
    """

    name: str
    height: int
    width: int
    flat: bool = True


def is_input(layer: Any) -> bool:
    """Return whether a layer is an image to be analysed, and not a map that an analysis made."""
    return isinstance(layer, Image) and MAP_KEY not in layer.metadata


def pixels_of(layer: Image, facts: ResultFacts | None = None) -> Any:
    """Return the layer's array at full resolution, not computed: upright, or the way the specimens of ``facts`` lie."""
    if facts is not None and placement.align_to_layer(layer, facts.height, facts.width, facts.orientation).of_stored:
        return placement.stored_pixels(layer)
    return placement.upright_pixels(layer)


def path_of(layer: Any) -> Path | None:
    """Return the whole path of the file that a layer was opened from, None where it was not opened from one."""
    path = layer.source.path
    return None if path is None else Path(os.path.abspath(path))


def name_of(layer: Image, others: Iterable[Any] = (), plane: Sequence[int] = ()) -> str:
    """Return the name of the layer's image in tables: its file's, where it is the only layer of one file.

    Folders stand before it as far as it takes to tell it from the files of ``others``, as in ``slideA/Image_1.jpg``. A
    plane of a stack has its number behind it, counted from 1 through all axes before y and x, as in ``stack.tif#3``.
    """
    page = f"#{1 + int(np.ravel_multi_index(tuple(plane), pixels_of(layer).shape[: len(plane)]))}" if plane else ""
    path = path_of(layer)
    own = f"{layer.name}{page}"
    if path is None:
        return own
    paths = [path_of(other) for other in others if other is not layer and is_input(other)]
    if path in paths:
        return own
    rivals = [other.parts for other in paths if other is not None and other.name == path.name]
    taken = next(n for n in range(1, len(path.parts) + 1) if all(parts[-n:] != path.parts[-n:] for parts in rivals))
    return "/".join(path.parts[-taken:]) + page


def called(images: Sequence[Image], facts: ResultFacts, file: Path | None) -> Image | None:
    """Return the image layer that annotations name, and that has the size they tell; None where it is not open.

    Parameters
    ----------
    images : sequence of Image
        In the order of the viewer.
    facts : ResultFacts
        Of the annotations.
    file : Path, optional
        Where they were opened from.
    """
    match = placement.match_image_layer(images, facts.image, file or Path(facts.image), (facts.height, facts.width))
    if match is None or not match.named or not belongs(facts, match.layer):
        return None
    found: Image = match.layer
    return found


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
    fit = None if facts is None else placement.align_to_layer(layer, facts.height, facts.width, facts.orientation)
    return placement.layer_transform(layer, plane, None if fit is None else fit.matrix)


def belongs(facts: ResultFacts, layer: Image) -> bool:
    """Return whether specimens are for an image of the layer's size, as far as that is known."""
    return placement.align_to_layer(layer, facts.height, facts.width, facts.orientation).matrix is not None


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


def show_plane(layer: Image, plane: Sequence[int], viewer: Viewer) -> None:
    """Have the viewer show a plane of a layer, given by its position on the axes before y and x."""
    if plane and tuple(plane) != plane_of(layer, viewer):
        world = layer.data_to_world((*plane, 0, 0))[: len(plane)]
        first = viewer.dims.ndim - layer.ndim
        viewer.dims.set_point(range(first, first + len(plane)), world)


def pixel_size_of(layer: Image) -> float | None:
    """Return micrometres per pixel as the layer's place or else its file states it; None where neither does."""
    return stated_by(layer).um


def stated_by(layer: Image) -> PixelSize:
    """Return the pixel size of a layer as its place in the world or else its file states it, and what is odd of it."""
    return placement.layer_pixel_size(layer)


def turn_of(layer: Image) -> int | None:
    """Return how the file of a layer's image is stored; None for a layer without a file."""
    return placement.shown_by(layer).orientation
