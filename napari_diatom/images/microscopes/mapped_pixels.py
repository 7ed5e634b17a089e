"""Uncompressed pixels that lie in a file at regular distances, of which only a window is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.errors import InputError
from napari_diatom.images.decoding_errors import decoding


@dataclass(frozen=True)
class PixelLayout:
    """Where the values of a picture lie.

    Attributes
    ----------
    start : int
        Of the first value, in bytes from the beginning of the file.
    shape : tuple of int
        Height, width and samples.
    strides : tuple of int
        Bytes from a row, column and sample to the next; those of samples may be below 0.
    dtype : dtype
        Of the values.
    """

    start: int
    shape: tuple[int, int, int]
    strides: tuple[int, int, int]
    dtype: np.dtype[Any]

    def span(self) -> tuple[int, int]:
        """Return the first byte, and the one behind the last."""
        reach = [(length - 1) * stride for length, stride in zip(self.shape, self.strides, strict=True)]
        first = self.start + sum(min(step, 0) for step in reach)
        return first, self.start + sum(max(step, 0) for step in reach) + self.dtype.itemsize


class MappedPixels:
    """The pixels of a picture, read by windows; the file is opened for each and closed again.

    Parameters
    ----------
    path : Path
        The file.
    layout : PixelLayout
        Where they are.
    """

    def __init__(self, path: Path, layout: PixelLayout) -> None:
        self._path = path
        self._layout = layout
        self.height, self.width, _ = layout.shape
        self.is_8_bit = layout.dtype in (np.uint8, np.bool_)

    def window(self, x0: int, y0: int, x1: int, y1: int) -> NDArray[Any]:
        """Return the values of a window. Raises InputError when the file has gone, or is cut short."""
        layout = self._layout
        down, across, _ = layout.strides
        part = PixelLayout(
            layout.start + y0 * down + x0 * across, (y1 - y0, x1 - x0, layout.shape[2]), layout.strides, layout.dtype
        )
        first, last = part.span()
        with decoding(self._path):
            if first < 0 or last > self._path.stat().st_size:
                raise InputError(f"{self._path} is truncated: some of its pixels lie beyond the end of the file.")
            held = np.memmap(self._path, dtype=np.uint8, mode="r", offset=first, shape=(last - first,))
            values = np.ndarray(part.shape, part.dtype, held, part.start - first, part.strides)
            return np.array(values)

    def release(self) -> None:
        """Keep nothing: nothing is held."""
