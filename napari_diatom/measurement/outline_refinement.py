"""Boxes refined by the outlines that were found in them, and outlines that contradict their boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.core import geometry
from napari_diatom.core.cropped_masks import CroppedMask
from napari_diatom.measurement.morphometry import oriented_box

NO_OUTLINE: Final = 1
"""Flag: nothing was found in the box, or it lies outside the image."""
BEYOND_BOX: Final = 2
"""Flag: much of the outline lies outside the box."""
IN_PARTS: Final = 4
"""Flag: the outline has several large parts."""
TOO_SMALL: Final = 8
"""Flag: the outline is much shorter or narrower than the box."""

MOST_BEYOND: Final = 0.3
"""Share of an outline's area that may lie outside its box."""
LARGE_PART: Final = 0.25
"""Share of the largest part's area from which another part is large."""
LEAST_EXTENT: Final = 0.5
"""Share of the box's length, and of its width, that the outline covers at least."""
AGREES: Final = "agrees"
"""In tables: the box is that of the outline."""
CONTRADICTS: Final = "contradicts box"
"""In tables: the box is that of the detector."""
NOT_FOUND: Final = "not found"
"""In tables: there is a box only."""
_SLACK: Final = 2.0
"""Pixels by which the outlines of tiny specimens may be off: they never contradict their boxes."""


@dataclass(frozen=True, eq=False)
class BoxOutlines:
    """The outlines of N specimens.

    Attributes
    ----------
    masks : tuple of CroppedMask
        Without pixels where nothing was found.
    flags : ndarray of uint8, shape (N,)
        0 where outline and box agree, else :data:`NO_OUTLINE`, :data:`BEYOND_BOX`, :data:`IN_PARTS` and
        :data:`TOO_SMALL`, added up.
    """

    masks: tuple[CroppedMask, ...]
    flags: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.masks)


def contradictions(box: ArrayLike, mask: CroppedMask, height: int, width: int) -> int:
    """Return what speaks against an outline being that of the specimen in a box, as flags; 0 where nothing does.

    Parameters
    ----------
    box : array-like, shape (5,)
        Oriented or upright: what is compared are extents along its sides, which a slanting specimen in an upright box
        fills as well.
    mask : CroppedMask
        The outline.
    height, width : int
        Of the image. What of the box lies outside of it is not asked for.
    """
    rows, columns = np.nonzero(mask.pixels)
    if not len(rows):
        return NO_OUTLINE
    cx, cy, length, breadth, angle = np.asarray(box, dtype=np.float64).reshape(5).tolist()
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, -sin], [sin, cos]])
    half = np.array([length, breadth]) / 2
    local = (np.column_stack([columns + (mask.x0 + 0.5), rows + (mask.y0 + 0.5)]) - (cx, cy)) @ turn
    flags = 0
    beyond = (np.abs(local) > half + _SLACK / 2).any(axis=1)
    if np.count_nonzero(beyond) > MOST_BEYOND * len(local):
        flags |= BEYOND_BOX
    if _second_share(mask) >= LARGE_PART:
        flags |= IN_PARTS
    corners = geometry.corners(np.reshape(box, (1, 5)))[0]
    shown = (geometry.clip_polygon(corners, 0, 0, width, height) - (cx, cy)) @ turn
    wanted = np.ptp(shown, axis=0) if len(shown) > 2 else np.zeros(2)
    within = np.clip(local, -half, half)
    if (np.ptp(within, axis=0) + 1 + _SLACK < LEAST_EXTENT * wanted).any():
        flags |= TOO_SMALL
    return flags


def outline_verdicts(flags: NDArray[np.uint8]) -> tuple[str, ...]:
    """Return in words whether N outlines agree with their boxes, as the tables of specimens say it."""
    return tuple(NOT_FOUND if flag & NO_OUTLINE else CONTRADICTS if flag else AGREES for flag in flags.tolist())


def refined_box(box: ArrayLike, mask: CroppedMask, flag: int) -> NDArray[np.float64]:
    """Return the box of an outline, shape (5,), canonical, as outlines are measured; the one it has where flagged.

    Parameters
    ----------
    box : array-like, shape (5,)
        That the specimen was found with.
    mask : CroppedMask
        Its outline.
    flag : int
        What :func:`contradictions` says of the two.
    """
    if flag:
        return np.asarray(geometry.canonical(np.reshape(box, (1, 5)))[0])
    return oriented_box(mask)


def refined_boxes(boxes: ArrayLike, outlines: BoxOutlines) -> NDArray[np.float64]:
    """Return the boxes of N outlines, shape (N, 5); see :func:`refined_box`."""
    given = np.asarray(boxes, dtype=np.float64).reshape(-1, 5)
    refined = [
        refined_box(box, mask, flag)
        for box, mask, flag in zip(given, outlines.masks, outlines.flags.tolist(), strict=True)
    ]
    return np.array(refined, dtype=np.float64).reshape(-1, 5)


def _second_share(mask: CroppedMask) -> float:
    """Return the area of the second largest part over that of the largest; 0 where there is one part."""
    import cv2

    number, _, stats, _ = cv2.connectedComponentsWithStats(mask.pixels.astype(np.uint8), connectivity=8)
    if number < 3:
        return 0.0
    areas = np.sort(stats[1:, cv2.CC_STAT_AREA])
    return float(areas[-2] / areas[-1])
