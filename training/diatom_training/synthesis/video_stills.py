"""Stills of old video cameras: 480 lines in two half pictures, blurred colours, sharpened edges, strong JPEG."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from diatom_training.synthesis.jpeg_loss import through_jpeg
from diatom_training.synthesis.noise_maps import FloatMap, blurred

_LINES = 480


def as_video_still(rng: np.random.Generator, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return what a video camera would have stored of an image, enlarged to the image's size.

    Parameters
    ----------
    rng
        Source of chance.
    pixels
        (height, width) or (height, width, 3) RGB.
    """
    height, width = pixels.shape[:2]
    # A small field is a part of the picture: it has fewer lines than the whole.
    lines = max(24, round(min(_LINES, height / rng.uniform(1.35, 2.2))))
    size = (max(24, round(width * lines / height)), lines)
    small = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
    small = blurred(small, float(rng.uniform(0.3, 0.9)))
    if small.ndim == 3:
        small = _blurred_colours(rng, small)
    if rng.random() < 0.7:
        small = small + np.float32(rng.uniform(0.3, 1.2)) * (small - blurred(small, 1.4))
    if rng.random() < 0.6:
        # The second half picture was taken a moment later.
        shift = float(rng.normal(0, 1.1))
        moved = cv2.warpAffine(small, np.array([[1, 0, shift], [0, 1, 0]]), size, borderMode=cv2.BORDER_REPLICATE)
        small[1::2] = moved[1::2]
    if rng.random() < 0.4:
        small = small + rng.normal(0, 1.3, (lines, *[1] * (small.ndim - 1))).astype(np.float32)
    stored = through_jpeg(np.clip(np.rint(small), 0, 255).astype(np.uint8), int(rng.integers(25, 75)))
    how = cv2.INTER_CUBIC if rng.random() < 0.5 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(stored, (width, height), interpolation=how), dtype=np.uint8)


def _blurred_colours(rng: np.random.Generator, image: FloatMap) -> FloatMap:
    """Smear and shift the colours along the lines; the brightness stays."""
    grey = image @ np.array([0.299, 0.587, 0.114], np.float32)
    colour = cv2.GaussianBlur(image - grey[..., None], (0, 0), sigmaX=float(rng.uniform(2, 5)), sigmaY=1.0)
    colour = np.roll(colour, int(rng.integers(-2, 3)), axis=1) * np.float32(rng.uniform(0.6, 1.4))
    return np.asarray(grey[..., None] + colour, dtype=np.float32)
