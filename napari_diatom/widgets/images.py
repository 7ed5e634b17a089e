"""What the detection needs to know of an image layer of the viewer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from napari.layers import Image

from napari_diatom.errors import DiatomError
from napari_diatom.forms import ImageChoice
from napari_diatom.imaging import open_images
from napari_diatom.layers import MAP_KEY
from napari_diatom.pixelsize import LARGEST_UM, SMALLEST_UM

if TYPE_CHECKING:
    from napari.viewer import Viewer

_SQUARE_TOLERANCE: Final = 0.01


def is_input(layer: Any) -> bool:
    """Return whether a layer is an image to be analysed, and not a map that an analysis made."""
    return isinstance(layer, Image) and MAP_KEY not in layer.metadata


def pixels_of(layer: Image) -> Any:
    """Return the layer's array at full resolution, not computed."""
    return layer.data[0] if layer.multiscale else layer.data


def name_of(layer: Image) -> str:
    """Return the name of the layer's image in tables: its file's, where it is the only layer of one file."""
    path = layer.source.path
    return layer.name if path is None or layer.ndim > 2 else Path(path).name


def is_of(image: str, layer: Image) -> bool:
    """Return whether annotations of ``image`` belong to a layer, by the name without its ending."""
    return Path(image).stem in (Path(layer.name).stem, Path(name_of(layer)).stem)


def place_of(layer: Image, plane: Sequence[int] = ()) -> dict[str, Any]:
    """Return the keyword arguments that give another layer an image's place in the world.

    Parameters
    ----------
    layer : napari.layers.Image
        The image.
    plane : sequence of int
        Where the other layer's first indices lie on the axes before y and x, for one that holds a plane of a stack.
    """
    translate = np.array(layer.translate, dtype=np.float64)
    translate[: len(plane)] += np.asarray(plane, dtype=np.float64) * layer.scale[: len(plane)]
    names = ("scale", "rotate", "shear", "affine", "units", "axis_labels")
    return {"translate": translate} | {name: getattr(layer, name) for name in names}


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
    """Return micrometres per pixel as the layer's scale or else its file tells it; None where neither does."""
    return _from_scale(layer) or _from_file(layer)


def _from_file(layer: Image) -> float | None:
    if layer.source.path is None:
        return None
    try:
        return open_images(Path(layer.source.path))[0].pixel_size_um
    except DiatomError:
        return None


def _from_scale(layer: Image) -> float | None:
    sizes = []
    for scale, unit in zip(layer.scale[-2:], layer.units[-2:], strict=True):
        if not unit.is_compatible_with("um"):
            return None
        sizes.append(abs(float(scale)) * float((1 * unit).to("um").magnitude))
    square = math.isclose(*sizes, rel_tol=_SQUARE_TOLERANCE)
    return sizes[1] if square and SMALLEST_UM <= sizes[1] <= LARGEST_UM else None
