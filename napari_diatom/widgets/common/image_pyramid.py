"""The data of an image layer: a small image whole, a large one as a pyramid that is read tile by tile."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.images.slide_image import SlideImage

MAX_PIXELS: Final = 60_000_000
"""Pixels up to which an image is read whole."""
_CHUNK: Final = 1024


def layer_data(image: SlideImage) -> tuple[Any, bool]:
    """Return the data of an RGB image layer, and whether it is a pyramid.

    Values of more than 8 bits are scaled by their percentiles, as everywhere in napari-diatom.

    Raises
    ------
    InputError
        When the image cannot be read.
    """
    if image.height * image.width <= MAX_PIXELS:
        try:
            return image.read(0, 0, image.width, image.height), False
        finally:
            image.release()
    levels, scale = [_lazy(image, 1.0)], 0.5
    while max(image.height, image.width) * scale * 2 > _CHUNK:
        levels.append(_lazy(image, scale))
        scale /= 2
    return levels, True


def _lazy(image: SlideImage, scale: float) -> Any:
    """Return the image at a scale as a dask array, shape (H, W, 3)."""
    from dask.array import concatenate

    def starts(span: int) -> list[int]:
        step = int(_CHUNK / scale)
        return [*range(0, span, step), span]

    ys, xs = starts(image.height), starts(image.width)
    rows = [[_tile(image, (x0, y0, x1, y1), scale) for x0, x1 in pairwise(xs)] for y0, y1 in pairwise(ys)]
    rows_joined = [concatenate(row, axis=1) for row in rows]  # type: ignore[no-untyped-call]
    return concatenate(rows_joined, axis=0)  # type: ignore[no-untyped-call]


def _tile(image: SlideImage, window: tuple[int, int, int, int], scale: float) -> Any:
    from dask.array import from_delayed
    from dask.delayed import delayed

    x0, y0, x1, y1 = window
    shape = max(round((y1 - y0) * scale), 1), max(round((x1 - x0) * scale), 1), 3

    def read() -> NDArray[np.uint8]:
        return image.read(*window, scale)

    return from_delayed(delayed(read)(), shape, np.uint8)  # type: ignore[no-untyped-call]
