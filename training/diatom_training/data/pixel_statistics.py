"""Mean and standard deviation of the pixels of a training set: each pixel once, streamed and exact."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

BAND: Final = 2**23
"""Most pixels that are counted at once: OpenCV counts in single precision, which is exact up to 2**24."""
LEAST_DEVIATION: Final = 1e-3
"""Of values in 0..1; a set of one colour is not stretched any further."""
DIGITS: Final = 6
"""Decimals of mean and deviation, in the card as in the training."""


@dataclass(frozen=True)
class Standard:
    """By which images are standardized.

    Attributes
    ----------
    mean, std : tuple of float
        Per channel, of values scaled to 0..1; subtracted and divided by.
    text : str
        Where they are from.
    pixels : int
        How many pixels they were measured on; 0 where they were not.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    text: str
    pixels: int = 0

    def sentence(self) -> str:
        """Return a sentence for a person."""
        if self == UNCHANGED:
            return "Standardized: values are scaled to 0 to 1, and not changed further."
        mean, std = (", ".join(f"{value:.4f}" for value in values) for values in (self.mean, self.std))
        return f"Standardized by the mean {mean} and the deviation {std} (red, green, blue) of {self.text}."


UNCHANGED: Final = Standard((0.0,) * 3, (1.0,) * 3, "values scaled to 0 to 1")
IMAGENET_STANDARD: Final = Standard((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "ImageNet")
"""Mean and deviation that weights trained on ImageNet usually expect, as torchvision's documentation has them."""


class PixelCounts:
    """How often each channel has each value; adds up without rounding."""

    def __init__(self) -> None:
        self._counts = np.zeros((3, 256), dtype=np.int64)

    def add(self, pixels: NDArray[np.uint8], inside: NDArray[np.bool_] | None = None) -> None:
        """Count pixels, shape (H, W, 3), those alone that lie ``inside``, shape (H, W), where that is given."""
        rows = max(BAND // pixels.shape[1], 1)
        for top in range(0, len(pixels), rows):
            band = np.ascontiguousarray(pixels[top : top + rows])
            mask = None if inside is None else inside[top : top + rows].astype(np.uint8)
            for channel in range(3):
                found = cv2.calcHist([band], [channel], mask, [256], [0, 256])
                self._counts[channel] += found.ravel().astype(np.int64)

    @property
    def pixels(self) -> int:
        """How many pixels were counted."""
        return int(self._counts[0].sum())

    def standard(self, text: str) -> Standard:
        """Return mean and standard deviation (of the whole, not of a sample) of what was counted."""
        number, values = max(self.pixels, 1), range(256)
        means, deviations = [], []
        for counts in self._counts.tolist():
            # Whole numbers of Python have no last digit that is lost.
            first = sum(value * count for value, count in zip(values, counts, strict=True))
            second = sum(value * value * count for value, count in zip(values, counts, strict=True))
            means.append(round(first / number / 255, DIGITS))
            variance = (number * second - first * first) / number**2
            deviations.append(round(max(variance**0.5 / 255, LEAST_DEVIATION), DIGITS))
        return Standard(tuple(means), tuple(deviations), text, self.pixels)


def standard_of(pictures: Iterable[tuple[NDArray[np.uint8], NDArray[np.bool_] | None]], text: str) -> Standard:
    """Return mean and deviation of pictures, shape (H, W, 3), of what is inside alone where that is given, (H, W)."""
    counts = PixelCounts()
    for pixels, inside in pictures:
        counts.add(pixels, inside)
    return counts.standard(text)
