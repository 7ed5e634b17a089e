"""Images that are in memory alone, saved as TIFF so that a project can have them."""

from __future__ import annotations

import filecmp
from pathlib import Path
from typing import Any, Final

import numpy as np
import tifffile

from napari_diatom.core.atomic_files import atomic, put, temporary_of
from napari_diatom.core.errors import InputError
from napari_diatom.project.settings import free_id

SAVED_IMAGES: Final = "images"
"""Folder in a project for images that had no file."""
_CM_UM: Final = 10_000.0


def save_image(folder: Path, name: str, pixels: Any, rgb: bool, pixel_size_um: float | None = None) -> Path:
    """Save one plane as TIFF and return its file; the same pixels under the same name are saved once.

    Parameters
    ----------
    folder : Path
        Made where it is missing.
    name : str
        Name of the image.
    pixels : array-like, shape (Y, X) or (Y, X, 3 or 4)
        A numpy, dask or zarr array.
    rgb : bool
        Whether the last axis holds colours.
    pixel_size_um : float, optional
        Micrometres per pixel, for the resolution in the file.

    Raises
    ------
    InputError
        When TIFF files do not hold such pixels.
    OutputError
        When the file cannot be written.
    """
    plane = np.ascontiguousarray(pixels)
    if plane.dtype == np.bool_:
        plane = plane.astype(np.uint8) * np.uint8(255)
    if plane.ndim != (3 if rgb else 2) or plane.dtype.kind not in "uif" or not plane.size:
        raise InputError(f"{name} cannot be saved as TIFF: it has the shape {plane.shape} and the type {plane.dtype}.")
    resolution: dict[str, Any] = {}
    if pixel_size_um is not None:
        per_cm = _CM_UM / pixel_size_um
        resolution = {"resolution": (per_cm, per_cm), "resolutionunit": "CENTIMETER"}
    stem = free_id(Path(name).name or "image", ())
    fresh = folder / f"{stem}.new.tif"
    with atomic(fresh) as stream:
        tifffile.imwrite(stream, plane, photometric="rgb" if rgb else "minisblack", metadata=None, **resolution)
    number = 1
    while True:
        path = folder / (f"{stem}.tif" if number == 1 else f"{stem}-{number}.tif")
        if not path.exists():
            put(fresh, path)
            return path
        if path.is_file() and filecmp.cmp(fresh, path, shallow=False):
            fresh.unlink()
            temporary_of(fresh).unlink(missing_ok=True)
            return path
        number += 1
