"""Where specimens lie over an image layer of napari, and how large its pixels are; without napari.

Specimens have the coordinates of the upright image, whatever the orientation of its file. napari shows the pixels as
they are stored. So a layer of specimens gets the place of its image layer in the world and, where that shows what is
stored, the way from the upright image there as well.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.errors import DiatomError
from napari_diatom.core.text import folded
from napari_diatom.formats.shared.name_index import split_page
from napari_diatom.images.orientation import AS_STORED, describe_turn, swaps_sides, to_stored, upright
from napari_diatom.images.pixel_size import NOT_STATED, PixelSize, stated
from napari_diatom.images.slide_image import open_images
from napari_diatom.napari_layers.layer_file import layer_file

_BUILTIN_READER: Final = "napari"
_PROBE: Final = 256
"""Side of the window, in pixels, by which stored and upright pixels of one size are distinguished."""
_LARGEST_SHEAR: Final = 0.01
"""Cosine of the angle between the axes of pixels that count as square."""


@dataclass(frozen=True)
class LayerPixels:
    """What an image layer shows of its file.

    Attributes
    ----------
    height, width : int
        Of the upright image, in pixels.
    orientation : int or None
        Of the file; None where there is none, or it is another image.
    is_stored : bool
        Whether the layer shows the pixels as they are stored, and that is not upright.
    """

    height: int
    width: int
    orientation: int | None
    is_stored: bool = False


@dataclass(frozen=True, eq=False)
class Alignment:
    """How the coordinates of specimens map to an image layer.

    Attributes
    ----------
    matrix : ndarray of float64, shape (3, 3), or None
        From their coordinates (y, x, 1) to the layer's; None where they belong to an image of another size.
    notice : str
        What the user should know, as a sentence; empty for nothing.
    of_stored : bool
        Whether their coordinates are those of the stored pixels, and these are not upright.
    """

    matrix: NDArray[np.float64] | None
    notice: str = ""
    of_stored: bool = False


def stored_pixels(layer: Any) -> Any:
    """Return the stored array of an image layer at full resolution, not computed."""
    return layer.data[0] if layer.multiscale else layer.data


def upright_pixels(layer: Any) -> Any:
    """Return the array of an image layer at full resolution, upright and not computed."""
    shown = shown_by(layer)
    return _turned(layer, shown.orientation or AS_STORED) if shown.is_stored else stored_pixels(layer)


def _turned(layer: Any, orientation: int) -> Any:
    """Return the array of a layer of stored pixels upright, along its last axes of space."""
    array = stored_pixels(layer)
    if not hasattr(array, "swapaxes"):
        from dask.array import from_array

        array = from_array(array)  # type: ignore[no-untyped-call]
    lead = array.ndim - (3 if layer.rgb else 2)
    turned = upright(np.moveaxis(array, range(lead), range(-lead, 0)), orientation)
    return np.moveaxis(turned, range(-lead, 0), range(lead))


def shown_by(layer: Any) -> LayerPixels:
    """Return what an image layer shows of its file."""
    height, width = _size_of(layer)
    file = layer_file(layer)
    if file is not None and file.orientation is not None:
        return LayerPixels(height, width, file.orientation)
    images = () if file is None else _described(Path(file.path))
    turns = {image.orientation for image in images}
    if len(turns) != 1:
        return LayerPixels(height, width, None)
    (orientation,) = turns
    swapped = swaps_sides(orientation)
    image = images[0]
    if (height, width) != (image.height, image.width):
        is_other = not swapped or (height, width) != (image.width, image.height)
        return LayerPixels(height, width, None) if is_other else LayerPixels(width, height, orientation, True)
    if orientation == AS_STORED or (swapped and height != width):
        return LayerPixels(height, width, orientation)
    return LayerPixels(height, width, orientation, _is_stored(layer, image.path, orientation))


def _is_stored(layer: Any, path: Path, orientation: int) -> bool:
    """Return whether a layer shows stored pixels, where these have the size of the upright ones."""
    if layer.source.reader_plugin == _BUILTIN_READER or layer.ndim > 2:
        return True
    try:
        image = open_images(path)[0].levels[0]
        bottom, right = min(image.height, _PROBE), min(image.width, _PROBE)
        expected = image.window(0, 0, right, bottom)
        found = np.asarray(stored_pixels(layer)[:bottom, :right]).reshape(bottom, right, -1)[..., : expected.shape[2]]
    except (DiatomError, ValueError):
        return True
    return not np.array_equal(expected, found)


def align_to_layer(layer: Any, height: int | None, width: int | None, orientation: int | None) -> Alignment:
    """Return how the coordinates of specimens map to an image layer.

    Parameters
    ----------
    layer : napari.layers.Image
        The image.
    height, width : int or None
        Of the image that the specimens are for, in pixels; None where unknown.
    orientation : int or None
        That of its file where their coordinates are known to be those of the upright image, else None.
    """
    shown = shown_by(layer)
    size = shown.height, shown.width
    turn, is_stored = shown.orientation or orientation or AS_STORED, shown.is_stored
    if shown.orientation is None and swaps_sides(turn) and height != width and size == (width, height):
        size, is_stored = (shown.width, shown.height), True
    way = to_stored(turn, *size)
    from_stored = np.eye(3) if is_stored else np.asarray(np.linalg.inv(way), dtype=np.float64)
    if height is None or width is None:
        notice = _doubt(turn, "as the viewer shows it") if turn != AS_STORED else ""
        return Alignment(np.eye(3), notice, is_stored)
    if (height, width) != size:
        if orientation is None and swaps_sides(turn) and (width, height) == size:
            return Alignment(from_stored, of_stored=True)
        H, W = _size_of(layer)
        return Alignment(
            None,
            f"it is for an image of {width} x {height} px, and {layer.name} in the viewer has {W} x {H} px. "
            "It is opened in pixels and hidden, because its shapes would not lie on the specimens. It is shown when "
            "its own image is opened.",
        )
    is_known = orientation is not None or turn == AS_STORED or (swaps_sides(turn) and height != width)
    return Alignment(from_stored @ way, "" if is_known else _doubt(turn, "upright"))


def _doubt(turn: int, taken: str) -> str:
    """Return that annotations do not say whether they are for the stored image or the upright one."""
    return (
        f"the image has to be {describe_turn(turn)}, and the annotations do not say whether they are for the image "
        f"upright or as it is stored. They are assumed to be for the image {taken}: check that they lie on the "
        "specimens."
    )


def upright_matrix(layer: Any) -> NDArray[np.float64]:
    """Return what takes coordinates (y, x, 1) of the upright image to those of an image layer, shape (3, 3)."""
    shown = shown_by(layer)
    return to_stored(shown.orientation or AS_STORED, shown.height, shown.width) if shown.is_stored else np.eye(3)


def layer_transform(
    layer: Any, plane: Sequence[int] = (), matrix: NDArray[np.float64] | None = None, flat: bool = False
) -> dict[str, Any]:
    """Return the keyword arguments that align another layer with an image in world coordinates.

    Parameters
    ----------
    layer : napari.layers.Image
        The image.
    plane : sequence of int
        Where the other layer's first indices lie on the axes before y and x, for one that holds a plane of a stack.
    matrix : ndarray, shape (3, 3), optional
        From the other layer's coordinates (y, x, 1) to the image layer's; by default from those of the upright image.
    flat : bool
        Whether the other layer has no axes but y and x, and so lies on all planes of a stack.
    """
    matrix = upright_matrix(layer) if matrix is None else matrix
    is_plain = not plane or (np.allclose(layer.rotate, np.eye(layer.ndim)) and not np.any(layer.shear))
    if np.array_equal(matrix, np.eye(3)) and is_plain and not (flat and layer.ndim > 2):
        translate = np.array(layer.translate, dtype=np.float64)
        translate[: len(plane)] += np.asarray(plane, dtype=np.float64) * layer.scale[: len(plane)]
        names = ("scale", "rotate", "shear", "affine", "units", "axis_labels")
        return {"translate": translate} | {name: getattr(layer, name) for name in names}
    n = 2 if flat else layer.ndim
    within = np.eye(n + 1)
    within[-3:, -3:] = matrix
    within[: len(plane), -1] += plane
    to_world = _to_world(layer)
    return {
        "translate": np.zeros(n),
        "scale": np.ones(n),
        "rotate": np.eye(n),
        "shear": np.zeros(n * (n - 1) // 2),
        "affine": to_world[-n - 1 :, -n - 1 :] @ within,
        "units": layer.units[-n:],
        "axis_labels": layer.axis_labels[-n:],
    }


def layer_pixel_size(layer: Any) -> PixelSize:
    """Return the pixel size of an image layer, as its place in the world or else its file states it."""
    size, file = _from_place(layer), layer_file(layer)
    if size != NOT_STATED or file is None or file.page is not None:
        return size
    images = _described(Path(file.path))
    return images[0].pixel_size if images else NOT_STATED


def _from_place(layer: Any) -> PixelSize:
    """Return the pixel size of a layer from its scale, rotation, shear, affine and units, whichever of them it has."""
    columns = _to_world(layer)[:-1, -3:-1]
    used = np.abs(columns).max(axis=1) > 1e-9 * np.abs(columns).max()
    units = [unit for unit, counts in zip(layer.units, used, strict=True) if counts]
    lengths = [unit.is_compatible_with("um") for unit in units]
    if not any(lengths):
        return NOT_STATED
    if not all(lengths):
        return PixelSize.unknown(f"The layer has the units {' and '.join(map(str, units))}")
    factors = np.array([float((1 * unit).to("um").magnitude) for unit in units])
    sides = columns[used] * factors[:, None]
    height, width = np.linalg.norm(sides, axis=0).tolist()
    if abs(float(sides[:, 0] @ sides[:, 1])) > _LARGEST_SHEAR * height * width:
        return PixelSize.unknown("The layer is sheared")
    size = stated(width, height, "layer", who="The layer")
    return size if size.um is None else PixelSize(float(np.sqrt(height * width)), "layer")


@dataclass(frozen=True)
class _Described:
    """What is asked of an image in a file again and again."""

    path: Path
    height: int
    width: int
    orientation: int
    pixel_size: PixelSize


def _described(path: Path) -> tuple[_Described, ...]:
    """Return what is known of the images in a file, empty where it cannot be read."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return ()
    return _described_once(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=64)
def _described_once(path: Path, modified: int, size: int) -> tuple[_Described, ...]:
    """Return what is known of the images in a file as it was at a time."""
    try:
        images = open_images(path)
    except DiatomError:
        return ()
    return tuple(
        _Described(
            path,
            image.height,
            image.width,
            image.orientation,
            PixelSize(image.pixel_size_um, image.pixel_size_source, image.size_notices),
        )
        for image in images
    )


def _size_of(layer: Any) -> tuple[int, int]:
    """Return the height and width of what an image layer shows, in pixels."""
    shape = stored_pixels(layer).shape
    height, width = shape[-3:-1] if layer.rgb else shape[-2:]
    return int(height), int(width)


def _to_world(layer: Any) -> NDArray[np.float64]:
    """Return the affine matrix from a layer's data to the world, shape (n + 1, n + 1)."""
    n = layer.ndim
    points = np.vstack([np.zeros(n), np.eye(n)])
    corners = np.array([layer.data_to_world(point) for point in points], dtype=np.float64)
    matrix = np.eye(n + 1)
    matrix[:n, n] = corners[0]
    matrix[:n, :n] = (corners[1:] - corners[0]).T
    return matrix


@dataclass(frozen=True, eq=False)
class Match:
    """The image layer that annotations belong to.

    Attributes
    ----------
    layer : napari.layers.Image
        The image.
    plane : tuple of int
        Where they lie on the axes before y and x of a stack.
    notice : str
        What the user should know, as a sentence; empty for nothing.
    named : bool
        Whether it is the image that they name, and not just the only one.
    """

    layer: Any
    plane: tuple[int, ...] = ()
    notice: str = ""
    named: bool = True


def match_image_layer(
    images: Sequence[Any], name: str, file: Path, size: tuple[int | None, int | None]
) -> Match | None:
    """Return the image layer that a file of annotations belongs to, None where there is none.

    That is the layer of the file that the annotations name, or of that name; else the only image layer.

    Parameters
    ----------
    images : sequence of napari.layers.Image
        In the order of the viewer.
    name : str
        Of the image, perhaps with folders and the number of a page; empty where the annotations do not say.
    file : Path
        The annotations.
    size : tuple of int
        Height and width of the image, None where unknown.
    """
    asked, page = split_page(name or file.stem)
    parts = tuple(folded(part) for part in PurePosixPath(asked.replace("\\", "/")).parts)
    ranked = sorted(enumerate(images), key=lambda item: (*_rank(item[1], parts, page, file, size), item[0]))
    if not ranked or not parts:
        return None
    best = ranked[-1][1]
    rank = _rank(best, parts, page, file, size)
    if not rank[0]:
        if len(images) > 1:
            return None
        notice = f"{name} is not open; its specimens lie over {best.name}, the only image." if name else ""
        return Match(best, (), notice, named=False)
    rivals = [image for image in images if image is not best and _rank(image, parts, page, file, size) == rank]
    notice = f"several images named {parts[-1]} are open; it lies over the one opened last." if rivals else ""
    stacked = best.ndim == 3 and page is not None and 1 <= page <= stored_pixels(best).shape[0]
    return Match(best, (page - 1,) if stacked and page is not None else (), notice)


def _rank(
    layer: Any, parts: tuple[str, ...], page: int | None, file: Path, size: tuple[int | None, int | None]
) -> tuple[int, bool, bool]:
    """Return how well an image layer goes with annotations; 0 in the first place for one of another name or page."""
    known = layer_file(layer)
    path = None if known is None else Path(known.path)
    own = () if path is None else tuple(folded(part) for part in path.parts)
    shown = shown_by(layer)
    fitting = size in ((shown.height, shown.width), (shown.width, shown.height))
    near = path is not None and path.parent == Path(os.path.abspath(file)).parent
    if known is not None and known.page not in (None, page):
        return 0, fitting, near
    depth = next((n for n in range(len(parts), 0, -1) if own[-n:] == parts[-n:]), 0)
    if depth:
        return 1 + depth, fitting, near
    names = [layer.name, *(() if path is None else (path.name,))]
    stems = {folded(text) for name in names for text in (name, Path(name).stem)}
    return int(bool(stems & {parts[-1], Path(parts[-1]).stem})), fitting, near
