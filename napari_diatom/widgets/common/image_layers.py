"""Facts about image layers of the viewer: file, name, pixels, plane and pixel size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray

from napari_diatom.images.pixel_size import PixelSize
from napari_diatom.napari_layers import placement
from napari_diatom.napari_layers.layer_file import layer_file
from napari_diatom.napari_layers.result_facts import ResultFacts
from napari_diatom.napari_layers.shapes_layer import MAP_KEY

if TYPE_CHECKING:
    from napari.viewer import Viewer


@dataclass(frozen=True)
class ImageChoice:
    """The facts about an image layer that a form needs.

    Attributes
    ----------
    name : str
        Name of the layer.
    height, width : int
        Size of the plane that a run analyses, in pixels.
    flat : bool
        Whether the viewer shows a plane, not a volume, with the last two axes of the image on the screen.
    """

    name: str
    height: int
    width: int
    flat: bool = True


def is_input(layer: Any) -> bool:
    """Return whether a layer is an image, and not a map that an analysis made."""
    return isinstance(layer, Image) and MAP_KEY not in layer.metadata


def layer_pixels(layer: Image, facts: ResultFacts | None = None) -> Any:
    """Return the array of a layer at full resolution, not computed, upright or in the orientation of ``facts``."""
    if facts is not None and placement.align_to_layer(layer, facts.height, facts.width, facts.orientation).of_stored:
        return placement.stored_pixels(layer)
    return placement.upright_pixels(layer)


def layer_image_name(layer: Image, others: Iterable[Any] = (), plane: Sequence[int] = ()) -> str:
    """Return the name of an image in tables: that of its file if only one layer is open from the file.

    Folders before the name distinguish it from the files of ``others``, as in ``slideA/Image_1.jpg``. A plane of a
    stack has its number after the name, counted from 1 through all axes before y and x, as in ``stack.tif#3``. An image
    of a run over several images is called as in the tables of the run.
    """
    file = layer_file(layer)
    if file is not None and file.name:
        return file.name
    page = f"#{1 + int(np.ravel_multi_index(tuple(plane), layer_pixels(layer).shape[: len(plane)]))}" if plane else ""
    own = f"{layer.name}{page}"
    if file is None:
        return own
    path = Path(file.path)
    files = [layer_file(other) for other in others if other is not layer and is_input(other)]
    paths = [Path(other.path) for other in files if other is not None and other.page is None]
    if path in paths:
        return own
    rivals = [other.parts for other in paths if other.name == path.name]
    taken = next(n for n in range(1, len(path.parts) + 1) if all(parts[-n:] != path.parts[-n:] for parts in rivals))
    return "/".join(path.parts[-taken:]) + page


def find_image(images: Sequence[Image], facts: ResultFacts, file: Path | None) -> Image | None:
    """Return the image layer that has the name and the size in annotations, None if it is not open.

    Parameters
    ----------
    images : sequence of Image
        The images in the order of the viewer.
    facts : ResultFacts
        The facts of the annotations.
    file : Path, optional
        The file of the annotations.
    """
    match = placement.match_image_layer(images, facts.image, file or Path(facts.image), (facts.height, facts.width))
    if match is None or not match.named or not belongs(facts, match.layer):
        return None
    found: Image = match.layer
    return found


def layer_placement(
    layer: Image,
    plane: Sequence[int] = (),
    facts: ResultFacts | None = None,
    within: NDArray[np.float64] | None = None,
) -> dict[str, Any]:
    """Return the keyword arguments that place another layer on an image.

    Parameters
    ----------
    layer : napari.layers.Image
        The image.
    plane : sequence of int
        Position of the other layer on the axes before y and x, if it holds one plane of a stack.
    facts : ResultFacts, optional
        The facts of the specimens in the other layer. By default it has the coordinates of the upright image.
    within : ndarray, shape (3, 3), optional
        From the coordinates (y, x, 1) of the other layer to those. By default they are the same.
    """
    fit = None if facts is None else placement.align_to_layer(layer, facts.height, facts.width, facts.orientation)
    matrix = None if fit is None else fit.matrix
    if within is not None:
        matrix = (placement.upright_matrix(layer) if matrix is None else matrix) @ within
    return placement.layer_transform(layer, plane, matrix)


def belongs(facts: ResultFacts, layer: Image) -> bool:
    """Return whether specimens fit the size of an image, as far as it is known."""
    return placement.align_to_layer(layer, facts.height, facts.width, facts.orientation).matrix is not None


def choice_of(layer: Image, viewer: Viewer) -> ImageChoice:
    """Return the plane of a layer that a run analyses."""
    shape = layer_pixels(layer).shape
    height, width = (shape[-3:-1] if layer.rgb else shape[-2:]) if len(shape) >= 2 else (0, 0)
    order = viewer.dims.order
    flat = viewer.dims.ndisplay == 2 and tuple(order[-2:]) == tuple(sorted(order)[-2:])
    return ImageChoice(layer.name, int(height), int(width), flat)


def plane_of(layer: Image, viewer: Viewer) -> tuple[int, ...]:
    """Return the position of the shown plane on the axes of a layer before y and x."""
    if layer.ndim <= 2:
        return ()
    at = layer.world_to_data(viewer.dims.point[-layer.ndim :])
    shape = layer_pixels(layer).shape
    return tuple(int(np.clip(round(float(at[axis])), 0, shape[axis] - 1)) for axis in range(layer.ndim - 2))


def show_plane(layer: Image, plane: Sequence[int], viewer: Viewer) -> None:
    """Show a plane of a layer, given by its position on the axes before y and x."""
    if plane and tuple(plane) != plane_of(layer, viewer):
        world = layer.data_to_world((*plane, 0, 0))[: len(plane)]
        first = viewer.dims.ndim - layer.ndim
        viewer.dims.set_point(range(first, first + len(plane)), world)


def stated_pixel_size(layer: Image) -> PixelSize:
    """Return the pixel size that a layer states by its scale or else by its file, with warnings about it."""
    return placement.layer_pixel_size(layer)


def stored_orientation(layer: Image) -> int | None:
    """Return the orientation in which the file of a layer is stored, None for a layer without a file."""
    return placement.shown_by(layer).orientation
