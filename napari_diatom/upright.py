"""Cut-outs of specimens, turned so that the apical axis stands upright."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.errors import InputError
from napari_diatom.tiling import Readable

MARGIN: Final = 1.15
"""Sides of a cut-out over the specimen's length."""
_GREY: Final = (128, 128, 128)


def upright_crop(image: Readable, box: ArrayLike, size: int, margin: float = MARGIN) -> NDArray[np.uint8]:
    """Return a square picture of a specimen with its apical axis from top to bottom.

    Only the part of the image round the specimen is read, at about the resolution of the picture. What lies outside the
    image is grey.

    Parameters
    ----------
    image : Readable
        The image.
    box : array-like, shape (5,)
        The specimen's oriented box, in pixels of the image.
    size : int
        Side of the picture in pixels.
    margin : float
        Side of what is shown over the specimen's length.

    Returns
    -------
    ndarray of uint8, shape (size, size, 3)

    Raises
    ------
    InputError
        When the specimen lies outside the image, or the image cannot be read there.
    """
    import cv2

    cx, cy, length, _, angle = np.asarray(box, dtype=np.float64).reshape(5).tolist()
    side = margin * length
    reach = side / math.sqrt(2)
    x0, y0 = max(math.floor(cx - reach), 0), max(math.floor(cy - reach), 0)
    x1, y1 = min(math.ceil(cx + reach), image.width), min(math.ceil(cy + reach), image.height)
    if x1 <= x0 or y1 <= y0:
        raise InputError("The specimen lies outside the image.")
    scale = min(size / side, 1.0)
    window = image.read(x0, y0, x1, y1, scale)
    # From pixels of the picture to those of the window; the centre of pixel 0 lies at 0 for OpenCV, at 0.5 elsewhere.
    sx, sy = window.shape[1] / (x1 - x0), window.shape[0] / (y1 - y0)
    turn = angle - math.pi / 2
    cos, sin = math.cos(turn) * side / size, math.sin(turn) * side / size
    matrix = np.array([[cos * sx, -sin * sx, 0.0], [sin * sy, cos * sy, 0.0]])
    centre = np.array([(cx - x0) * sx - 0.5, (cy - y0) * sy - 0.5])
    matrix[:, 2] = centre - matrix[:, :2] @ np.full(2, (size - 1) / 2)
    picture = cv2.warpAffine(
        window,
        matrix,
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=_GREY,
    )
    return np.asarray(picture, dtype=np.uint8)
