"""An image after JPEG compression."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def through_jpeg(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Return the image, (h, w) or (h, w, 3) RGB, after JPEG compression."""
    # OpenCV takes colours as blue, green, red.
    flipped = np.ascontiguousarray(pixels[..., ::-1]) if pixels.ndim == 3 else pixels
    done, coded = cv2.imencode(".jpg", flipped, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise RuntimeError("OpenCV could not encode a JPEG")
    decoded = np.asarray(cv2.imdecode(coded, cv2.IMREAD_UNCHANGED), dtype=np.uint8)
    return np.ascontiguousarray(decoded[..., ::-1]) if pixels.ndim == 3 else decoded
