"""Brightness inside a specimen, read crop by crop from its image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.detections import CroppedMask
from napari_diatom.core.errors import InputError
from napari_diatom.measurement.contour import averaged

BAND_PIXELS: Final = 4_000_000
"""Pixels read at a time, and the bounds above which the depth within a mask is found on a smaller copy."""
_NEIGHBOURHOOD: Final = 512
"""Side in pixels of the squares that are read one after the other, so that no part of a file is decoded twice."""


class IntensitySource(Protocol):
    """What pixels are read from; :class:`~napari_diatom.images.slide_image.SlideImage` is one."""

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""

    @property
    def width(self) -> int:
        """Pixels from left to right."""

    def read(self, x0: int, y0: int, x1: int, y1: int, scale: float = 1.0) -> NDArray[Any]:
        """Return a window, shape (h, w) or (h, w, channels)."""
        ...


@dataclass(frozen=True)
class Brightness:
    """Values of the pixels inside a specimen; the mean of red, green and blue where there are colours, as in ImageJ.

    Attributes
    ----------
    mean, sd : float
        Mean and standard deviation (n - 1) over the whole mask; NaN where no pixel of it lies in the image.
    sd_inner : float
        Standard deviation over the inner half of its area: what lies deeper than the median pixel.
    """

    mean: float
    sd: float
    sd_inner: float


UNKNOWN: Final = Brightness(math.nan, math.nan, math.nan)


def intensity_source(image: IntensitySource | NDArray[Any]) -> IntensitySource:
    """Return an image as something to read windows from; arrays, shape (H, W) or (H, W, channels), keep their values.

    Raises
    ------
    InputError
        When an array has another shape, or holds no numbers.
    """
    if not isinstance(image, np.ndarray):
        return image
    if image.ndim not in (2, 3) or image.dtype.kind not in "buif":
        raise InputError(f"Brightness needs an image of shape (H, W) or (H, W, 3), not {image.shape} {image.dtype}.")
    return _Array(image)


def brightness(masks: Sequence[CroppedMask | None], image: IntensitySource | NDArray[Any]) -> list[Brightness]:
    """Return the brightness inside masks, in their order; unknown where there is no mask.

    Parameters
    ----------
    masks : sequence of CroppedMask or None
        In the pixels of the image; what sticks out of it is left out.
    image : SlideImage, or ndarray of shape (H, W) or (H, W, 3)
        Read crop by crop. A :class:`~napari_diatom.images.slide_image.SlideImage` gives 0 to 255, an array its own
        values.

    Raises
    ------
    InputError
        When the image cannot be read, or is an array of another shape.
    """
    source = intensity_source(image)
    found = [UNKNOWN] * len(masks)
    present = [(i, mask) for i, mask in enumerate(masks) if mask is not None]
    for i, mask in sorted(present, key=lambda item: (item[1].y0 // _NEIGHBOURHOOD, item[1].x0 // _NEIGHBOURHOOD)):
        found[i] = _inside(mask, source)
    return found


def _inside(mask: CroppedMask, image: IntensitySource) -> Brightness:
    """Return the brightness inside one mask."""
    height, width = mask.pixels.shape
    left, right = max(mask.x0, 0), min(mask.x0 + width, image.width)
    top, bottom = max(mask.y0, 0), min(mask.y0 + height, image.height)
    if left >= right or top >= bottom:
        return UNKNOWN
    inner = _inner_half(mask.pixels)
    whole, deep = _Sums(), _Sums()
    rows = max(BAND_PIXELS // (right - left), 1)
    for y in range(top, bottom, rows):
        stop = min(y + rows, bottom)
        window = np.s_[y - mask.y0 : stop - mask.y0, left - mask.x0 : right - mask.x0]
        grey = mean_grey(image.read(left, y, right, stop, 1.0))
        whole.add(grey[mask.pixels[window]])
        deep.add(grey[inner[window]])
    return Brightness(whole.mean, whole.sd, deep.sd)


def mean_grey(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return values, shape (h, w) or (h, w, channels), as one channel: the mean of the first three."""
    if values.ndim == 2:
        return values.astype(np.float64)
    if values.shape[2] < 3:
        return values[..., 0].astype(np.float64)
    return np.asarray(values[..., :3].sum(axis=2, dtype=np.float64) / 3)


def _inner_half(pixels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels of a mask at least as far from its edge as the median one."""
    import cv2

    factor = math.ceil(math.sqrt(pixels.size / BAND_PIXELS))
    small = pixels if factor == 1 else averaged(pixels, factor) > 0.5
    if not small.any():
        return pixels
    depth = cv2.distanceTransform(np.pad(small, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    deep = np.asarray(small & (depth >= np.median(depth[small])))
    if factor > 1:
        deep = deep.repeat(factor, axis=0).repeat(factor, axis=1)[: pixels.shape[0], : pixels.shape[1]] & pixels
    return deep


class _Sums:
    """Mean and standard deviation of values that come in parts (Chan, Golub and LeVeque, 1983)."""

    def __init__(self) -> None:
        self._count = 0
        self._mean = 0.0
        self._squares = 0.0

    def add(self, values: NDArray[np.float64]) -> None:
        count = values.size
        if not count:
            return
        mean = float(values.mean())
        away, total = mean - self._mean, self._count + count
        self._squares += float(((values - mean) ** 2).sum()) + away**2 * self._count * count / total
        self._mean += away * count / total
        self._count = total

    @property
    def mean(self) -> float:
        return self._mean if self._count else math.nan

    @property
    def sd(self) -> float:
        """0 for a single value, as in ImageJ."""
        return math.sqrt(self._squares / max(self._count - 1, 1)) if self._count else math.nan


class _Array:
    """Windows of an array."""

    def __init__(self, values: NDArray[Any]) -> None:
        self._values = values
        self.height, self.width = int(values.shape[0]), int(values.shape[1])

    def read(self, x0: int, y0: int, x1: int, y1: int, scale: float = 1.0) -> NDArray[Any]:
        return self._values[y0:y1, x0:x1]
