"""Maps of classes without seams: probabilities of overlapping tiles and of several scales, blended before the argmax.

Tiles stream in row by row; only a band of rows as high as a tile is held in full precision. What is finished is kept
in 8 bits, in a temporary file where it is large.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_diatom.core.atomic_files import reason
from napari_diatom.core.errors import InputError, OutputError
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor
from napari_diatom.tiling.tiles import Window

ALIGNED: Final = 32
"""Tiles begin at multiples of this, the coarsest stride of a network: its grid then lies the same in all tiles."""

MOST_OVERLAP: Final = 0.9
"""Sums of more tiles over one pixel would not fit in 32 bits."""

PARTS: Final = 1000
"""Into which a probability is divided, and ..."""
STEPS: Final = 100
"""... a tile's weight along each axis. Sums of whole numbers do not depend on the order of the tiles."""

IN_MEMORY: Final = 1 << 28
"""Bytes above which a finished map lies in a temporary file."""

THICK: Final = 96.0
"""Pixels of the finest scale from the middle of a specimen to its margin from which only the coarsest scale sees enough
of it at once: inside, a finer one sees ornament, and little else."""
ROUND_IT: Final = 64.0
"""Pixels of the finest scale round such a specimen that are the coarsest scale's, too."""

BAND_PIXELS: Final = 1 << 21
"""Pixels merged at a time."""
_CELLS: Final = 12
"""Cells of the coarse map to :data:`THICK`."""


@dataclass(frozen=True, eq=False)
class ClassMap:
    """What each pixel of an image shows.

    Attributes
    ----------
    classes : ndarray of uint8, shape (height, width)
        0 is the background, k the class k - 1.
    foreground : ndarray of uint8, shape (height, width)
        Probability of all classes but the background; 255 is certainty.
    """

    classes: NDArray[np.uint8]
    foreground: NDArray[np.uint8]


def plan_map_tiles(height: int, width: int, tile: int, overlap: float) -> tuple[Window, ...]:
    """Cover an image with tiles that begin at multiples of :data:`ALIGNED`, spread evenly, row by row.

    Parameters
    ----------
    height, width : int
        Size of the scaled image in pixels.
    tile : int
        Side of a tile in pixels; tiles at the right and bottom are up to :data:`ALIGNED` smaller.
    overlap : float
        Least overlap of neighbours as a share of the tile, 0 to :data:`MOST_OVERLAP`.

    Raises
    ------
    InputError
        For an image without pixels, tiles smaller than :data:`ALIGNED`, or an overlap outside the range.
    """
    if height < 1 or width < 1 or tile < ALIGNED:
        raise InputError(f"An image of {width} x {height} pixels cannot be cut into tiles of {tile} pixels.")
    if not 0 <= overlap <= MOST_OVERLAP:
        raise InputError(
            f"The tiles of a map overlap by a share from 0 to {MOST_OVERLAP} of their side, not {overlap}."
        )

    def starts(size: int) -> list[int]:
        if size <= tile:
            return [0]
        step = max(int(tile * (1 - overlap)) // ALIGNED, 1)
        last = -(-(size - tile) // ALIGNED)
        gaps = -(-last // step)
        return [ALIGNED * (last * k // gaps) for k in range(gaps + 1)]

    return tuple(
        Window(x0, y0, min(x0 + tile, width), min(y0 + tile, height)) for y0 in starts(height) for x0 in starts(width)
    )


class Blender:
    """Blends the tiles of one scale.

    Each tile counts fully in its middle and fades towards its inner edges, where the network saw no context: a quarter
    of the overlap counts for next to nothing, the half after it rises as a squared sine.

    Parameters
    ----------
    channels : int
        Classes and the background.
    height, width : int
        Of the scaled image, in pixels.
    tile : int
        Side of a tile in pixels.
    overlap : float
        Least overlap of neighbours as a share of the tile.
    """

    def __init__(self, channels: int, height: int, width: int, tile: int, overlap: float) -> None:
        self._size = height, width
        self._fade = tile * overlap
        self._top = 0
        rows = min(tile, height)
        self._sums = np.zeros((channels, rows, width), dtype=np.uint32)
        self._weights = np.zeros((rows, width), dtype=np.uint32)
        self._planes = scratch((channels, height, width))

    def add(self, window: Window, probabilities: NDArray[np.float32] | None) -> None:
        """Add a tile; rows above it are finished with it.

        Parameters
        ----------
        window : Window
            The tile, in pixels of the scaled image; not above an earlier one.
        probabilities : ndarray of float32, shape (channels, h, w), or None
            0 to 1; None where all of the tile is certainly background.
        """
        self._finish(window.y0)
        height, width = self._size
        weight = np.outer(self._ramp(window.y0, window.y1, height), self._ramp(window.x0, window.x1, width))
        place = np.s_[window.y0 - self._top : window.y1 - self._top, window.x0 : window.x1]
        self._weights[place] += weight
        if probabilities is None:
            self._sums[0][place] += np.uint32(PARTS) * weight
            return
        parts = np.rint(np.clip(probabilities, 0, 1) * np.float32(PARTS)).astype(np.uint32)
        parts *= weight
        self._sums[:, *place] += parts

    def planes(self) -> NDArray[np.uint8]:
        """Return the blended probabilities, shape (channels, height, width); 255 is certainty."""
        self._finish(self._size[0])
        return self._planes

    def _ramp(self, begin: int, end: int, size: int) -> NDArray[np.uint32]:
        """Return the weights of a tile along one axis, 1 to :data:`STEPS`."""
        centres = np.arange(begin, end) + 0.5
        before = centres - begin if begin > 0 else np.inf
        after = end - centres if end < size else np.inf
        inside = np.minimum(before, after) * np.ones(end - begin)
        if self._fade <= 0:
            return np.full(end - begin, STEPS, dtype=np.uint32)
        rise = np.clip((inside - self._fade / 4) / (self._fade / 2), 0, 1)
        return np.asarray(np.maximum(np.rint(STEPS * np.sin(rise * np.pi / 2) ** 2), 1), dtype=np.uint32)

    def _finish(self, row: int) -> None:
        """Round off the rows above ``row`` and make room for those below."""
        ready = min(row, self._size[0]) - self._top
        if ready <= 0:
            return
        share = np.float32(255 / PARTS) / np.maximum(self._weights[:ready], 1)
        for plane, sums in zip(self._planes, self._sums, strict=True):
            plane[self._top : self._top + ready] = np.rint(sums[:ready] * share).astype(np.uint8)
        for held in (*self._sums, self._weights):
            held[:-ready] = held[ready:]
            held[-ready:] = 0
        self._top += ready


def merge_scales(
    scales: Sequence[NDArray[np.uint8]], height: int, width: int, monitor: ProgressMonitor = UNWATCHED
) -> ClassMap:
    """Return the map of the class that is likeliest on the mean of several scales.

    In and round what is :data:`THICK` on the coarsest one that one alone counts.

    Parameters
    ----------
    scales : sequence of ndarray of uint8, shape (channels, h, w)
        Blended probabilities of the same image at any sizes, the finest first; 255 is certainty.
    height, width : int
        Of the image, in pixels.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; heeded per band of rows.
    """
    classes, foreground = scratch((height, width)), scratch((height, width))
    channels = scales[0].shape[0]
    rows = max(1, BAND_PIXELS // width)
    axes = [(_Axis(planes.shape[1], height), _Axis(planes.shape[2], width)) for planes in scales]
    thick = _thick(scales[-1][0], scales[0].shape[1:]) if len(scales) > 1 else None
    if thick is not None:
        thick = thick[:, np.arange(width) * thick.shape[1] // width]
    for top in range(0, height, rows):
        monitor.check()
        band = slice(top, min(top + rows, height))
        mean = np.zeros((channels, band.stop - top, width), dtype=np.float32)
        for planes, (down, along) in zip(scales, axes, strict=True):
            values = _enlarged(planes, down, along, band)
            mean += values
        mean /= np.float32(len(scales))
        if thick is not None:
            inside = thick[np.arange(band.start, band.stop) * thick.shape[0] // height]
            mean[:, inside] = values[:, inside]
        classes[band] = mean.argmax(axis=0)
        foreground[band] = np.rint(255 - mean[0])
    return ClassMap(classes, foreground)


def _thick(background: NDArray[np.uint8], finest: Sequence[int]) -> NDArray[np.bool_] | None:
    """Return where the coarsest scale shows what is thick, and what lies round it, on a coarse grid; None for nowhere.

    Parameters
    ----------
    background : ndarray of uint8, shape (h, w)
        Its probability at the coarsest scale.
    finest : sequence of int, length 2
        Height and width of the finest scale in pixels.
    """
    import cv2

    cell = THICK / _CELLS
    height, width = (max(round(side / cell), 1) for side in finest)
    shown = cv2.resize(np.asarray(background), (width, height), interpolation=cv2.INTER_AREA) < 128

    def disc(radius: int) -> Any:
        return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2)

    # Beyond the image's edge a specimen may go on.
    core = cv2.erode(shown.astype(np.uint8), disc(_CELLS), borderType=cv2.BORDER_REPLICATE)
    if not core.any():
        return None
    return np.asarray(cv2.dilate(core, disc(_CELLS + round(ROUND_IT / cell))) > 0)


class _Axis:
    """Linear interpolation from ``given`` pixels to ``wanted`` ones along an axis; both span the same length."""

    def __init__(self, given: int, wanted: int) -> None:
        self.same = given == wanted
        at = np.clip((np.arange(wanted) + 0.5) * (given / wanted) - 0.5, 0, given - 1)
        self.low = np.floor(at).astype(np.intp)
        self.high = np.minimum(self.low + 1, given - 1)
        self.share = (at - self.low).astype(np.float32)


def _enlarged(planes: NDArray[np.uint8], down: _Axis, along: _Axis, band: slice) -> NDArray[np.float32]:
    """Return a band of rows of the full-size image, shape (channels, rows, width)."""
    if down.same and along.same:
        return planes[:, band].astype(np.float32)
    low, high, share = down.low[band], down.high[band], down.share[band, None]
    first = int(low[0])
    held = planes[:, first : int(high[-1]) + 1].astype(np.float32)
    held = held[:, low - first] * (1 - share) + held[:, high - first] * share
    return np.asarray(held[..., along.low] * (1 - along.share) + held[..., along.high] * along.share)


def scratch(shape: tuple[int, ...], dtype: DTypeLike = np.uint8) -> NDArray[Any]:
    """Return an array of zeros, in a temporary file where it is large; the file goes with the array.

    Raises
    ------
    OutputError
        When there is no room for the file.
    """
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if size <= IN_MEMORY:
        return np.zeros(shape, dtype=dtype)
    try:
        with tempfile.TemporaryFile(prefix="napari-diatom-") as file:
            file.truncate(size)
            if hasattr(os, "posix_fallocate"):
                # Without room for all of it, the first write to a mapped page would end the program.
                os.posix_fallocate(file.fileno(), 0, size)
            return np.memmap(file, dtype=dtype, mode="r+", shape=shape)
    except OSError as error:
        raise OutputError(
            f"A map of {size / 1e9:.1f} GB does not fit in {tempfile.gettempdir()}: {reason(error)}"
        ) from error
