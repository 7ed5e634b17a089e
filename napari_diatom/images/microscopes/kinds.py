"""Which library reads which files of microscopes, and what to install where it is missing."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from napari_diatom.core.errors import InputError
from napari_diatom.images.image_fields import ImageField
from napari_diatom.images.microscopes import xlif_links, zarr_reader
from napari_diatom.images.microscopes.czi_reader import open_czi
from napari_diatom.images.microscopes.lif_reader import open_lif
from napari_diatom.images.microscopes.nd2_reader import open_nd2
from napari_diatom.images.microscopes.openslide_reader import open_with_openslide
from napari_diatom.images.microscopes.zarr_reader import open_zarr

EXTRA: Final = 'pip install "napari-diatom[microscopes]"'
"""What installs the libraries."""
FOLDERS: Final = zarr_reader.SUFFIXES
"""Folders that are images, by the ends of their names; others are known by :func:`is_image_folder`."""

Opener = Callable[[Path, str, int], list[ImageField]]


@dataclass(frozen=True)
class MicroscopeFormat:
    """A kind of file.

    Attributes
    ----------
    title : str
        What it is called.
    package : str
        What is imported to read it.
    opener : callable
        Opens the file.
    """

    title: str
    package: str
    opener: Opener

    def open(self, path: Path, z: str, largest_bytes: int) -> list[ImageField]:
        """Return the images of a file; see :func:`napari_diatom.images.tiff_reader.open_tiff`.

        Raises
        ------
        InputError
            When the file cannot be read, or the library is not installed.
        """
        if not self.is_installed():
            raise InputError(self.missing(path))
        return self.opener(path, z, largest_bytes)

    def missing(self, path: Path) -> str:
        """Return what to do about a file whose library is not installed, as sentences."""
        return f"{path} is in the format {self.title}, and what reads it is not installed. Type: {EXTRA}."

    def is_installed(self) -> bool:
        """Return whether the library is there."""
        return importlib.util.find_spec(self.package) is not None


_CZI: Final = MicroscopeFormat("CZI", "pylibCZIrw", open_czi)
_ND2: Final = MicroscopeFormat("ND2", "nd2", open_nd2)
_LAS: Final = MicroscopeFormat("LIF of LAS X", "liffile", open_lif)
_ZARR: Final = MicroscopeFormat("OME-Zarr", "zarr", open_zarr)
OPENSLIDE: Final = MicroscopeFormat("MRXS", "openslide", open_with_openslide)
"""The library for MRXS, and for slides in TIFF whose pixels the TIFF reader refuses."""
_BY_SUFFIX: Final = {
    ".czi": _CZI,
    ".nd2": _ND2,
    **dict.fromkeys((".lif", ".lof", xlif_links.SUFFIX), _LAS),
    ".mrxs": OPENSLIDE,
    **dict.fromkeys((*zarr_reader.ZIPPED, *FOLDERS), _ZARR),
}
SUFFIXES: Final = tuple(suffix for suffix in _BY_SUFFIX if suffix not in FOLDERS)
"""Files that are read, in small letters."""
IN_WINDOW: Final = (*SUFFIXES, *FOLDERS, ".svs", ".ndpi", ".scn")
"""Files and folders that the plugin opens in napari: those that can be large, or that napari does not read."""


def not_installed(path: Path) -> str | None:
    """Return what to do about a file, by its name, whose library is not installed; None for all others."""
    name = path.name.lower()
    kind = next((kind for suffix, kind in _BY_SUFFIX.items() if name.endswith(suffix)), None)
    return None if kind is None or kind.is_installed() else kind.missing(path)


def kind_of(path: Path, head: bytes) -> MicroscopeFormat | None:
    """Return the kind of a file from its first bytes and, where these are not enough, its name; None for others."""
    name = path.name.lower()
    if head[:10] == b"ZISRAWFILE":
        return _CZI
    if head[:4] == b"\xda\xce\xbe\x0a" or (name.endswith(".nd2") and head[:4] == b"\0\0\0\x0c"):
        return _ND2
    if (head[:4] == b"\x70\0\0\0" and head[8:9] == b"\x2a") or name.endswith(xlif_links.SUFFIX):
        return _LAS
    if head[:4] == b"PK\x03\x04" and name.endswith(zarr_reader.ZIPPED):
        return _ZARR
    return OPENSLIDE if name.endswith(".mrxs") else None


def folder_kind(path: Path) -> MicroscopeFormat | None:
    """Return the kind of an image that is a folder, None for other folders."""
    return _ZARR if is_image_folder(path) else None


def is_image_folder(path: Path) -> bool:
    """Return whether a folder is an image in itself: OME-Zarr, whatever its name. Raises OSError as looking does."""
    return any((path / mark).is_file() for mark in zarr_reader.MARKS)
