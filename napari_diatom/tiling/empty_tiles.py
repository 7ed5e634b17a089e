"""Tiles that provably show nothing but background: a network need not look at them.

The proof depends on the tile and the noise of its image alone, so it is the same in every run and order. Where it
fails, for whatever reason, the tile is not empty.
"""

from __future__ import annotations

from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.images.slide_image import ReadableImage
from napari_diatom.tiling.camera_noise import CameraNoise, grey_levels, noise_of
from napari_diatom.tiling.flatness import has_colour, is_flat

LEAST_SIDE: Final = 256
"""Pixels a side that a tile needs for a proof: on a smaller one, the background's curve could follow a specimen."""
NOISIER: Final = 1.4
"""Times the noise of the image's quietest parts, and ..."""
ROUNDED: Final = 0.1
"""... grey levels, that an empty tile may have: a fine even texture, as inside a large valve, is no noise."""


class EmptyTiles:
    """Tells which tiles of an image are empty.

    Parameters
    ----------
    image : ReadableImage
        The image; its noise is measured when it is first asked for.
    """

    def __init__(self, image: ReadableImage) -> None:
        self._image = image

    @cached_property
    def noise(self) -> CameraNoise:
        """The noise of the image; raises InputError when it cannot be read."""
        return CameraNoise.of(self._image)

    def is_empty(self, pixels: NDArray[np.uint8], scale: float) -> bool:
        """Return whether a tile is empty.

        Parameters
        ----------
        pixels : ndarray of uint8, shape (h, w, 3)
            The tile.
        scale : float
            Its pixels per image pixel.

        Raises
        ------
        InputError
            When the image cannot be read where its noise is measured.
        """
        if min(pixels.shape[:2]) < LEAST_SIDE or has_colour(pixels):
            return False
        levels = grey_levels(pixels)
        noise = noise_of(levels)
        return bool((noise <= NOISIER * self.noise.at(scale) + ROUNDED).all()) and is_flat(levels, noise)
