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
    (148, 103, 189),
    (23, 190, 207),
    (188, 189, 34),
    (140, 86, 75),
    (255, 152, 150),
)
"""Red, green, blue of 0..255; the first seven are those of Okabe and Ito, distinguished for colour-blind people."""


def class_colour(class_id: int) -> tuple[int, int, int]:
    """Return the red, green and blue (0..255) of a class; colours repeat after :data:`PALETTE`."""
    return PALETTE[class_id % len(PALETTE)]
