"""Label images as TIFF: the value of a pixel is the number of its specimen, 0 is the background.

16 bits, or 32 where there are more specimens; tiled and compressed, written band by band, so that memory does not grow
with the image. Fiji, QuPath, CellProfiler and napari read them. Where specimens overlap, the smaller one is seen:
:func:`overlap` says beforehand what a label image would leave out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.detections import Detections
from napari_diatom.errors import InputError
from napari_diatom.files import atomic, reason
from napari_diatom.labelling import Labels, Overlap, Painter, from_labels

SUFFIXES: Final = (".tif", ".tiff")
TILE: Final = 256
"""Side of the file's tiles in pixels."""
CLASSIC: Final = 2**31
"""Bytes of pixels from which a file is written as BigTIFF."""


def overlap(detections: Detections, height: int, width: int, numbers: ArrayLike | None = None) -> Overlap:
    """Return what a label image would leave out.

    Raises
    ------
    InputError
        See :meth:`napari_diatom.labelling.Painter.of`.
    """
    return Painter.of(detections, numbers, height, width).overlap()


def write(
    path: Path,
    detections: Detections,
    height: int,
    width: int,
    numbers: ArrayLike | None = None,
    pixel_size_um: float | None = None,
) -> None:
    """Write specimens as a label image, whole or not at all.

    Parameters
    ----------
    path : Path
        The file.
    detections : Detections
        The specimens; those without masks are painted as their boxes.
    height, width : int
        Of the image, in pixels.
    numbers : array-like of int, shape (N,), optional
        Values of the specimens; from 1 by default.
    pixel_size_um : float, optional
        Micrometres per pixel, kept as the file's resolution.

    Raises
    ------
    InputError
        When a mask reaches beyond the image, or the numbers are not different and above 0.
    OutputError
        When the file cannot be written.
    """
    import tifffile

    painter = Painter.of(detections, numbers, height, width)
    resolution: dict[str, Any] = (
        {} if pixel_size_um is None else {"resolution": (1e4 / pixel_size_um,) * 2, "resolutionunit": 3}
    )
    with (
        atomic(path) as stream,
        tifffile.TiffWriter(stream, bigtiff=height * width * painter.dtype.itemsize >= CLASSIC) as file,
    ):
        file.write(
            _tiles(painter),
            shape=(height, width),
            dtype=painter.dtype,
            tile=(TILE, TILE),
            photometric="minisblack",
            compression="zlib",
            metadata=None,
            software="napari-diatom",
            **resolution,
        )


def _tiles(painter: Painter) -> Iterator[Labels]:
    """Yield the tiles of an image row by row, each of full size."""
    for begin in range(0, painter.height, TILE):
        band = painter.rows(begin, min(begin + TILE, painter.height))
        padded = np.pad(band, ((0, TILE - len(band)), (0, -painter.width % TILE)))
        for left in range(0, padded.shape[1], TILE):
            yield np.ascontiguousarray(padded[:, left : left + TILE])


def read(path: Path, height: int | None = None, width: int | None = None) -> tuple[NDArray[np.int64], Detections]:
    """Read the specimens of a label image; see :func:`napari_diatom.labelling.from_labels`.

    Parameters
    ----------
    path : Path
        A TIFF file with one plane of whole numbers.
    height, width : int, optional
        Of the image that it belongs to, in pixels.

    Raises
    ------
    InputError
        When the file cannot be read, is no plane of whole numbers, or is of another size than its image.
    """
    import tifffile

    try:
        labels = tifffile.imread(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {reason(error)}") from error
    except (tifffile.TiffFileError, ValueError, RuntimeError, KeyError, IndexError) as error:
        raise InputError(f"{path} is no readable TIFF file: {' '.join(str(error).split())}") from error
    while labels.ndim > 2 and labels.shape[0] == 1:
        labels = labels[0]
    if labels.ndim == 2 and ((height or labels.shape[0]), (width or labels.shape[1])) != labels.shape:
        raise InputError(
            f"{path} has {labels.shape[1]} x {labels.shape[0]} pixels, its image {width} x {height}: it belongs to "
            "another image, or one of both was resized."
        )
    return from_labels(labels, str(path))
