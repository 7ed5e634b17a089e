"""Whether a tile shows anything but noise on a background that changes slowly.

The background is a polynomial over the tile. What is left is looked at as means over squares from 4 to 96 pixels and
along lines from 16 to 128 pixels in all directions, so that averaging lifts a faint specimen above the noise whatever
its shape; as energies, which rise where a texture averages out to nothing; and as colours.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.tiling.camera_noise import COARSEST, MEASURED, Plane, energies, filled_up, square_means

DEGREE: Final = 4
"""Of the polynomial."""
FITTED: Final = 4
"""Level that it is fitted to."""
SQUARE: Final = 5.3
"""Deviations of the noise that the mean over a square may be off: with a quarter of a million squares in a tile, noise
alone goes that far in one tile of a hundred."""
LINE: Final = 5.5
"""The same of a line."""
ENERGY: Final = 7.0
"""Times the difference of their 80th and 50th percentile that the energies of cells may be above the latter."""
UNEVEN: Final = 0.25
"""Deviations of a pixel's noise by which the background may be off the polynomial."""
SURROUNDINGS: Final = 15
"""Means a side of the square round a fine one that stand for the background there."""
ROUNDING: Final = 0.75
"""Grey levels by which it may be off where there is no noise: rounded to whole levels, a slow change comes in steps."""
COLOUR_CELL: Final = 8
"""Pixels a side of the means that are looked at for colours."""
COLOUR: Final = 6.0
"""Deviations of their noise that they may be off, ..."""
COLOUR_LOSS: Final = 5.0
"""... and grey levels in which JPEG rounds the mean colour of its blocks, ..."""
GREY_LOSS: Final = 1.0
"""... and their brightness."""
LINES: Final = {3: (1, 2, 3), 2: (3, 4, 5), 1: (3, 4)}
"""Levels on which lines are looked for, and the binary logarithms of their lengths in means of that level."""


def is_flat(levels: dict[int, Plane], noise: NDArray[np.float64]) -> bool:
    """Return whether the grey values of a tile are flat within its noise.

    Parameters
    ----------
    levels : dict of int to ndarray
        From :func:`~napari_diatom.tiling.camera_noise.grey_levels`.
    noise : ndarray, shape (3,)
        From :func:`~napari_diatom.tiling.camera_noise.noise_of`.
    """
    deviation = dict(zip(MEASURED, noise.tolist(), strict=True))
    for level in range(max(MEASURED) + 1, COARSEST + 3):
        deviation[level] = deviation[level - 1] / 2
    of_pixel = 2 * deviation[1]
    # Noise of less than a level hides the steps of a rounded slope only in part.
    rounding = ROUNDING * float(np.exp(-2 * (np.pi * of_pixel) ** 2))
    fitted = _coefficients(levels[FITTED])
    rests = {level: _without(plane, fitted) for level, plane in levels.items()}
    for level in range(COARSEST, 2, -1):
        if not _are_flat(rests[level], level, deviation, UNEVEN * of_pixel + rounding):
            return False
    local = {level: _without_surroundings(rests[level]) for level in (1, 2, 3)}
    if not all(_are_flat(local[level], level, deviation, rounding) for level in (2, 1)):
        return False
    if not all(_is_even(energies(levels[level], level)) for level in (1, 2)):
        return False
    return all(_has_no_line(local[level], level, deviation, rounding) for level in LINES)


def _without_surroundings(rest: Plane) -> Plane:
    """Return how far means are off those round them, so that the background's unevenness is gone."""
    import cv2

    return np.asarray(rest - cv2.blur(rest, (SURROUNDINGS, SURROUNDINGS)), dtype=np.float32)


def _are_flat(rest: Plane, level: int, deviation: dict[int, float], uneven: float) -> bool:
    """Return whether no mean of a level, and none over 3 x 3 of them, is off by more than noise is."""
    import cv2

    if level > 1 and _extent(rest) > SQUARE * deviation[level] + uneven:
        return False
    # 3 x 3 means lie between the next level and the one after it.
    share = np.log2(3) - 1
    noise = deviation[level + 1] ** (1 - share) * deviation[level + 2] ** share
    wider = np.asarray(cv2.blur(rest, (3, 3))[1:-1, 1:-1], dtype=np.float32)
    return bool(_extent(wider) <= SQUARE * noise + uneven)


def _is_even(cells: Plane) -> bool:
    """Return whether no cell, with its neighbours, has more energy than the dispersion of all of them allows."""
    import cv2

    means = cv2.blur(cells, (3, 3))
    middle, high = np.quantile(means, (0.5, 0.8))
    # Where nothing changes, rounding leaves some energy in a few cells.
    return float(means.max()) <= float(middle + ENERGY * (high - middle)) + ROUNDING**2 / 4


def _has_no_line(rest: Plane, level: int, deviation: dict[int, float], uneven: float) -> bool:
    """Return whether no line in any direction is off by more than noise is."""
    correlation = max(1.0, 2 * deviation[level + 1] / max(deviation[level], 1e-6))
    # Between neighbouring pixels, demosaicking correlates noise across the line, too.
    noise = deviation[level] * (correlation if level == 1 else np.sqrt(correlation))
    for turned in (rest, rest[:, ::-1], rest.T, rest.T[:, ::-1]):
        for doublings, sums in enumerate(line_sums(np.ascontiguousarray(turned), max(LINES[level])), start=1):
            length = 2**doublings
            if doublings in LINES[level] and _extent(sums) / length > LINE * noise / np.sqrt(length) + uneven:
                return False
    return True


def line_sums(plane: Plane, doublings: int) -> Iterator[Plane]:
    """Yield the sums along lines over 2, 4, 8 ... rows (the approximate discrete Radon transform of Brady 1998).

    Parameters
    ----------
    plane : ndarray, shape (h, w)
        Rows that do not fill the last strip of lines belong to none.
    doublings : int
        How often the lines are doubled.

    Yields
    ------
    ndarray, shape (strips, slopes, w)
        Of lines over the rows of each strip that begin in each column and go 0, 1, 2 ... columns to the right, less
        than there are rows; where a line leaves the plane, the sum of a part of it, or 0.
    """
    width = plane.shape[1]
    sums = plane[:, None, :]
    for _ in range(doublings):
        pairs = sums.shape[0] // 2
        above, below = sums[0 : 2 * pairs : 2], sums[1 : 2 * pairs : 2]
        longer = np.zeros((pairs, 2 * sums.shape[1], width), dtype=np.float32)
        for slope in range(sums.shape[1]):
            for shift in (slope, slope + 1):
                within = max(width - shift, 0)
                np.add(above[:, slope, :within], below[:, slope, shift:], out=longer[:, slope + shift, :within])
        sums = longer
        yield sums


def has_colour(pixels: NDArray[np.uint8]) -> bool:
    """Return whether a tile shows a brightness or a colour that is clearly not that of its background.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (h, w, 3)
        The tile.
    """
    small = square_means(filled_up(pixels, COLOUR_CELL), COLOUR_CELL).astype(np.float32)
    red, green, blue = (np.ascontiguousarray(small[..., channel]) for channel in range(3))
    grey = (red + green + blue) / np.float32(3)
    planes = ((grey, GREY_LOSS), (red - green, COLOUR_LOSS), (blue - green, COLOUR_LOSS))
    return any(_stands_out(plane, loss) for plane, loss in planes)


def _stands_out(plane: Plane, loss: float) -> bool:
    """Return whether a mean is off by more than its noise and what was lost by rounding."""
    noise = float(np.sqrt(np.median(energies(plane, max(MEASURED)))))
    return _extent(_without(plane, _coefficients(plane))) > COLOUR * noise + loss


def _extent(values: Plane) -> float:
    """Return how far values are off 0; 0 where there are none."""
    return max(float(values.max()), -float(values.min())) if values.size else 0.0


def _coefficients(plane: Plane) -> Plane:
    """Return those of the polynomial that is nearest to a plane, products of Legendre polynomials by their degrees."""
    low = np.add.outer(np.arange(DEGREE + 1), np.arange(DEGREE + 1)) <= DEGREE
    (_, down), (_, along) = _basis(plane.shape[0]), _basis(plane.shape[1])
    return np.asarray(np.where(low, down @ plane @ along.T, 0), dtype=np.float32)


def _without(plane: Plane, coefficients: Plane) -> Plane:
    """Return what a plane has beside a polynomial over the same tile."""
    (down, _), (along, _) = _basis(plane.shape[0]), _basis(plane.shape[1])
    return np.asarray(plane - down @ coefficients @ along.T, dtype=np.float32)


@lru_cache(maxsize=64)
def _basis(size: int) -> tuple[Plane, Plane]:
    """Return Legendre polynomials in the middles of so many means, and their pseudo-inverse."""
    middles = (np.arange(size) + 0.5) / size * 2 - 1
    values = np.polynomial.legendre.legvander(middles, DEGREE)
    return values.astype(np.float32), np.linalg.pinv(values).astype(np.float32)
