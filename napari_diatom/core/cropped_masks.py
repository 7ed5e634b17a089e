"""Masks of single specimens, each cropped to its bounds: resampled, united, compared; never as large as the image.

The pixel in row i and column j covers x from j to j + 1 and y from i to i + 1, and is inside when its centre is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from napari_diatom.core import geometry
from napari_diatom.core.errors import InputError

HALF: Final = 0.5
"""Share of a pixel that a specimen covers from which the pixel is inside."""
THIN: Final = 0.6
"""Share of the best covered pixel's cover that always suffices."""
LEAST_ISLAND: Final = 0.1
"""Share of the largest part below which a network's stray islands are dropped."""


@dataclass(frozen=True, eq=False)
class CroppedMask:
    """The mask of one specimen, cropped to its bounds.

    Attributes
    ----------
    pixels : ndarray of bool, shape (h, w)
        True inside the specimen.
    x0, y0 : int
        Image column and row of ``pixels[0, 0]``.
    """

    pixels: NDArray[np.bool_]
    x0: int
    y0: int

    def __post_init__(self) -> None:
        if self.pixels.ndim != 2 or self.pixels.dtype != np.bool_:
            raise InputError(f"A mask is a 2-D bool array, not {self.pixels.ndim}-D {self.pixels.dtype}.")

    @cached_property
    def area(self) -> int:
        """Number of pixels inside."""
        return int(np.count_nonzero(self.pixels))

    @cached_property
    def bounds(self) -> tuple[int, int, int, int]:
        """Columns and rows ``x0, y0, x1, y1`` of what is inside; the last two lie just outside; no width if empty."""
        columns, rows = np.flatnonzero(self.pixels.any(axis=0)), np.flatnonzero(self.pixels.any(axis=1))
        if not len(rows):
            return self.x0, self.y0, self.x0, self.y0
        return (
            self.x0 + int(columns[0]),
            self.y0 + int(rows[0]),
            self.x0 + int(columns[-1]) + 1,
            self.y0 + int(rows[-1]) + 1,
        )

    def shifted(self, dx: int, dy: int) -> CroppedMask:
        """Return the mask moved by ``(dx, dy)`` pixels."""
        return CroppedMask(self.pixels, self.x0 + dx, self.y0 + dy)

    def within(self, x0: int, y0: int, x1: int, y1: int) -> CroppedMask:
        """Return the part in columns ``x0`` to below ``x1`` and rows ``y0`` to below ``y1``; may be empty."""
        height, width = self.pixels.shape
        left, top = min(max(x0 - self.x0, 0), width), min(max(y0 - self.y0, 0), height)
        right, bottom = min(max(x1 - self.x0, left), width), min(max(y1 - self.y0, top), height)
        if (left, top, right, bottom) == (0, 0, width, height):
            return self
        return CroppedMask(self.pixels[top:bottom, left:right].copy(), self.x0 + left, self.y0 + top)

    def trimmed(self) -> CroppedMask:
        """Return the mask cropped to what is inside."""
        return self.within(*self.bounds)


def resample_to_pixels(
    values: ArrayLike, x0: float, y0: float, x1: float, y1: float
) -> tuple[NDArray[np.float32], int, int]:
    """Resample values over a rectangle onto the whole pixels that it touches; 0 outside.

    Bilinear where the pixels are finer than the values, and the mean over a pixel's surroundings where they are
    coarser, so that nothing is skipped.

    Parameters
    ----------
    values : array-like, shape (h, w)
        Evenly spread over the rectangle.
    x0, y0, x1, y1 : float
        The rectangle in pixels, with x1 > x0 and y1 > y0; need not be whole.

    Returns
    -------
    resampled : ndarray of float32, shape (H, W)
        The value at each pixel.
    column, row : int
        Of ``resampled[0, 0]``.
    """
    from PIL import Image

    array = np.asarray(values, dtype=np.float32)
    left, top, right, bottom = math.floor(x0), math.floor(y0), math.ceil(x1), math.ceil(y1)
    # Values per pixel. The margin of zeros is as wide as the kernel reaches beyond the outermost pixels.
    per_x, per_y = array.shape[1] / (x1 - x0), array.shape[0] / (y1 - y0)
    margin_x, margin_y = math.ceil(2 * per_x) + 2, math.ceil(2 * per_y) + 2
    padded = np.pad(array, ((margin_y, margin_y), (margin_x, margin_x)))
    part = (
        margin_x + (left - x0) * per_x,
        margin_y + (top - y0) * per_y,
        margin_x + (right - x0) * per_x,
        margin_y + (bottom - y0) * per_y,
    )
    resized = Image.fromarray(padded).resize((right - left, bottom - top), Image.Resampling.BILINEAR, box=part)
    return np.asarray(resized), left, top


def of_probabilities(values: ArrayLike, x0: float, y0: float, x1: float, y1: float) -> CroppedMask:
    """Return the mask of a network's probabilities, shape (M, M), over an upright box in pixels.

    Islands much smaller than the largest part are dropped. Where nothing is likely the mask has no pixels.
    """
    found, left, top = resample_to_pixels(values, x0, y0, x1, y1)
    return _without_islands(CroppedMask(found >= HALF, left, top)).trimmed()


def draw_polygon(canvas: NDArray[np.uint8], points: NDArray[Any], value: int = 1, bits: int = 4) -> None:
    """Fill a polygon in an image, its corners placed between the pixels; quicker than exact, margins included.

    Parameters
    ----------
    canvas : ndarray of uint8, shape (H, W)
        Is drawn into.
    points : ndarray of float, shape (K, 2)
        x and y, with the centres of pixels at whole numbers.
    value : int
        What its pixels become.
    bits : int
        Corners are rounded to whole multiples of ``2 ** -bits`` pixels.
    """
    import cv2

    cv2.fillPoly(canvas, [np.rint(points * 2**bits).astype(np.int32)], value, shift=bits)


def _without_islands(mask: CroppedMask) -> CroppedMask:
    """Drop the parts that are smaller than :data:`LEAST_ISLAND` of the largest."""
    import cv2

    number, labels, stats, _ = cv2.connectedComponentsWithStats(mask.pixels.astype(np.uint8), connectivity=8)
    if number <= 2:
        return mask
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    return CroppedMask((areas >= LEAST_ISLAND * areas.max())[labels] & mask.pixels, mask.x0, mask.y0)


def resample_mask(mask: CroppedMask, dx: float, dy: float, scale: float) -> CroppedMask:
    """Return a mask in other image coordinates: divided by ``scale`` (px per px), then shifted.

    Those pixels are inside that the mask covers most, as many as keep its area; that is about half of a pixel. Of a
    mask thinner than a pixel all stay along its length: a specimen neither vanishes nor breaks.
    """
    if scale == 1 and dx == int(dx) and dy == int(dy):
        return mask.shifted(int(dx), int(dy))
    if not mask.area:
        at = math.floor(mask.x0 / scale + dx), math.floor(mask.y0 / scale + dy)
        return CroppedMask(np.zeros((1, 1), dtype=bool), *at)
    tight = mask.trimmed()
    height, width = tight.pixels.shape
    x0, y0 = tight.x0 / scale + dx, tight.y0 / scale + dy
    cover, left, top = resample_to_pixels(tight.pixels, x0, y0, x0 + width / scale, y0 + height / scale)
    cover = np.round(cover, 4)
    wanted = max(round(tight.area / scale**2), 1)
    level = float(np.partition(cover, cover.size - wanted, axis=None)[-wanted]) if wanted < cover.size else 0.0
    # Ties come in or stay out together, whichever is nearer to the area.
    with_ties, without = np.count_nonzero(cover >= level), np.count_nonzero(cover > level)
    if with_ties - wanted > wanted - without:
        level = float(np.nextafter(np.float32(level), np.float32(1)))
    return CroppedMask(cover >= min(level, THIN * float(cover.max())), left, top).trimmed()


def united(masks: Sequence[CroppedMask]) -> CroppedMask:
    """Return the union of one or more masks."""
    if len(masks) == 1:
        return masks[0]
    x0, y0 = min(mask.x0 for mask in masks), min(mask.y0 for mask in masks)
    x1 = max(mask.x0 + mask.pixels.shape[1] for mask in masks)
    y1 = max(mask.y0 + mask.pixels.shape[0] for mask in masks)
    pixels = np.zeros((y1 - y0, x1 - x0), dtype=bool)
    for mask in masks:
        height, width = mask.pixels.shape
        pixels[mask.y0 - y0 : mask.y0 - y0 + height, mask.x0 - x0 : mask.x0 - x0 + width] |= mask.pixels
    return CroppedMask(pixels, x0, y0)


def shared_pixels(a: CroppedMask, b: CroppedMask) -> int:
    """Return the number of pixels in both masks."""
    x0, y0 = max(a.x0, b.x0), max(a.y0, b.y0)
    x1 = min(a.x0 + a.pixels.shape[1], b.x0 + b.pixels.shape[1])
    y1 = min(a.y0 + a.pixels.shape[0], b.y0 + b.pixels.shape[0])
    if x1 <= x0 or y1 <= y0:
        return 0
    first = a.pixels[y0 - a.y0 : y1 - a.y0, x0 - a.x0 : x1 - a.x0]
    second = b.pixels[y0 - b.y0 : y1 - b.y0, x0 - b.x0 : x1 - b.x0]
    return int(np.count_nonzero(first & second))


def mask_iou(a: CroppedMask, b: CroppedMask) -> float:
    """Return the intersection over union, 0 where both masks are empty."""
    shared = shared_pixels(a, b)
    return shared / max(a.area + b.area - shared, 1)


def mask_overlap_coefficient(a: CroppedMask, b: CroppedMask) -> float:
    """Return the intersection over the smaller mask's area, 0 where one is empty."""
    return shared_pixels(a, b) / max(min(a.area, b.area), 1)


def share_near(piece: CroppedMask, whole: CroppedMask, reach: int) -> float:
    """Return the share of a piece's pixels that lie in another mask or within ``reach`` pixels of it."""
    import cv2

    x0, y0, x1, y1 = piece.bounds
    around = whole.within(x0 - reach, y0 - reach, x1 + reach, y1 + reach)
    if not around.area:
        return 0.0
    left, top = x0 - reach, y0 - reach
    canvas = np.zeros((y1 - y0 + 2 * reach, x1 - x0 + 2 * reach), dtype=np.uint8)
    height, width = around.pixels.shape
    canvas[around.y0 - top : around.y0 - top + height, around.x0 - left : around.x0 - left + width] = around.pixels
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return shared_pixels(piece, CroppedMask(cv2.dilate(canvas, kernel) > 0, left, top)) / piece.area


def mask_ious(
    first: Sequence[CroppedMask],
    second: Sequence[CroppedMask],
    i: NDArray[np.intp],
    j: NDArray[np.intp],
) -> NDArray[np.float64]:
    """Return the intersection over union of the masks ``i`` of one and ``j`` of another set, pair by pair."""
    return np.array(
        [mask_iou(first[a], second[b]) for a, b in zip(i.tolist(), j.tolist(), strict=True)], dtype=np.float64
    )


def least_box(mask: CroppedMask) -> NDArray[np.float64]:
    """Return the oriented box of least area around a mask, shape (5,), canonical, at least a pixel wide.

    It goes round the middles of the outermost pixels' sides. Round their corners it would be too large for every
    specimen askew by up to 0.7 pixels, round their centres too small by one for every upright one.

    Raises
    ------
    InputError
        When the mask has no pixels.
    """
    if not mask.area:
        raise InputError("A mask without pixels has no box.")
    rows = np.flatnonzero(mask.pixels.any(axis=1))
    columns = np.flatnonzero(mask.pixels.any(axis=0))
    some, others = mask.pixels[rows], mask.pixels[:, columns]
    last_x, last_y = mask.pixels.shape[1] - 1, mask.pixels.shape[0] - 1
    # Only the ends of rows and columns can lie on the hull.
    points = np.concatenate(
        [
            np.column_stack([some.argmax(axis=1), rows + 0.5]),
            np.column_stack([last_x - some[:, ::-1].argmax(axis=1) + 1, rows + 0.5]),
            np.column_stack([columns + 0.5, others.argmax(axis=0)]),
            np.column_stack([columns + 0.5, last_y - others[::-1].argmax(axis=0) + 1]),
        ]
    )
    return geometry.min_area_box(points + np.array([mask.x0, mask.y0]))


def trace_outline(mask: CroppedMask, tolerance: float = 0.5) -> NDArray[np.float64]:
    """Return a simple ring round the largest part of a mask, without its holes, to be looked at.

    It runs midway between the centres of pixels inside and outside. :func:`napari_diatom.core.mask_polygons.trace`
    gives the exact polygons.

    Parameters
    ----------
    mask : CroppedMask
        With at least one pixel.
    tolerance : float
        Most pixels that the simplified ring may be off.

    Returns
    -------
    ndarray, shape (K, 2)
        x, y without a repeated end point; K >= 3.
    """
    from skimage.measure import find_contours

    tight = mask.trimmed()
    padded = np.pad(tight.pixels, 1).astype(np.float32)
    rings = find_contours(padded, HALF, fully_connected="high")  # type: ignore[no-untyped-call]
    ring = max(rings, key=lambda points: shapely.Polygon(points).area)
    simple = shapely.get_coordinates(shapely.simplify(shapely.Polygon(ring), tolerance, preserve_topology=True))
    return np.asarray(simple[:-1, ::-1] + (tight.x0 - 1 + HALF, tight.y0 - 1 + HALF))
