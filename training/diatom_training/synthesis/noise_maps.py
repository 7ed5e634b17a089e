"""Array types and the smooth noise that every texture is made of."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

FloatMap = NDArray[np.float32]
BoolMap = NDArray[np.bool_]
Points = NDArray[np.float64]


def smooth_noise(rng: np.random.Generator, height: int, width: int, cell_px: float) -> FloatMap:
    """Draw smooth noise of about unit variance.

    Parameters
    ----------
    rng
        Source of chance.
    height, width
        Size of the map in pixels.
    cell_px
        Size of a lump in pixels.

    Returns
    -------
    ndarray, (height, width) float32
    """
    cell = max(cell_px, 1.0)
    rows, columns = int(np.ceil(height / cell)) + 3, int(np.ceil(width / cell)) + 3
    coarse = rng.standard_normal((rows, columns), dtype=np.float32)
    matrix = np.array([[1 / cell, 0, 1 + rng.random()], [0, 1 / cell, 1 + rng.random()]])
    return np.asarray(
        cv2.warpAffine(
            coarse,
            matrix,
            (width, height),
            flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT,
        ),
        dtype=np.float32,
    )


def blurred(image: FloatMap, sigma_px: float) -> FloatMap:
    """Blur with a Gaussian; wide ones are computed on a reduced map, which is far cheaper."""
    if sigma_px < 0.15:
        return image
    reduce = int(np.clip(sigma_px / 3.0, 1, 16))
    height, width = image.shape[:2]
    if reduce < 2 or min(height, width) < 4 * reduce:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_px), dtype=np.float32)
    size = (max(2, round(width / reduce)), max(2, round(height / reduce)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma_px / reduce)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32)
