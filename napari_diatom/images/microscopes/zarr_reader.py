"""OME-Zarr images, folders and zip files, by zarr: pyramids are read chunk by chunk.

Versions 0.1 to 0.5 are read. Images of a plate, and of a file of several, are fields. A chunk that is not there has the
fill value of its array, as the format says.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.errors import InputError
from napari_diatom.core.text import quoted
from napari_diatom.images.decoding_errors import check_need
from napari_diatom.images.image_fields import FieldFacts, ImageField, image_fields_of
from napari_diatom.images.microscopes.library_file import LibraryFile
from napari_diatom.images.pixel_size import NOT_STATED, PixelSize, in_unit
from napari_diatom.images.planes import Pixels

SUFFIXES: Final = (".zarr",)
"""Of folders, ..."""
ZIPPED: Final = (".ozx", ".zarr.zip")
"""... and of zip files."""
MARKS: Final = frozenset({"zarr.json", ".zgroup", ".zarray", ".zattrs"})
"""Files in every folder of the format, whatever it is called."""
_OLD_AXES: Final = "tczyx"
_MOST_IMAGES: Final = 20_000
_MOST_LEVELS: Final = 32


class _Store:
    """An open file or folder of Zarr."""

    def __init__(self, path: Path) -> None:
        import zarr

        if path.is_dir():
            self._store: Any = zarr.storage.LocalStore(path, read_only=True)
        else:
            self._store = zarr.storage.ZipStore(path, mode="r")
        self.root: Any = zarr.open(self._store, mode="r")
        self._arrays: dict[str, Any] = {}

    def array(self, name: str) -> Any:
        """Return an array."""
        if name not in self._arrays:
            found = self.root.get(name)
            if found is None or not hasattr(found, "shape"):
                raise ValueError(f"{quoted(name)} is named as a level and is not there")
            self._arrays[name] = found
        return self._arrays[name]

    def close(self) -> None:
        """Close the store."""
        self._store.close()


@dataclass(frozen=True)
class _Plane:
    """A channel of a focus plane: the names of its levels, and its index on the axes before y and x."""

    names: tuple[str, ...]
    at: tuple[int, ...]


def open_zarr(path: Path, z: str, largest_bytes: int) -> list[ImageField]:
    """Return the images of an OME-Zarr file or folder; see :func:`napari_diatom.images.tiff_reader.open_tiff`."""
    handle = LibraryFile(path, lambda: _Store(path))
    fields: list[ImageField] = []
    try:
        with handle.reading() as store:
            # An array at the root has a shape, and describes no image.
            found = () if hasattr(store.root, "shape") else _images(store.root)
            images = list(itertools.islice(found, _MOST_IMAGES))
            for number, (name, description) in enumerate(images, start=1):
                said = (f"It is image {number} of {len(images)} ({quoted(name)}).",) if len(images) > 1 else ()
                fields += _fields(handle, store, name, description, z, largest_bytes, said)
    finally:
        handle.close()
    if not fields:
        raise InputError(f"{path} is a Zarr folder without an OME-Zarr image.")
    return fields


def _ome(group: Any) -> Mapping[str, Any]:
    """Return what a group says of its images; since version 0.5 that is an entry of its own."""
    attributes = dict(group.attrs)
    inner = attributes.get("ome")
    return inner if isinstance(inner, Mapping) else attributes


def _images(root: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the names of the groups that are images, with their first multiscale description."""
    facts = _ome(root)
    if facts.get("multiscales"):
        yield "", facts["multiscales"][0]
        return
    names: list[str] = []
    if isinstance(plate := facts.get("plate"), Mapping):
        for well in plate.get("wells", ()):
            inner = _ome(root[well["path"]]).get("well", {})
            names += [f"{well['path']}/{image['path']}" for image in inner.get("images", ())]
    elif "OME" in root and isinstance(series := _ome(root["OME"]).get("series"), Sequence):
        names += [str(name) for name in series]
    else:
        names += itertools.takewhile(lambda name: name in root, map(str, range(_MOST_IMAGES)))
    for name in names:
        if found := _ome(root[name]).get("multiscales"):
            yield name, found[0]


def _fields(
    handle: LibraryFile[_Store],
    store: _Store,
    group: str,
    description: Mapping[str, Any],
    z: str,
    largest_bytes: int,
    notices: tuple[str, ...],
) -> list[ImageField]:
    """Return the fields of an image."""
    path = handle.path
    names = [f"{group}/{item['path']}".strip("/") for item in description["datasets"]][:_MOST_LEVELS]
    arrays = [store.array(name) for name in names]
    first = arrays[0]
    axes = _axes(path, description, len(first.shape))
    for array in arrays:
        _check(path, array, first, largest_bytes)
    lengths = dict(zip(axes, first.shape, strict=True))
    # Levels are smaller along y and x; one that is smaller along another axis has no such plane.
    same = [name for name, array in zip(names, arrays, strict=True) if array.shape[:-2] == first.shape[:-2]]
    outer = axes[:-2]
    others = [axis for axis in outer if axis not in "cz"]
    size = _pixel_size(description, axes)

    def opened(plane: _Plane) -> list[Pixels]:
        return [ZarrPixels(handle, name, plane.at, store.array(name)) for name in plane.names]

    fields = []
    for at in itertools.product(*(range(lengths[axis]) for axis in others)):
        where = dict(zip(others, at, strict=True))
        stack = [
            [
                _Plane(tuple(same), tuple({**where, "z": depth, "c": channel}[axis] for axis in outer))
                for channel in range(lengths.get("c", 1))
            ]
            for depth in range(lengths.get("z", 1))
        ]
        fields += image_fields_of(path, stack, z, opened, FieldFacts(size, notices))
    return fields


def _axes(path: Path, description: Mapping[str, Any], number: int) -> str:
    """Return the letter of each axis; ends with y and x."""
    listed = description.get("axes")
    if listed is None:
        letters = _OLD_AXES[len(_OLD_AXES) - number :]
    else:
        letters = "".join(str(axis["name"] if isinstance(axis, Mapping) else axis).lower()[:1] for axis in listed)
    if len(letters) != number or letters[-2:] != "yx" or len(set(letters)) < number:
        raise InputError(
            f"{path} has axes that are not supported: {quoted(letters)}; the last ones have to be y and x."
        )
    return letters


def _check(path: Path, array: Any, first: Any, largest_bytes: int) -> None:
    """Raise InputError where an array cannot be a level, or one of its chunks needs too much memory."""
    if np.dtype(array.dtype).kind not in "buif" or array.dtype != first.dtype:
        raise InputError(f"{path} holds {array.dtype} values, which are not supported.")
    if 0 in array.shape or len(array.shape) != len(first.shape):
        raise InputError(f"{path} has no pixels: an array of it has the shape {array.shape}.")
    need = math.prod(array.chunks) * np.dtype(array.dtype).itemsize
    check_need(f"{path} has a chunk that", need, largest_bytes, "save it in smaller chunks")


def _pixel_size(description: Mapping[str, Any], axes: str) -> PixelSize:
    """Return the pixel size of the first level, from the scales of the level and of the whole image."""
    sides = dict.fromkeys("xy", 1.0)
    is_scaled = False
    for entry in (description["datasets"][0], description):
        for change in entry.get("coordinateTransformations", ()):
            if change.get("type") == "scale" and len(change.get("scale", ())) == len(axes):
                is_scaled = True
                for axis in sides:
                    sides[axis] *= float(change["scale"][axes.index(axis)])
    units = {
        str(axis["name"]).lower()[:1]: str(axis.get("unit") or "")
        for axis in description.get("axes") or ()
        if isinstance(axis, Mapping)
    }
    if not is_scaled or not units.get("x"):
        return NOT_STATED
    return in_unit((sides["x"], sides["y"]), (units["x"], units.get("y") or units["x"]), "ome-zarr")


class ZarrPixels:
    """The pixels of a plane of a level.

    Parameters
    ----------
    handle : LibraryFile
        The file or folder.
    name : str
        Of the array.
    at : tuple of int
        Where the plane is on the axes before y and x.
    array : zarr.Array
        The array, for its size and type.
    """

    def __init__(self, handle: LibraryFile[_Store], name: str, at: tuple[int, ...], array: Any) -> None:
        self._handle = handle
        self._name = name
        self._at = at
        self.height, self.width = (int(length) for length in array.shape[-2:])
        self._is_mask = np.dtype(array.dtype) == np.bool_
        self.is_8_bit = np.dtype(array.dtype) in (np.uint8, np.bool_)

    def window(self, x0: int, y0: int, x1: int, y1: int) -> NDArray[Any]:
        """Return the values of a window. Raises InputError when a chunk under it is damaged."""
        with self._handle.reading() as store:
            values = np.asarray(store.array(self._name)[(*self._at, slice(y0, y1), slice(x0, x1))])
        if self._is_mask:
            values = values.astype(np.uint8) * np.uint8(255)
        return values[..., None].astype(values.dtype.newbyteorder("="), copy=False)

    def release(self) -> None:
        """Close the file; it is opened again when it is read again."""
        self._handle.close()
