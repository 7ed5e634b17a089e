"""One colour per class, the same in overlays, annotation files and napari."""

from __future__ import annotations

from typing import Final

PALETTE: Final[tuple[tuple[int, int, int], ...]] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (213, 94, 0),
    (204, 121, 167),
    (0, 114, 178),
    (119, 51, 51),
    (187, 221, 187),
    (119, 0, 85),
    (187, 0, 0),
    (153, 221, 221),
)
"""Red, green, blue of 0..255: seven colours of Okabe and Ito, and five that the colour-blind can tell apart as well."""


def class_colour(class_id: int) -> tuple[int, int, int]:
    """Return the red, green and blue (0..255) of a class; colours repeat after :data:`PALETTE`."""
    return PALETTE[class_id % len(PALETTE)]
