"""What was found drawn beside the truth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from napari_diatom.core import geometry
from napari_diatom.core.cropped_masks import trace_outline
from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import OutputError

TRUTH: Final = (0, 114, 178)
FOUND: Final = (213, 94, 0)
"""Red, green and blue of what is there and of what was found; those of Okabe and Ito, distinguishable for everybody."""
LEAST_SHOWN: Final = 0.25
"""Score from which something found in a crop is drawn."""
_QUALITY: Final = 85
_SUBPIXEL_BITS: Final = 4
_GAP: Final = 4


def specimen_outline(part: Detections, index: int) -> NDArray[np.float64]:
    """Return the outline of a specimen in image pixels, shape (K, 2): its mask's where there is one, else its box's."""
    if part.masks is not None and part.masks[index].area:
        return trace_outline(part.masks[index])
    return np.asarray(geometry.corners(part.boxes[index : index + 1])[0])


def draw_ring(
    picture: NDArray[np.uint8], ring: NDArray[np.float64], colour: tuple[int, int, int], width: int = 1
) -> None:
    """Draw a closed line through points in image coordinates, shape (K, 2)."""
    # The centre of pixel 0 lies at 0 for OpenCV, at 0.5 for outlines.
    fixed = np.rint((ring - 0.5) * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    cv2.polylines(picture, [fixed[:, None]], True, colour, width, cv2.LINE_AA, _SUBPIXEL_BITS)


def specimens(pixels: NDArray[np.uint8], truth: Detections, found: Detections) -> NDArray[np.uint8]:
    """Return a crop, shape (H, W, 3), with the outlines of what is there and of what was found with some certainty."""
    picture = pixels.copy()
    for part, colour in ((truth, TRUTH), (found.above(LEAST_SHOWN), FOUND)):
        for k in range(len(part)):
            draw_ring(picture, specimen_outline(part, k), colour)
    return picture


def maps(pixels: NDArray[np.uint8], truth: NDArray[np.int64], found: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return a crop, shape (H, W, 3), with the borders of true and found regions, of class maps of shape (H, W)."""
    picture = pixels.copy()
    for table, colour in ((truth, TRUTH), (found, FOUND)):
        for class_id in np.unique(table[table > 0]).tolist():
            rings, _ = cv2.findContours((table == class_id).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
            cv2.polylines(picture, rings, True, colour, 1, cv2.LINE_AA)
    return picture


def draw_names_below(pixels: NDArray[np.uint8], truth: str, said: str) -> NDArray[np.uint8]:
    """Return a cut-out, shape (H, W, 3), with its name below it, and the one it was given where that is another."""
    line = max(len(pixels) // 10, 12)
    words = [(truth, TRUTH)] + [(said, FOUND)] * (said != truth)
    strip = np.full((2 * line, pixels.shape[1], 3), 255, np.uint8)
    for row, (text, colour) in enumerate(words):
        size = min(line / 30, pixels.shape[1] / (20 * max(len(text), 1)))
        cv2.putText(strip, text, (2, line * (row + 1) - 3), cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)
    return np.concatenate([pixels, strip])


def concatenate_horizontally(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return pictures of one height, shape (H, W, 3) each, in a row."""
    gap = np.full((len(pictures[0]), _GAP, 3), 255, np.uint8)
    parts: Iterable[NDArray[np.uint8]] = (part for picture in pictures for part in (picture, gap))
    return np.concatenate(list(parts)[:-1], axis=1)


def encode_jpeg(picture: NDArray[np.uint8]) -> bytes:
    """Return a JPEG file of an RGB picture.

    Raises
    ------
    OutputError
        When it cannot be encoded.
    """
    done, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise OutputError(f"A picture of {picture.shape[1]} x {picture.shape[0]} pixels could not be encoded.")
    return data.tobytes()
