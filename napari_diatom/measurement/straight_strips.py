"""Brightness of a specimen along its midline, in strips from one margin to the other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.core.detections import CroppedMask
from napari_diatom.measurement.contour import turned
from napari_diatom.measurement.intensity import IntensitySource, mean_grey
from napari_diatom.measurement.midline import MidlineAxes
from napari_diatom.measurement.morphometry import measure_shape

_LEAST_HALF: Final = 2.0
"""Half a width in pixels below which strips cannot be told apart."""
_MARGIN: Final = 3
"""Pixels read round the strips, for the interpolation."""
_MOST_READ: Final = 16_000_000
"""Pixels of the window round the strips above which nothing is read."""

OUTLINED_REACH: Final = 0.9
"""Share of the length that strips cover where the outline is known, ..."""
BOXED_REACH: Final = 0.75
"""... and where only the box is: what lies in its corners is background."""
_BOXED_WIDTH: Final = 0.8
"""Share of the box's width taken for the specimen's own."""


@dataclass(frozen=True, eq=False)
class StraightStrips:
    """Brightness along strips that follow the midline.

    Attributes
    ----------
    values : ndarray of float, shape (K, N)
        Grey values, at points one pixel apart along the midline.
    across : ndarray of float, shape (K,)
        Where each strip lies between the midline, 0, and the margins, -1 on the left and 1 on the right as seen along
        the apical axis.
    """

    values: NDArray[np.float64]
    across: NDArray[np.float64]


def straight_strips(
    image: IntensitySource, box: ArrayLike, mask: CroppedMask | None, across: ArrayLike
) -> StraightStrips | None:
    """Read strips of a specimen.

    Parameters
    ----------
    image : IntensitySource
        Read once, round the specimen.
    box : array-like, shape (5,)
        The specimen's oriented box, in pixels.
    mask : CroppedMask or None
        Its outline; without one, the box stands for it.
    across : array-like, shape (K,)
        Where the strips lie, from -1 to 1.

    Returns
    -------
    StraightStrips or None
        None where the specimen is too small for strips or not wholly within the image.

    Raises
    ------
    InputError
        When the image cannot be read.
    """
    import cv2

    places = np.asarray(across, dtype=np.float64)
    points = _of_box(np.asarray(box, dtype=np.float64), places) if mask is None else _of_mask(mask, places)
    if points is None:
        return None
    (left, top), (right, bottom) = points.min(axis=(1, 2)).tolist(), points.max(axis=(1, 2)).tolist()
    if left < 0 or top < 0 or right > image.width or bottom > image.height:
        return None
    x0, y0 = max(int(left) - _MARGIN, 0), max(int(top) - _MARGIN, 0)
    x1, y1 = min(int(right) + _MARGIN + 1, image.width), min(int(bottom) + _MARGIN + 1, image.height)
    if (x1 - x0) * (y1 - y0) > _MOST_READ:
        return None
    window = mean_grey(image.read(x0, y0, x1, y1, 1.0)).astype(np.float32)
    # The centre of the first pixel lies at 0 for OpenCV, at 0.5 elsewhere.
    x, y = (np.asarray(place - first - 0.5, dtype=np.float32) for place, first in zip(points, (x0, y0), strict=True))
    values = _remapped(window, x, y, cv2.INTER_CUBIC)
    return StraightStrips(values.astype(np.float64), places)


def _remapped(
    window: NDArray[np.float32], x: NDArray[np.float32], y: NDArray[np.float32], way: int
) -> NDArray[np.float32]:
    """Return the values of a window at points, shape (K, N), however long the strips are."""
    import cv2

    # OpenCV remaps no more than this many columns at once.
    parts = [
        cv2.remap(window, x[:, at : at + 16384], y[:, at : at + 16384], way, borderMode=cv2.BORDER_REPLICATE)
        for at in range(0, x.shape[1], 16384)
    ]
    return np.asarray(np.concatenate(parts, axis=1), dtype=np.float32)


def _of_mask(mask: CroppedMask, across: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the points of strips in a mask, shape (2, K, N)."""
    shape = measure_shape(mask)
    at = _steps(*shape.band.reach, OUTLINED_REACH)
    if at is None:
        return None
    first, second = shape.band.margins_at(at)
    if float(np.median(second - first)) < 2 * _LEAST_HALF:
        return None
    # The band may run against the apical axis, whose direction tells left from right.
    way = math.copysign(1.0, math.cos(shape.band_angle - shape.box[4]))
    middle, half = (first + second) / 2, (second - first) / 2
    off = np.asarray(middle + way * across[:, None] * half, dtype=np.float64)
    return _placed(shape.band.axes, at, off, shape.band_angle)


def _of_box(box: NDArray[np.float64], across: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the points of strips in a box, shape (2, K, N)."""
    cx, cy, length, width, angle = box.tolist()
    at = _steps(-length / 2, length / 2, BOXED_REACH)
    half = _BOXED_WIDTH * width / 2
    if at is None or half < _LEAST_HALF:
        return None
    origin = turned(np.array([[cx, cy]]), angle)[0]
    return _placed(MidlineAxes(origin, None), at, np.repeat(across[:, None] * half, len(at), axis=1), angle)


def _steps(low: float, high: float, share: float) -> NDArray[np.float64] | None:
    """Return paths a pixel apart over the middle ``share`` of a length, None where they are too few."""
    middle, half = (low + high) / 2, share * (high - low) / 2
    count = int(2 * half) + 1
    return np.asarray(middle + np.arange(count) - (count - 1) / 2) if count >= 16 else None


def _placed(
    axes: MidlineAxes, at: NDArray[np.float64], across: NDArray[np.float64], angle: float
) -> NDArray[np.float64]:
    """Return points along and across a midline in the image, shape (2, K, N)."""
    flat = axes.place(np.tile(at, len(across)), across.ravel())
    placed = np.ascontiguousarray(turned(flat, -angle).T, dtype=np.float64)
    return placed.reshape(2, *across.shape)
