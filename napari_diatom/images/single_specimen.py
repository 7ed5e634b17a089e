"""The outline of the one specimen that a picture shows, as in the plates of an atlas."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core import geometry
from napari_diatom.images.slide_image import SlideImage

MOST_PIXELS: Final = 1024
"""Longer side in pixels at which a picture is looked at; larger ones are read at a reduced scale."""
_SMALLEST: Final = 0.01
"""Share of the picture that a specimen takes at least, ..."""
_LARGEST: Final = 0.98
"""... and at most: more is no specimen on a background."""
_CALM: Final = 0.9
"""Share of the border's pixels that show the background: a valve may touch the edge."""
_PALE: Final = 0.35
"""Share of Otsu's threshold above which a pixel is not background."""
_SMOOTH: Final = 0.01
"""Of the shorter side: fine marks inside a specimen are smoothed together, as are single pixels of noise."""


def single_specimen(image: SlideImage) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the box, shape (5,), and the outline, shape (K, 2), of what differs most from the border of a picture.

    Pixels whose grey value is farther off the median of the border than its noise are marked; how far that is at least
    follows from Otsu's threshold (1979), which alone would leave out the paler parts of a valve. The largest connected
    part of them, filled, is the specimen. Where nothing stands out, it is the whole picture, its longer side being the
    apical axis.

    Parameters
    ----------
    image : SlideImage
        The picture.

    Raises
    ------
    InputError
        When it cannot be read.
    """
    import cv2

    scale = min(1.0, MOST_PIXELS / max(image.height, image.width))
    grey = image.read(0, 0, image.width, image.height, scale).mean(axis=2).astype(np.float32)
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    side = max(3, round(_SMOOTH * min(grey.shape)) | 1)
    off = cv2.GaussianBlur(np.abs(grey - np.median(border)), (side, side), 0)
    otsu, _ = cv2.threshold(np.clip(off, 0, 255).astype(np.uint8), 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    noise = float(np.quantile(np.concatenate([off[0], off[-1], off[:, 0], off[:, -1]]), _CALM))
    marked = (off > max(_PALE * otsu, 2 * noise)).astype(np.uint8)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * side + 1, 2 * side + 1))
    closed = cv2.morphologyEx(marked, cv2.MORPH_CLOSE, kernel)
    rings, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    best = max(rings, key=cv2.contourArea, default=None)
    share = 0.0 if best is None else cv2.contourArea(best) / grey.size
    if best is None or not _SMALLEST <= share <= _LARGEST:
        height, width = float(image.height), float(image.width)
        box = geometry.canonical([[width / 2, height / 2, width, height, 0.0]])[0]
        return box, np.asarray(geometry.corners(box)[0], dtype=np.float64)
    factors = np.array([image.width / grey.shape[1], image.height / grey.shape[0]])
    outline = (best.reshape(-1, 2).astype(np.float64) + 0.5) * factors
    return np.asarray(geometry.min_area_box(outline), dtype=np.float64), outline
