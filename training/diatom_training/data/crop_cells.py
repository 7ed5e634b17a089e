"""A grid of crops that cover an image once."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from diatom_training.data.crops import read_rgb
from diatom_training.data.examples import Example

_ROUNDING: Final = 1e-9
"""Share of a crop up to which a last row or column of crops is left out, because it shows nothing."""


def cell_centres(example: Example, size: int, rng: np.random.Generator, shifted: float) -> NDArray[np.float64]:
    """Return the centres, shape (N, 2), in pixels of the image, of as few crops as cover it at its own scale.

    Parameters
    ----------
    example : Example
        The image.
    size : int
        Side of the crops in pixels.
    rng : numpy.random.Generator
        The only source of chance; as many numbers are drawn whatever the image is.
    shifted : float
        Share of grids that are shifted by chance, as far as they cover the image; the others are spread evenly.

    Raises
    ------
    InputError
        When the image cannot be read.
    """
    reach = size / example.scale_between(0.5, 0.0)
    by_chance, place = bool(rng.random() < shifted), rng.random(2)
    axes = [
        _along(extent, reach, at if by_chance else None) for extent, at in zip(_extent(example), place, strict=True)
    ]
    return np.stack(np.meshgrid(*axes, indexing="xy"), axis=-1).reshape(-1, 2)


def _along(extent: int, reach: float, place: float | None) -> NDArray[np.float64]:
    """Return the centres of crops along one side of an image; a grid that is shifted lies anywhere, 0 to 1."""
    count = max(int(np.ceil(extent / reach - _ROUNDING)), 1)
    low, high = min(reach / 2, extent / 2), max(extent - reach / 2, extent / 2)
    if place is None:
        return np.linspace(low, high, count) if count > 1 else np.array([low])
    first = reach / 2 - place * (count * reach - extent)
    return np.asarray(np.clip(first + reach * np.arange(count), low, high))


def _extent(example: Example) -> tuple[int, int]:
    """Return width and height of an example's image in pixels."""
    return _size(example.image, example.image.stat().st_mtime_ns)


@lru_cache(maxsize=65_536)
def _size(image: Path, changed: int) -> tuple[int, int]:
    """Return width and height of an image file, which is read once unless it has changed since."""
    height, width = read_rgb(image).shape[:2]
    return width, height
