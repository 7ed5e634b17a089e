"""Pictures of an image with what was found drawn over it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core import geometry
from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.colours import class_colour
from napari_diatom.core.detections import CroppedMask, Detections
from napari_diatom.core.errors import OutputError
from napari_diatom.images.slide_image import SlideImage

LONGEST_SIDE: Final = 2000
_QUALITY: Final = 88
_SUBPIXEL_BITS: Final = 4
_DIGITS: Final = 0.6
_WIDE: Final = 1500
"""From this side on, lines are two pixels wide: such a picture is seen made smaller."""


def write_overlay(path: Path, image: SlideImage, detections: Detections, longest_side: int = LONGEST_SIDE) -> None:
    """Write a JPEG of the image with its specimens, whole or not at all.

    Raises
    ------
    InputError
        When the image cannot be read.
    OutputError
        When the file cannot be written.
    """
    import cv2

    picture = draw_overlay(image, detections, longest_side)
    done, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise OutputError(f"{path} cannot be written: the picture could not be encoded.")
    write_atomically(path, data.tobytes())


def draw_overlay(image: SlideImage, detections: Detections, longest_side: int = LONGEST_SIDE) -> NDArray[np.uint8]:
    """Return the image as RGB, made smaller to ``longest_side`` px, with thin boxes in the colours of the classes.

    Where there are masks their outlines are drawn instead, holes and islands too. Beside each is the specimen's number
    in the table (from 1), outside the valve.
    """
    import cv2

    scale = min(1.0, longest_side / max(image.height, image.width))
    # What is read may be the file's own pixels, which nobody can draw on.
    picture = np.array(image.read(0, 0, image.width, image.height, scale), order="C")
    sx, sy = picture.shape[1] / image.width, picture.shape[0] / image.height
    points = geometry.corners(detections.boxes) * (sx, sy)
    # The centre of pixel 0 lies at 0 for OpenCV, at 0.5 for boxes.
    fixed = np.rint((points - 0.5) * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    line = 2 if max(picture.shape) >= _WIDE else 1
    for number, (box, class_id) in enumerate(zip(fixed, detections.class_ids, strict=True), start=1):
        colour = class_colour(int(class_id))
        rings = [box[:, None]]
        if detections.masks is not None and detections.masks[number - 1].area:
            rings = _rings(detections.masks[number - 1], sx, sy)
        cv2.polylines(picture, rings, True, colour, line, cv2.LINE_AA, _SUBPIXEL_BITS)
        _number(picture, str(number), points[number - 1], colour)
    return picture


def _rings(mask: CroppedMask, sx: float, sy: float) -> list[NDArray[np.int32]]:
    """Return the outlines of a mask in the picture's fixed-point pixels."""
    import cv2

    tight = mask.trimmed()
    found, _ = cv2.findContours(tight.pixels.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    # They run through the centres of pixels.
    centre = np.array([tight.x0 + 0.5, tight.y0 + 0.5])
    return [np.rint(((ring + centre) * (sx, sy) - 0.5) * (1 << _SUBPIXEL_BITS)).astype(np.int32) for ring in found]


def _number(picture: NDArray[np.uint8], text: str, box: NDArray[np.float64], colour: tuple[int, int, int]) -> None:
    """Write a number beside the topmost corner of a box, kept within the picture."""
    import cv2

    font, size = cv2.FONT_HERSHEY_SIMPLEX, _DIGITS
    (width, height), _ = cv2.getTextSize(text, font, size, 1)
    corner = box[box[:, 1].argmin()]
    x = int(np.clip(corner[0] + 2, 0, max(picture.shape[1] - width, 0)))
    y = int(np.clip(corner[1] - 2, height, picture.shape[0] - 1))
    # A dark rim keeps the digits legible on bright fields.
    cv2.putText(picture, text, (x, y), font, size, (0, 0, 0), 3, cv2.LINE_AA)
    cv2.putText(picture, text, (x, y), font, size, colour, 1, cv2.LINE_AA)
