"""Whole slides by OpenSlide: MRXS, and those of slide scanners' TIFF files whose pixels the TIFF reader refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.errors import InputError
from napari_diatom.images.image_fields import FieldFacts, ImageField, image_fields_of
from napari_diatom.images.microscopes.library_file import LibraryFile
from napari_diatom.images.pixel_size import NOT_STATED, PixelSize, stated
from napari_diatom.images.planes import Pixels

_WHITE: Final = (255, 255, 255)
_MOST_LEVELS: Final = 32


def open_with_openslide(path: Path, z: str, largest_bytes: int) -> list[ImageField]:
    """Return the image of a slide; see :func:`napari_diatom.images.tiff_reader.open_tiff`.

    OpenSlide bounds the memory of what it decodes itself, so ``largest_bytes`` is not used.
    """
    from openslide import OpenSlide

    handle = LibraryFile(path, lambda: OpenSlide(str(path)))
    try:
        with handle.reading() as slide:
            stated_facts = dict(slide.properties)
            sizes = [(int(width), int(height)) for width, height in slide.level_dimensions][:_MOST_LEVELS]
    finally:
        handle.close()
    whole = sizes[0]
    box = _scanned(stated_facts, whole)
    levels: list[Pixels] = [
        OpenslidePixels(handle, level, box, (whole[0] / size[0], whole[1] / size[1]), _background(stated_facts))
        for level, size in enumerate(sizes)
    ]
    return image_fields_of(path, [[levels]], z, lambda part: part, FieldFacts(_pixel_size(stated_facts)))


def _scanned(facts: dict[str, str], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the part of a slide that was scanned: left, top, width and height at full resolution."""
    names = ("x", "y", "width", "height")
    try:
        left, top, width, height = (int(facts[f"openslide.bounds-{name}"]) for name in names)
    except (KeyError, ValueError):
        return 0, 0, *size
    left, top = min(max(left, 0), size[0] - 1), min(max(top, 0), size[1] - 1)
    return left, top, max(min(width, size[0] - left), 1), max(min(height, size[1] - top), 1)


def _pixel_size(facts: dict[str, str]) -> PixelSize:
    """Return the pixel size that a slide states."""
    try:
        along_x, along_y = (float(facts[f"openslide.mpp-{axis}"]) for axis in "xy")
    except (KeyError, ValueError):
        return NOT_STATED
    return stated(along_x, along_y, "openslide") if 0 < along_x < 1e12 and 0 < along_y < 1e12 else NOT_STATED


def _background(facts: dict[str, str]) -> tuple[int, int, int]:
    """Return the colour of what was not scanned, as the slide states it; white otherwise."""
    text = facts.get("openslide.background-color", "")
    try:
        number = int(text, 16)
    except ValueError:
        return _WHITE
    return (number >> 16 & 255, number >> 8 & 255, number & 255) if len(text) == 6 else _WHITE


class OpenslidePixels:
    """The pixels of a level of a slide.

    Parameters
    ----------
    handle : LibraryFile
        The file.
    level : int
        Number of the level.
    box : tuple of int
        Left, top, width and height of what was scanned, at full resolution.
    shrinkage : tuple of float
        How many times narrower and lower the level is.
    background : tuple of int
        Colour of what was not scanned.
    """

    is_8_bit = True

    def __init__(
        self,
        handle: LibraryFile[Any],
        level: int,
        box: tuple[int, int, int, int],
        shrinkage: tuple[float, float],
        background: tuple[int, int, int],
    ) -> None:
        self._handle = handle
        self._level = level
        self._corner = box[:2]
        self._shrinkage = shrinkage
        self._background = background
        self.width = max(round(box[2] / shrinkage[0]), 1)
        self.height = max(round(box[3] / shrinkage[1]), 1)

    def window(self, x0: int, y0: int, x1: int, y1: int) -> NDArray[Any]:
        """Return a window as RGB. Raises InputError when the file has gone, or is damaged there."""
        across, down = self._shrinkage
        corner = round(self._corner[0] + x0 * across), round(self._corner[1] + y0 * down)
        try:
            with self._handle.reading() as slide:
                values = np.asarray(slide.read_region(corner, self._level, (x1 - x0, y1 - y0)))
        except InputError:
            # OpenSlide reads nothing more of a slide after a first error.
            self._handle.close()
            raise
        share = values[..., 3:].astype(np.float32) / 255
        colour = np.array(self._background, dtype=np.float32)
        if (share == 1).all():
            return values[..., :3]
        return np.rint(values[..., :3] * share + colour * (1 - share)).astype(np.uint8)

    def release(self) -> None:
        """Close the file; it is opened again when it is read again."""
        self._handle.close()
