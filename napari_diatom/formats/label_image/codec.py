"""Label images as TIFF: the value of a pixel is the number of its specimen, 0 is the background.

Each page of a file is an image of its own. 16 bits, or 32 where there are more specimens; tiled and compressed, written
tile by tile, so that memory does not grow with the image. Fiji, QuPath, CellProfiler and napari read them. Where
specimens overlap, the smaller one is seen: :func:`hidden_pixels` says beforehand what a label image would leave out.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.core.atomic_files import atomic, reason
from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import InputError
from napari_diatom.formats.label_image.painting import LabelPainter, Overlap, detections_from_label_image

SUFFIXES: Final = (".tif", ".tiff")
SOFTWARE: Final = "napari-diatom"
TILE: Final = 256
"""Side of the file's tiles in pixels."""
LARGEST: Final = 2**30
"""Bytes that the label images of a file may decode to."""
RATIO: Final = 2000
"""How many times larger than the file they may be, where they are large: deflate and LZW reach about 1,400."""
SMALL: Final = 2**26
"""Bytes below which the ratio is not asked for."""
MOST: Final = 2**36
"""Pixels that a label image may have which is written; a slide of 20 x 50 mm at 0.15 um per pixel has 2**35.4."""
CLASSIC: Final = 2**31
"""Bytes of pixels from which a file is written as BigTIFF."""


def hidden_pixels(detections: Detections, height: int, width: int, numbers: ArrayLike | None = None) -> Overlap:
    """Return what a label image would leave out.

    Raises
    ------
    InputError
        See :meth:`napari_diatom.formats.label_image.painting.LabelPainter.of`.
    """
    return LabelPainter.of(detections, numbers, height, width).overlap()


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
        When a mask reaches beyond the image, the image is absurdly large, or the numbers are not different and above 0.
    OutputError
        When the file cannot be written.
    """
    import tifffile

    if height * width > MOST:
        raise InputError(f"A label image of {width:,} x {height:,} pixels is absurdly large; {MOST:,} are written.")
    painter = LabelPainter.of(detections, numbers, height, width)
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
            software=SOFTWARE,
            **resolution,
        )


def is_written_here(path: Path) -> bool:
    """Return whether a file is a label image of this program, and not a picture or what another program wrote."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            return file.pages.first.software == SOFTWARE
    except (OSError, ValueError, IndexError, tifffile.TiffFileError):
        return False


def _tiles(painter: LabelPainter) -> Iterator[bytes]:
    """Yield the compressed tiles of an image row by row, each of full size.

    Those without a specimen, as nearly all of a large image, are compressed once.
    """
    touched: dict[tuple[int, int], list[int]] = {}
    for i, mask in enumerate(painter.masks):
        x0, y0, x1, y1 = mask.bounds
        for row in range(y0 // TILE, -(-y1 // TILE)):
            for column in range(x0 // TILE, -(-x1 // TILE)):
                touched.setdefault((row, column), []).append(i)
    empty = zlib.compress(bytes(TILE * TILE * painter.dtype.itemsize))
    for row in range(-(-painter.height // TILE)):
        for column in range(-(-painter.width // TILE)):
            chosen = touched.get((row, column))
            if chosen is None:
                yield empty
            else:
                left, top = column * TILE, row * TILE
                yield zlib.compress(painter.part(left, top, left + TILE, top + TILE, chosen).tobytes())


def read(path: Path, height: int | None = None, width: int | None = None) -> tuple[NDArray[np.int64], Detections]:
    """Read the specimens of a label image.

    See :func:`napari_diatom.formats.label_image.painting.detections_from_label_image`.

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
    planes = list(_planes(path))
    if len(planes) != 1:
        raise InputError(f"{path} has {len(planes)} pages; a label image of one is needed.")
    labels = planes[0]
    if labels.ndim == 2 and ((height or labels.shape[0]), (width or labels.shape[1])) != labels.shape:
        raise InputError(
            f"{path} has {labels.shape[1]} x {labels.shape[0]} pixels, its image {width} x {height}: it belongs to "
            "another image, or one of both was resized."
        )
    return detections_from_label_image(labels, str(path))


def read_pages(path: Path) -> list[tuple[tuple[int, int], Detections]]:
    """Read the specimens of every page of a file, each with the page's height and width.

    Raises
    ------
    InputError
        When the file cannot be read, a page is not a plane of whole numbers, or they would be absurdly large.
    """
    pages = []
    for number, plane in enumerate(_planes(path), start=1):
        _, found = detections_from_label_image(plane, str(path) if number == 1 else f"{path} page {number}")
        pages.append(((plane.shape[0], plane.shape[1]), found))
    return pages


def _planes(path: Path) -> Iterator[NDArray[Any]]:
    """Yield the pages of a TIFF file, shape (H, W); one of another shape is given as it is.

    Reduced copies of a page are not pages. What a file decodes to is known before it is decoded.
    """
    import tifffile

    try:
        size = path.stat().st_size
        with tifffile.TiffFile(path, _multifile=False) as file:
            found = [series for series in file.series if not series.keyframe.is_reduced] or list(file.series)
            if not found:
                raise InputError(f"{path} has no pixels: it is a TIFF file without pages.")
            decoded = sum(math.prod(map(int, series.shape)) * series.dtype.itemsize for series in found)
            if decoded > LARGEST or decoded > max(RATIO * size, SMALL):
                raise InputError(
                    f"{path} is {size / 2**20:,.1f} MB and would decode to {decoded / 2**20:,.0f} MB; label images are "
                    f"read up to {LARGEST / 2**20:,.0f} MB, and up to {RATIO:,} times the size of their file."
                )
            for series in found:
                labels = series.asarray()
                if not series.axes.endswith("YX"):
                    yield labels
                    continue
                yield from labels.reshape(-1, *labels.shape[-2:])
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path} cannot be read: {reason(error)}") from error
    except Exception as error:  # tifffile meets damaged files with errors of many kinds
        words = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{path} is not a readable TIFF file: {words.rstrip('.')}.") from error
