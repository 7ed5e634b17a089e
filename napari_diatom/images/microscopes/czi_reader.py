"""CZI files of ZEN, by pylibCZIrw: each scene at each time is a field, and mosaics are read window by window."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core import text_files
from napari_diatom.core.errors import InputError
from napari_diatom.core.text import quoted
from napari_diatom.images.decoding_errors import check_need
from napari_diatom.images.image_fields import FieldFacts, ImageField, image_fields_of
from napari_diatom.images.microscopes.library_file import LibraryFile
from napari_diatom.images.pixel_size import NOT_STATED, PixelSize, stated
from napari_diatom.images.planes import Pixels

_PIXEL_BYTES: Final = {"Gray8": 1, "Gray16": 2, "Gray32Float": 4, "Bgr24": 3, "Bgr48": 6, "Bgr96Float": 12}
"""Pixel types that the library hands out, and the bytes of each."""
_SAMPLED_BLOCKS: Final = 16
"""How many pieces of a mosaic are looked at for its background, ..."""
_SAMPLE_SIDE: Final = 128
"""... and the side of what is read of each, in pixels."""
_MOST_CELLS: Final = 4_000_000
_NONE_BEHIND: Final = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class _Block:
    """A piece of a mosaic: a sub-block of the file; sides are those at full resolution, in pixels."""

    x: int
    y: int
    width: int
    height: int
    shrinkage: int
    where: Mapping[str, int]
    kind: str
    stored_pixels: int


@dataclass(frozen=True, eq=False)
class _Mosaic:
    """One channel of a focus plane of a scene.

    Attributes
    ----------
    handle : LibraryFile
        The file.
    scene : int or None
        Number of the scene; None where the file has no scenes.
    plane : dict of str to int
        Where it is on the file's other axes.
    corner : tuple of int
        Left and top of the scene in the file, in pixels.
    size : tuple of int
        Width and height of the scene, in pixels.
    pieces : ndarray of int, shape (N, 4)
        Left, top, right and bottom of the pieces, from the corner.
    shrinkages : tuple of int
        How many times smaller the reduced copies are.
    kind : str
        Name of the pixel type.
    """

    handle: LibraryFile[Any]
    scene: int | None
    plane: Mapping[str, int]
    corner: tuple[int, int]
    size: tuple[int, int]
    pieces: NDArray[np.int64]
    shrinkages: tuple[int, ...]
    kind: str


def open_czi(path: Path, z: str, largest_bytes: int) -> list[ImageField]:
    """Return the images of a CZI file; see :func:`napari_diatom.images.tiff_reader.open_tiff`."""
    from pylibCZIrw.czi import CziReader

    handle = LibraryFile(path, lambda: CziReader(str(path)))
    try:
        with handle.reading() as reader:
            blocks = _blocks(reader)
            xml = str(reader.raw_metadata)
    finally:
        handle.close()
    if not blocks:
        raise InputError(f"{path} has no pixels: it is a CZI file without an image.")
    if unknown := next((block.kind for block in blocks if block.kind not in _PIXEL_BYTES), None):
        raise InputError(f"{path} holds {unknown} pixels, which are not supported; export it as TIFF with ZEN.")
    largest = max(block.stored_pixels * _PIXEL_BYTES[block.kind] for block in blocks)
    check_need(f"{path} has a tile that", largest, largest_bytes, "export it as tiled TIFF with ZEN")
    size, names = _described(path, xml)
    places = _by_place(blocks)
    scenes = sorted({scene for scene, _ in places})
    fields = []
    for (scene, _), stack in places.items():
        notices = []
        if len(scenes) > 1:
            name = f" ({quoted(names[scene])})" if names.get(scene) else ""
            notices.append(f"It is scene {scenes.index(scene) + 1} of {len(scenes)}{name}.")
        planes = _stack(handle, scene if scene >= 0 else None, stack)
        if any(_has_gaps(mosaic) for plane in planes for mosaic in plane):
            notices.append("Its mosaic has gaps, which were filled with the median of its pixels.")
        fields += image_fields_of(path, planes, z, _levels, FieldFacts(size, tuple(notices)))
    return fields


def _blocks(reader: Any) -> list[_Block]:
    """Return the pieces that a file lists; no pixel is read."""
    found: list[_Block] = []

    def take(_: int, block: Any) -> bool:
        at, stored = block.logicalRect, block.physicalSize
        if min(at.w, at.h, stored.w, stored.h) > 0:
            shrinkage = max(round(at.w / stored.w), 1)
            where = dict(block.coordinate.to_dict())
            found.append(_Block(at.x, at.y, at.w, at.h, shrinkage, where, block.pixelType.name, stored.w * stored.h))
        return True

    reader.enumerate_subblocks(take)
    return found


_Planes = dict[int, dict[int, list[_Block]]]
"""Pieces by focus plane and channel."""


def _by_place(blocks: Sequence[_Block]) -> dict[tuple[int, tuple[tuple[str, int], ...]], _Planes]:
    """Return the pieces by scene (-1 for none) and position on all axes that are neither focus nor channel."""
    places: dict[tuple[int, tuple[tuple[str, int], ...]], _Planes] = {}
    for block in blocks:
        other = tuple(sorted((axis, at) for axis, at in block.where.items() if axis not in "SZCM"))
        planes = places.setdefault((block.where.get("S", -1), other), {})
        planes.setdefault(block.where.get("Z", 0), {}).setdefault(block.where.get("C", 0), []).append(block)
    return {
        place: planes
        for place, planes in sorted(places.items())
        if any(block.shrinkage == 1 for channels in planes.values() for found in channels.values() for block in found)
    }


def _stack(handle: LibraryFile[Any], scene: int | None, planes: _Planes) -> list[list[_Mosaic]]:
    """Return the focus planes of a place with their channels; a plane that lacks one is left out."""
    whole = [block for channels in planes.values() for found in channels.values() for block in found]
    full = [block for block in whole if block.shrinkage == 1]
    left, top = min(block.x for block in full), min(block.y for block in full)
    right = max(block.x + block.width for block in full)
    bottom = max(block.y + block.height for block in full)
    sizes = {block.shrinkage for block in whole} - {1}
    most = max(len(channels) for channels in planes.values())
    stack = []
    for _, channels in sorted(planes.items()):
        if len(channels) < most:
            continue
        plane = []
        for _, found in sorted(channels.items()):
            pieces = [
                (block.x - left, block.y - top, block.x - left + block.width, block.y - top + block.height)
                for block in found
                if block.shrinkage == 1
            ]
            where = {axis: at for axis, at in found[0].where.items() if axis not in "SM"}
            plane.append(
                _Mosaic(
                    handle,
                    scene,
                    where,
                    (left, top),
                    (right - left, bottom - top),
                    np.array(pieces, dtype=np.int64).reshape(-1, 4),
                    (1, *sorted(sizes & {block.shrinkage for block in found})),
                    found[0].kind,
                )
            )
        stack.append(plane)
    return stack


def _has_gaps(mosaic: _Mosaic) -> bool:
    """Return whether there are places that no piece covers; a mosaic of very many pieces counts as one that has."""
    width, height = mosaic.size
    pieces = mosaic.pieces
    areas = (pieces[:, 2] - pieces[:, 0]) * (pieces[:, 3] - pieces[:, 1])
    if int(areas.sum()) < width * height:
        return True
    xs, ys = np.unique(pieces[:, [0, 2]]), np.unique(pieces[:, [1, 3]])
    if len(xs) * len(ys) > _MOST_CELLS:
        return True
    covered = np.zeros((len(ys) - 1, len(xs) - 1), dtype=bool)
    columns, rows = np.searchsorted(xs, pieces[:, [0, 2]]), np.searchsorted(ys, pieces[:, [1, 3]])
    for (x0, x1), (y0, y1) in zip(columns, rows, strict=True):
        covered[y0:y1, x0:x1] = True
    return not covered.all()


def _levels(mosaic: _Mosaic) -> list[Pixels]:
    """Return the pixels of a mosaic and of its reduced copies."""
    background = _Background(mosaic)
    return [CziPixels(mosaic, shrinkage, background) for shrinkage in mosaic.shrinkages]


class _Background:
    """What gaps of a mosaic are filled with, worked out when the first one is met."""

    def __init__(self, mosaic: _Mosaic) -> None:
        self._mosaic = mosaic
        self._value: NDArray[Any] | None = None

    def value(self) -> NDArray[Any]:
        """Return the median of each sample in pieces spread over the mosaic."""
        if self._value is None:
            pieces = self._mosaic.pieces
            chosen = np.unique(np.linspace(0, len(pieces) - 1, _SAMPLED_BLOCKS).astype(int))
            samples = []
            for x0, y0, x1, y1 in pieces[chosen].tolist():
                width, height = min(x1 - x0, _SAMPLE_SIDE), min(y1 - y0, _SAMPLE_SIDE)
                left, top = (x0 + x1 - width) // 2, (y0 + y1 - height) // 2
                values = _read(self._mosaic, left, top, width, height, 1)
                samples.append(values.reshape(-1, values.shape[2]))
            joined = np.concatenate(samples)
            self._value = np.median(joined, axis=0).astype(joined.dtype)
        return self._value


class CziPixels:
    """The pixels of a mosaic, or of a reduced copy of it; RGB where the file has BGR.

    Parameters
    ----------
    mosaic : _Mosaic
        Where it is in the file.
    shrinkage : int
        How many times smaller it is.
    background : _Background
        What gaps are filled with.
    """

    def __init__(self, mosaic: _Mosaic, shrinkage: int, background: _Background) -> None:
        self._mosaic = mosaic
        self._shrinkage = shrinkage
        self._background = background
        self.width, self.height = (max(side // shrinkage, 1) for side in mosaic.size)
        self.is_8_bit = mosaic.kind in ("Gray8", "Bgr24")

    def window(self, x0: int, y0: int, x1: int, y1: int) -> NDArray[Any]:
        """Return the values of a window. Raises InputError when the file has gone, or is damaged there."""
        step, (left, top, right, bottom) = self._shrinkage, (x0, y0, x1, y1)
        width, height = self._mosaic.size
        found = _read(
            self._mosaic,
            left * step,
            top * step,
            min(right * step, width) - left * step,
            min(bottom * step, height) - top * step,
            step,
        )
        missing = y1 - y0 - found.shape[0], x1 - x0 - found.shape[1]
        if max(missing) > 0:
            found = np.pad(found, ((0, max(missing[0], 0)), (0, max(missing[1], 0)), (0, 0)), mode="edge")
        values = found[: y1 - y0, : x1 - x0]
        if (bare := self._bare(x0, y0, x1, y1)).any():
            values = np.where(bare[..., None], self._background.value(), values)
        return values

    def _bare(self, x0: int, y0: int, x1: int, y1: int) -> NDArray[np.bool_]:
        """Return which pixels of a window no piece covers."""
        step, pieces = self._shrinkage, self._mosaic.pieces
        bare = np.ones((y1 - y0, x1 - x0), dtype=bool)
        first, last = pieces[:, :2] // step - (x0, y0), -(-pieces[:, 2:] // step) - (x0, y0)
        near = ((last > 0) & (first < (x1 - x0, y1 - y0))).all(axis=1)
        for (left, top), (right, bottom) in zip(
            np.maximum(first[near], 0).tolist(), np.maximum(last[near], 0).tolist(), strict=True
        ):
            bare[top:bottom, left:right] = False
        return bare

    def release(self) -> None:
        """Close the file; it is opened again when it is read again."""
        self._mosaic.handle.close()


def _read(mosaic: _Mosaic, x: int, y: int, width: int, height: int, shrinkage: int) -> NDArray[Any]:
    """Return what the file has of a window at full resolution, made smaller, as RGB or grey."""
    with mosaic.handle.reading() as reader:
        values: NDArray[Any] = reader.read(
            roi=(mosaic.corner[0] + x, mosaic.corner[1] + y, width, height),
            plane=dict(mosaic.plane),
            scene=mosaic.scene,
            zoom=1 / shrinkage,
            pixel_type=mosaic.kind,
            background_pixel=_NONE_BEHIND,
        )
        # The library's array goes with its bitmap.
        return np.array(values[..., ::-1] if values.shape[2] == 3 else values)


def _described(path: Path, xml: str) -> tuple[PixelSize, dict[int, str]]:
    """Return the pixel size, and the names of scenes, of a file's metadata."""
    try:
        root = text_files.parse_xml(xml, path, "XML")
    except InputError:
        return PixelSize.unknown("The file's metadata are damaged"), {}
    sides: dict[str, float] = defaultdict(float)
    for distance in root.iter("Distance"):
        try:
            sides[distance.get("Id", "")] = float(distance.findtext("Value") or 0) * 1e6
        except ValueError:
            continue
    names = {
        int(index): name
        for scene in root.iter("Scene")
        if (index := scene.get("Index", "")).isdigit() and (name := scene.get("Name", ""))
    }
    along_x, along_y = sides["X"], sides["Y"]
    if not (0 < along_x < 1e12 and 0 < along_y < 1e12):
        return NOT_STATED, names
    return stated(along_x, along_y, "czi"), names
