"""TIFF files of every kind: their images, each with its planes, channels and reduced copies.

The directories are looked over within bounds (``tiff_ifds``) before tifffile reads them; ``tiff_axes`` tells what the
pages are to each other, and ``tiff_pixels`` reads them window by window.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from napari_diatom.core import text_files
from napari_diatom.core.errors import InputError
from napari_diatom.images import orientation
from napari_diatom.images import pixel_size as pixelsize
from napari_diatom.images.decoding_errors import decoding
from napari_diatom.images.image_fields import FieldFacts, ImageField, image_fields_of
from napari_diatom.images.pixel_size import PixelSize
from napari_diatom.images.planes import PAGES, Pixels
from napari_diatom.images.tiff_axes import each_page, scenes
from napari_diatom.images.tiff_directories import scan_directories
from napari_diatom.images.tiff_pixels import Segments, TiffPixels
from napari_diatom.images.tiff_scenes import Part, Scene

_XMP: Final = 700
_STK: Final = 33628
_LSM: Final = 34412
_FLEX: Final = 65200
_CUT_OFF: Final = "The file names a further page beyond its end: it was cut short, and pages are missing."


def is_tiff(head: bytes) -> bool:
    """Return whether a file starts like a TIFF or BigTIFF file."""
    return head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def open_tiff(path: Path, z: str, largest_bytes: int) -> list[ImageField]:
    """Return the images of a TIFF file; the reduced copies of a pyramid are levels, not images.

    Parameters
    ----------
    path : Path
        The file.
    z : str
        What is taken of focus series; see :func:`napari_diatom.images.planes.checked_z`.
    largest_bytes : int
        Beyond which a tile or strip is refused before it is decoded.

    Raises
    ------
    InputError
        When the file is damaged, truncated, holds pixels of an unknown kind, or a stack has no plane of that number.
    """
    import tifffile

    with decoding(path, "is a damaged TIFF file"):
        directories = scan_directories(path)
        # A lone page of an LSM file has none of the thumbnails that tifffile looks for.
        flags: dict[str, Any] = {"is_ndpi": directories.is_ndpi, "is_scanimage": False}
        if directories.pages < 2:
            flags["is_lsm"] = False
        with tifffile.TiffFile(path, _multifile=False, **flags) as file:
            if not file.pages:
                return []
            sizes = pixelsize.from_ome(file.ome_metadata) if file.is_ome and file.ome_metadata else []
            imagej = file.imagej_metadata if file.is_imagej else None
            found = each_page(file) if z == PAGES else scenes(path, file)
            if directories.ends_early:
                found = [replace(scene, notices=(*scene.notices, _CUT_OFF)) for scene in found]
            return [
                field
                for scene in found
                for field in _fields(path, scene, z, largest_bytes, _size(path, scene, sizes, imagej))
            ]


def _fields(path: Path, scene: Scene, z: str, largest_bytes: int, size: PixelSize) -> list[ImageField]:
    """Return the images that a scene comes to: one, or one for each of its focus planes."""
    segments = Segments()

    def opened(part: Part) -> list[Pixels]:
        return [
            TiffPixels(path, page, largest_bytes, segments, part.within, part.depth, part.sample) for page in part.pages
        ]

    turn = orientation.valid(_key(scene.stack[0][0]).tags.valueof(orientation.TAG))
    return image_fields_of(path, scene.stack, z, opened, FieldFacts(size, scene.notices, turn))


def _key(part: Part) -> Any:
    """Return the page that has the tags of a part."""
    return part.pages[0].keyframe or part.pages[0]


def _size(path: Path, scene: Scene, ome: Sequence[PixelSize], imagej: dict[str, Any] | None) -> PixelSize:
    """Return the pixel size of a scene: as its own metadata state it, else the tags of its page."""
    page = _key(scene.stack[0][0])
    if scene.pixel_size_um is not None:
        return pixelsize.stated(scene.pixel_size_um, scene.pixel_size_um, "tiff")
    number = scene.image if scene.image is not None else 0
    if number < len(ome) and ome[number] != pixelsize.NOT_STATED:
        return ome[number]
    if (size := _microscope_size(path, page)) is not None:
        return size
    unit = page.tags.valueof(296)
    return pixelsize.from_tiff_tags(
        page.tags.valueof(282), page.tags.valueof(283), unit if isinstance(unit, int) else 2, imagej
    )


def _microscope_size(path: Path, page: Any) -> PixelSize | None:
    """Return the pixel size that a microscope's or scanner's own metadata state, None where there are none."""
    if page.is_svs and (found := re.search(r"\bMPP\s*=\s*([0-9.]{1,20})", page.description)):
        return _in_unit(found[1], "µm")
    if isinstance(lsm := page.tags.valueof(_LSM), dict):
        return _in_unit(lsm.get("VoxelSizeX"), "m", lsm.get("VoxelSizeY"))
    if isinstance(stk := page.tags.valueof(_STK), dict) and stk.get("SpatialCalibration"):
        return _in_unit(stk.get("XCalibration"), str(stk.get("CalibrationUnits", "")), stk.get("YCalibration"))
    if page.is_bif:
        return _in_unit(_entry(path, page.tags.valueof(_XMP), "iScan", "ScanRes"), "µm")
    if _FLEX in page.tags:
        text = page.tags.valueof(_FLEX)
        return _in_unit(_entry(path, text, "ImageResolutionX"), _entry(path, text, "ImageResolutionX", "Unit") or "m")
    return None


def _in_unit(value: Any, unit: str, other: Any = None) -> PixelSize | None:
    """Return a pixel size that is stated in a unit of length; None where it is not a number above 0."""
    try:
        sides = [float(value), float(value if other is None else other)]
    except (TypeError, ValueError):
        return None
    if not all(0 < side < 1e12 for side in sides):
        return None
    return pixelsize.from_tiff_tags((1.0, sides[0]), (1.0, sides[1]), 1, {"unit": unit})


def _entry(path: Path, text: Any, name: str, attribute: str | None = None) -> str | None:
    """Return the text, or an attribute, of the first XML element of a name."""
    if not isinstance(text, str | bytes):
        return None
    try:
        root = text_files.parse_xml(text.strip("\0 ") if isinstance(text, str) else text.strip(b"\0 "), path, "XML")
    except InputError:
        return None
    for element in root.iter():
        if element.tag.rpartition("}")[2] == name:
            return element.text if attribute is None else element.get(attribute)
    return None
