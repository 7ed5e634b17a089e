"""LIF, LOF and XLIF files of LAS X, by liffile: each image, time and tile is a field, and pixels are mapped.

liffile lists the images and finds their memory blocks. Where the values of a plane lie in a block is worked out here,
so that a window of any layout is read without its frame.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_diatom.core.errors import InputError
from napari_diatom.core.text import quoted
from napari_diatom.images.decoding_errors import decoding
from napari_diatom.images.image_fields import FieldFacts, ImageField, image_fields_of
from napari_diatom.images.microscopes.mapped_pixels import MappedPixels, PixelLayout
from napari_diatom.images.microscopes.xlif_links import SUFFIX, linked_files
from napari_diatom.images.pixel_size import NOT_STATED, PixelSize, stated
from napari_diatom.images.planes import Pixels

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_X, _Y, _Z, _MOSAIC = 1, 2, 3, 10
"""Numbers of axes (``DimID``); all others are times, rotations and positions, and give fields."""
_COLOURS: Final = (1, 2, 3)
"""Tags of red, green and blue channels."""
_DESCRIPTION: Final = "./Data/Image/ImageDescription"
_MOST_PLANES: Final = 200_000


@dataclass(frozen=True)
class _Axis:
    """An axis of an image: its number, length, bytes from one element to the next, and extent in metres."""

    id: int
    length: int
    stride: int
    extent_m: float


@dataclass(frozen=True)
class _Channel:
    """A channel: bytes from the first one, the type of its values, and its tag."""

    offset: int
    dtype: np.dtype[Any]
    tag: int


def open_lif(path: Path, z: str, largest_bytes: int) -> list[ImageField]:
    """Return the images of a LIF, LOF or XLIF file; see :func:`napari_diatom.images.tiff_reader.open_tiff`.

    Its pixels are not compressed, so ``largest_bytes`` is not used.
    """
    from liffile import LifFile

    source = _pixels_of(path)
    found: list[tuple[str, Element, int, int]] = []
    with decoding(path, "is a damaged file of LAS X"), LifFile(source) as file:
        for image in file.images:
            element = image.xml_element
            if element.find(_DESCRIPTION) is not None:
                block = image.memory_block
                found.append((str(image.path), element, int(block.offset), int(block.size)))
    fields = []
    with decoding(path, "is a damaged file of LAS X"):
        pictures = [(name, *_layout(path, element), place) for name, element, *place in found]
        shown = [picture for picture in pictures if {_X, _Y} <= {axis.id for axis in picture[1] if axis.length > 1}]
        for number, (name, axes, channels, (start, size)) in enumerate(shown, start=1):
            of_many = (f"It is image {number} of {len(shown)} ({quoted(name)}).",) if len(shown) > 1 else ()
            fields += _fields(source, axes, channels, (start, size), z, of_many)
    if not fields:
        raise InputError(f"{path} has no pictures: it holds lines, spectra or nothing.")
    return fields


def _pixels_of(path: Path) -> Path:
    """Return the file that holds the pixels."""
    if path.suffix.lower() != SUFFIX:
        return path
    links = linked_files(path)
    if len(links) != 1 or links[0].suffix.lower() != ".lof":
        raise InputError(f"{path} does not name one LOF file beside it: export the image as TIFF or LIF with LAS X.")
    if not links[0].is_file():
        raise InputError(f"{path} names {links[0]}, which does not exist: copy it there.")
    return links[0]


def _layout(path: Path, element: Element) -> tuple[list[_Axis], list[_Channel]]:
    """Return the axes and channels that an image describes."""
    axes = []
    for item in element.iterfind(f"{_DESCRIPTION}/Dimensions/DimensionDescription"):
        length, stride = int(item.get("NumberOfElements", "1")), int(item.get("BytesInc", "0"))
        metres = float(item.get("Length", "0")) if item.get("Unit", "") == "m" else 0.0
        axes.append(_Axis(int(item.get("DimID", "0")), length, stride, metres))
    channels = []
    for item in element.iterfind(f"{_DESCRIPTION}/Channels/ChannelDescription"):
        bits, kind = int(item.get("Resolution", "0")), "f" if item.get("DataType") == "1" else "u"
        width = next((width for width in (1, 2, 4, 8) if 0 < bits <= 8 * width), 0)
        if not width or (kind == "f" and width == 1):
            raise InputError(f"{path} holds pixels of a kind that is not supported.")
        tag = int(item.get("ChannelTag", "0"))
        channels.append(_Channel(int(item.get("BytesInc", "0")), np.dtype(f"<{kind}{width}"), tag))
    if not channels or any(axis.length < 1 or axis.stride < 0 for axis in axes):
        raise InputError(f"{path} is damaged: it does not say how its pixels are stored.")
    return axes, channels


def _fields(
    path: Path,
    axes: Sequence[_Axis],
    channels: Sequence[_Channel],
    block: tuple[int, int],
    z: str,
    notices: tuple[str, ...],
) -> list[ImageField]:
    """Return the fields of an image whose memory block, its place and size in bytes, is given."""
    start, held = block
    x, y = (next(axis for axis in axes if axis.id == number) for number in (_X, _Y))
    depth = next((axis for axis in axes if axis.id == _Z), _Axis(_Z, 1, 0, 0.0))
    others = [axis for axis in axes if axis.id not in (_X, _Y, _Z)]
    planes = depth.length
    for axis in others:
        planes *= axis.length
    if planes > _MOST_PLANES:
        raise InputError(f"{path} claims {planes:,} planes, which cannot be right.")
    shape = y.length, x.length

    def opened(layout: PixelLayout) -> list[Pixels]:
        first, last = layout.span()
        if first < start or last > start + held:
            raise InputError(f"{path} is damaged: some of its pixels lie outside of their image.")
        return [MappedPixels(path, layout)]

    fields = []
    for at in itertools.product(*(range(axis.length) for axis in others)):
        place = start + sum(index * axis.stride for index, axis in zip(at, others, strict=True))
        stack = [
            [
                PixelLayout(place + number * depth.stride + offset, (*shape, samples), (y.stride, x.stride, step), kind)
                for offset, samples, step, kind in _samples(channels)
            ]
            for number in range(depth.length)
        ]
        said = [*notices]
        for index, axis in zip(at, others, strict=True):
            if axis.id == _MOSAIC and axis.length > 1:
                said.append(
                    f"It is tile {index + 1} of {axis.length} of a tile scan. Tiles may overlap: count the image that "
                    "LAS X merges, or specimens on their edges are counted twice."
                )
        fields += image_fields_of(path, stack, z, opened, FieldFacts(_pixel_size(x, y), tuple(said)))
    return fields


def _samples(channels: Sequence[_Channel]) -> list[tuple[int, int, int, np.dtype[Any]]]:
    """Return the start, samples, distance of samples and type of each channel; red, green and blue are one."""
    by_tag = {channel.tag: channel for channel in channels}
    if len(channels) == len(_COLOURS) and set(by_tag) == set(_COLOURS):
        red, green, blue = (by_tag[tag] for tag in _COLOURS)
        if red.dtype == green.dtype == blue.dtype and green.offset - red.offset == blue.offset - green.offset:
            return [(red.offset, len(_COLOURS), green.offset - red.offset, red.dtype)]
    return [(channel.offset, 1, channel.dtype.itemsize, channel.dtype) for channel in channels]


def _pixel_size(x: _Axis, y: _Axis) -> PixelSize:
    """Return the pixel size: the extent of an axis is from its first pixel to its last one."""
    along_x, along_y = (abs(axis.extent_m) / (axis.length - 1) * 1e6 for axis in (x, y))
    if not (0 < along_x < 1e12 and 0 < along_y < 1e12):
        return NOT_STATED
    return stated(along_x, along_y, "lif")
