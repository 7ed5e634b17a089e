"""The noise of the camera, measured on an image itself, also where demosaicking, resampling or JPEG correlate it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.images.slide_image import ReadableImage

Plane = NDArray[np.float32]

COARSEST: Final = 5
"""Level of the coarsest means, over 32 x 32 pixels; level k has those over 2 ** k pixels a side, from 1 on."""
MEASURED: Final = (1, 2, 3)
"""Levels whose noise is measured. Beyond 8 pixels, the blocks of JPEG, it is white: it halves from level to level."""
CELL: Final = 32
"""Pixels a side of the cells whose median energy is the noise: specimens in less than half of them do not change it."""
BIAS: Final = {1: 0.990, 2: 0.961, 3: 0.850}
"""Median of the energies of cells of white noise, as a share of their mean."""
GRID: Final = 5
"""Windows along each side of an image, ..."""
WINDOW: Final = 128
"""... of so many pixels, on which its noise is measured."""
QUIET: Final = 0.1
"""Share of them that show the background: the noise of an image is that of its quietest windows."""
FLAT: Final = 0.05
"""Grey levels of noise below which a window is saturated or painted, and says nothing of the camera."""


@dataclass(frozen=True)
class CameraNoise:
    """The noise in the background of an image.

    Attributes
    ----------
    deviations : tuple of float
        Standard deviations of the grey values' means over 2, 4 and 8 pixels a side of the image, in grey levels of 8
        bits; 0 where all of the image is without noise.
    """

    deviations: tuple[float, ...]

    @classmethod
    def of(cls, image: ReadableImage) -> CameraNoise:
        """Measure it in windows that lie on a grid, whatever the size of the image.

        Raises
        ------
        InputError
            When the image cannot be read there.
        """
        found = []
        side = min(WINDOW, image.height, image.width)
        for y in np.linspace(0, image.height - side, GRID).astype(int).tolist():
            for x in np.linspace(0, image.width - side, GRID).astype(int).tolist():
                found.append(noise_of(grey_levels(image.read(x, y, x + side, y + side), max(MEASURED))))
        table = np.array(found)
        noisy = table[table[:, 0] > FLAT]
        if not len(noisy):
            return cls((0.0,) * len(MEASURED))
        return cls(tuple(np.quantile(noisy, QUIET, axis=0, method="lower").tolist()))

    def at(self, scale: float) -> NDArray[np.float64]:
        """Return the deviations of means over 2, 4 and 8 pixels of the image scaled by ``scale``."""
        if not min(self.deviations) > 0:
            return np.zeros(len(MEASURED))
        octaves = np.array(MEASURED, dtype=np.float64)
        logs = np.log2(self.deviations)
        # White noise beyond what was measured: half of it at twice the size.
        known = np.concatenate([[octaves[0] - 8], octaves, [octaves[-1] + 8]])
        values = np.concatenate([[logs[0] + 8], logs, [logs[-1] - 8]])
        return np.asarray(np.exp2(np.interp(octaves - np.log2(scale), known, values)), dtype=np.float64)


def grey_levels(pixels: NDArray[np.uint8], coarsest: int = COARSEST) -> dict[int, Plane]:
    """Return the means of the grey values over 2, 4, 8 ... pixels a side, by their level from 1.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (h, w, 3)
        A window; its sides are filled up to multiples of the coarsest mean by reflection.
    coarsest : int
        The last level.
    """
    import cv2

    red, green, blue = cv2.split(filled_up(pixels, 1 << coarsest))
    total: Any = cv2.add(cv2.add(red, green, dtype=cv2.CV_32F), blue, dtype=cv2.CV_32F)
    levels: dict[int, Plane] = {1: square_means(total, 2) / np.float32(3)}
    for level in range(2, coarsest + 1):
        levels[level] = square_means(levels[level - 1], 2)
    return levels


def noise_of(levels: dict[int, Plane]) -> NDArray[np.float64]:
    """Return the standard deviations of the noise at each level of :data:`MEASURED`, from :func:`grey_levels`."""
    return np.array([np.sqrt(np.median(energies(levels[level], level)) / BIAS[level]) for level in MEASURED])


def energies(plane: Plane, level: int) -> Plane:
    """Return the mean square of a level's fast changes in each cell.

    They are what the mask of Immerkær (1996) leaves; the variance of white noise stays as it is.
    """
    import cv2

    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float32) / 6
    fast = cv2.filter2D(plane, -1, mask, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(square_means(fast * fast, CELL >> level), dtype=np.float32)


def filled_up(pixels: NDArray[np.uint8], multiple: int) -> NDArray[np.uint8]:
    """Return a window whose sides are multiples of a number, by reflection at the right and the bottom."""
    import cv2

    height, width = pixels.shape[:2]
    rows, columns = -height % multiple, -width % multiple
    if (rows, columns) == (0, 0):
        return pixels
    return np.asarray(cv2.copyMakeBorder(pixels, 0, rows, 0, columns, cv2.BORDER_REFLECT), dtype=np.uint8)


def square_means(plane: Any, factor: int) -> Any:
    """Return the means over squares of so many pixels a side."""
    import cv2

    height, width = plane.shape[:2]
    return cv2.resize(plane, (width // factor, height // factor), interpolation=cv2.INTER_AREA)
