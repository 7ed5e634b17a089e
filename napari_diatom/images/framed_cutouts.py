"""Pictures of single specimens along their boxes, as the network that outlines them sees them."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.box_frame import HEIGHT, WIDTH, BoxFrame
from napari_diatom.core.errors import InputError
from napari_diatom.images.slide_image import ReadableImage

MOST_READ: Final = 2**22
"""Pixels that are read for one picture, as nearly as may be; larger specimens are read at a reduced scale."""
_READ_WHOLE: Final = 2.5
"""Pixels of the image to one of the picture up to which the image is read as it is."""
_MOST_FINER: Final = 8
"""Times as many samples as pixels, along or across the picture, that are averaged."""


def framed_cutout(image: ReadableImage, frame: BoxFrame) -> NDArray[np.uint8]:
    """Return the picture of a box.

    Only the part of the image round the box is read. What lies outside the image has the mean colour of the rest.

    Parameters
    ----------
    image : ReadableImage
        The image.
    frame : BoxFrame
        Of the box.

    Returns
    -------
    ndarray of uint8, shape (HEIGHT, WIDTH, 3)
        RGB.

    Raises
    ------
    InputError
        When the picture lies beside the image, or the image cannot be read there.
    """
    import cv2

    units = frame.units
    # A pixel more on all sides, for the interpolation.
    x0, y0, x1, y1 = frame.bounds(image.height, image.width, max(float(units.max()), 1.0))
    if x1 <= x0 or y1 <= y0:
        raise InputError("The specimen lies outside the image.")
    window = image.read(x0, y0, x1, y1, _scale(units, (x1 - x0) * (y1 - y0)))
    scale = np.array([window.shape[1] / (x1 - x0), window.shape[0] / (y1 - y0)])
    linear = scale[:, None] * frame.linear
    # A warp samples and does not average: so many samples that none of the window's pixels is skipped.
    finer = np.clip(np.ceil(np.hypot(linear[0], linear[1]) - 0.25), 1, _MOST_FINER).astype(int)
    linear = linear / finer
    # The centre of the first pixel lies at 0 for OpenCV, at 0.5 elsewhere.
    matrix = np.column_stack([linear, scale * (frame.offset - (x0, y0)) + linear @ (0.5, 0.5) - 0.5])
    size = WIDTH * int(finer[0]), HEIGHT * int(finer[1])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    picture = cv2.warpAffine(window, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    if size != (WIDTH, HEIGHT):
        picture = cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    return _filled_up(np.asarray(picture, dtype=np.uint8), frame.inside(image.height, image.width))


def _scale(units: NDArray[np.float64], pixels: int) -> float:
    """Return the scale to read at: that of the picture's finer direction, or less where that is too much to read."""
    finest = float(units.min())
    # Up to there, averaging samples costs less than resampling what is read.
    needed = 1.0 if finest <= _READ_WHOLE else 1 / finest
    return min(needed, math.sqrt(MOST_READ / pixels))


def _filled_up(picture: NDArray[np.uint8], inside: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return a picture with the mean colour of what is inside the image in place of the rest."""
    if inside.all() or not inside.any():
        return picture
    mean = np.rint(picture[inside].mean(axis=0)).astype(np.uint8)
    return np.where(inside[..., None], picture, mean)
