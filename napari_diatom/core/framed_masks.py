"""From what a network says of a specimen's picture to the specimen's mask in its image."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.box_frame import BOX_HEIGHT, BOX_WIDTH, HEIGHT, WIDTH, BoxFrame
from napari_diatom.core.cropped_masks import HALF, LEAST_ISLAND, CroppedMask

LARGEST_SIDE: Final = 2**15 - 1
"""Columns or rows of an image that a mask can reach over: OpenCV warps no larger ones."""
MOST_PIXELS: Final = 2**27
"""Of a mask with its surroundings; a box over more shows no single specimen."""
_BAND: Final = 2**21
"""Pixels that are computed at a time: as floats they take four times the memory of the mask."""


def mask_in_image(probabilities: NDArray[np.float32], frame: BoxFrame, height: int, width: int) -> CroppedMask:
    """Return the mask of the specimen in a picture, in the pixels of its image.

    Its parts in and near the box count, its holes are filled, and what lies outside the picture or the image is cut.
    Where nothing is likely, or the picture covers more than an image of :data:`MOST_PIXELS`, the mask has no pixels.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (HEIGHT, WIDTH)
        Of each pixel of the picture to be of the specimen.
    frame : BoxFrame
        Where the picture lies.
    height, width : int
        Of the image.
    """
    import cv2

    x0, y0, x1, y1 = frame.bounds(height, width)
    rows, columns = y1 - y0, x1 - x0
    if min(rows, columns) < 1 or max(rows, columns) > LARGEST_SIDE or rows * columns > MOST_PIXELS:
        return CroppedMask(np.zeros((1, 1), dtype=np.bool_), x0, y0)
    own = own_parts(probabilities)
    # Between centres of pixels, which OpenCV counts from 0.
    inverse = np.linalg.inv(frame.linear)
    found = np.empty((rows, columns), dtype=np.bool_)
    band = max(_BAND // columns, 1)
    for top in range(0, rows, band):
        first = np.array([x0 + 0.5, y0 + top + 0.5])
        matrix = np.column_stack([inverse, inverse @ (first - frame.offset) - 0.5])
        size = columns, min(band, rows - top)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        found[top : top + band] = cv2.warpAffine(own, matrix, size, flags=flags, borderValue=0.0) >= HALF
    return CroppedMask(found, x0, y0).trimmed()


def own_parts(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the probabilities of a picture without the parts that are not the specimen's, and without holes.

    The part that covers most of the box is the specimen's; so are others that lie mostly in the box, unless they are
    mere islands.
    """
    import cv2

    likely = (probabilities >= HALF).astype(np.uint8)
    number, labels, stats, _ = cv2.connectedComponentsWithStats(likely, connectivity=8)
    sizes = stats[:, cv2.CC_STAT_AREA]
    left, top = (WIDTH - BOX_WIDTH) // 2, (HEIGHT - BOX_HEIGHT) // 2
    boxed = labels[top : top + BOX_HEIGHT, left : left + BOX_WIDTH]
    in_box = np.bincount(boxed.ravel(), minlength=number)
    in_box[0] = 0
    if not in_box.any():
        return np.zeros_like(probabilities)
    kept = (in_box >= LEAST_ISLAND * in_box.max()) & (2 * in_box >= sizes)
    kept[int(in_box.argmax())] = True
    kept[0] = False
    own = kept[labels]
    result = np.where(own | (likely == 0), probabilities, np.float32(0))
    _, around = cv2.connectedComponents(np.pad(1 - own.astype(np.uint8), 1, constant_values=1), connectivity=4)
    holes = (around != around[0, 0])[1:-1, 1:-1] & ~own
    return np.where(holes, np.float32(1), result)
