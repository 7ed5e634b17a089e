"""Opens the images of a file or folder of any kind, which its first bytes tell."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from napari_diatom.core.atomic_files import reason
from napari_diatom.core.errors import InputError
from napari_diatom.images.image_fields import ImageField
from napari_diatom.images.image_files import irregular
from napari_diatom.images.microscopes.kinds import EXTRA, OPENSLIDE, folder_kind, kind_of
from napari_diatom.images.pixel_size import NOT_STATED
from napari_diatom.images.raster_reader import RasterPixels
from napari_diatom.images.tiff_pixels import UnsupportedPixelsError
from napari_diatom.images.tiff_reader import is_tiff, open_tiff

_SLIDES: Final = (".svs", ".ndpi", ".scn")
"""Slides in TIFF that OpenSlide reads where their pixels are of a kind that the TIFF reader refuses."""


def open_fields(path: Path, z: str, largest_bytes: int) -> list[ImageField]:
    """Return the images of a file or folder, at least one, as ``open_images`` describes it."""
    head = _head(path)
    if path.is_dir():
        if (folder := folder_kind(path)) is None:
            raise InputError(f"{path} is a folder; an image file is needed.")
        return folder.open(path, z, largest_bytes)
    kind = kind_of(path, head)
    if kind is not None and not is_tiff(head):
        return kind.open(path, z, largest_bytes)
    if not head:
        raise InputError(f"{path} is empty: it has no bytes.")
    if not is_tiff(head):
        picture = RasterPixels(path, head, largest_bytes)
        return [ImageField((picture,), NOT_STATED, orientation=picture.orientation)]
    try:
        fields = open_tiff(path, z, largest_bytes)
    except UnsupportedPixelsError as error:
        if path.suffix.lower() not in _SLIDES:
            raise
        if not OPENSLIDE.is_installed():
            raise InputError(f"{error} OpenSlide may read it: {EXTRA}.") from error
        return OPENSLIDE.open(path, z, largest_bytes)
    if not fields:
        raise InputError(f"{path} has no pixels: it is a TIFF file without pages.")
    return fields


def _head(path: Path) -> bytes:
    """Return the first bytes of a regular file, none of a folder: a pipe or device would be waited for without end."""
    try:
        if fault := irregular(path):
            raise InputError(fault)
        if path.is_dir():
            return b""
        with path.open("rb") as stream:
            return stream.read(32)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {reason(error)}") from error
    except ValueError:
        raise InputError(f"{str(path)!r} is not the name of a file.") from None
