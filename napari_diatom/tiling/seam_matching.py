"""Whether the masks of two pieces, each cut by its own tile, are parts of one specimen."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.cropped_masks import CroppedMask
from napari_diatom.tiling.tiles import CELL, CUT_BOTTOM, CUT_LEFT, CUT_RIGHT, CUT_SIDES, CUT_TOP

AGREE: Final = 0.4
"""Intersection over union, in what both tiles show, from which two masks show one specimen."""
LEAST_STRIP: Final = 3
"""Pixels that both tiles have to show for their masks to be compared there; else their edges at the seam are."""
GAP: Final = 4.0
"""Pixels by which masks may miss each other at a seam, or two cells of a network's mask where that is more."""


def meet_at_seam(a: CroppedMask, cut_a: int, b: CroppedMask, cut_b: int) -> bool:
    """Tell whether two pieces go on in each other.

    They do where their cut sides face each other and their masks are alike in the strip that both tiles show; where the
    tiles hardly overlap, where the masks' edges along the seam are alike.

    Parameters
    ----------
    a, b : CroppedMask
        In image pixels.
    cut_a, cut_b : int
        Which sides of their tiles cut them, see :data:`~napari_diatom.tiling.tiles.CUT_SIDES`; any, where none is
        flagged.
    """
    cut_a, cut_b = cut_a & CUT_SIDES or CUT_SIDES, cut_b & CUT_SIDES or CUT_SIDES
    ax0, ay0, ax1, ay1 = a.bounds
    bx0, by0, bx1, by1 = b.bounds
    across = _faces(cut_a & CUT_RIGHT, cut_b & CUT_LEFT, (ax0, ax1), (bx0, bx1))
    across |= _faces(cut_b & CUT_RIGHT, cut_a & CUT_LEFT, (bx0, bx1), (ax0, ax1))
    down = _faces(cut_a & CUT_BOTTOM, cut_b & CUT_TOP, (ay0, ay1), (by0, by1))
    down |= _faces(cut_b & CUT_BOTTOM, cut_a & CUT_TOP, (by0, by1), (ay0, ay1))
    if not (across or down) or not a.area or not b.area:
        return False
    x = (max(ax0, bx0), min(ax1, bx1)) if across else (min(ax0, bx0), max(ax1, bx1))
    y = (max(ay0, by0), min(ay1, by1)) if down else (min(ay0, by0), max(ay1, by1))
    if x[1] - x[0] >= LEAST_STRIP and y[1] - y[0] >= LEAST_STRIP:
        return _alike(a, b, x, y)
    if across and x[1] - x[0] < LEAST_STRIP:
        first, second = (a, b) if ax0 + ax1 <= bx0 + bx1 else (b, a)
        return _edges_alike(first, second)
    first, second = (a, b) if ay0 + ay1 <= by0 + by1 else (b, a)
    return _edges_alike(_turned(first), _turned(second))


def _faces(cut_end: int, cut_begin: int, first: tuple[int, int], second: tuple[int, int]) -> bool:
    """Tell whether the cut end of a first piece faces the cut beginning of a second one that lies no earlier."""
    return bool(cut_end and cut_begin and first[0] <= second[0] and first[1] <= second[1])


def _alike(a: CroppedMask, b: CroppedMask, x: tuple[int, int], y: tuple[int, int]) -> bool:
    """Tell whether two masks agree within columns ``x`` and rows ``y``."""
    shape = y[1] - y[0], x[1] - x[0]
    first, second = _canvas(a, x[0], y[0], shape), _canvas(b, x[0], y[0], shape)
    either = int(np.count_nonzero(first | second))
    return either > 0 and int(np.count_nonzero(first & second)) > AGREE * either


def _canvas(mask: CroppedMask, x0: int, y0: int, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return what a mask shows in a window."""
    part = mask.within(x0, y0, x0 + shape[1], y0 + shape[0])
    canvas = np.zeros(shape, dtype=bool)
    height, width = part.pixels.shape
    if height and width:
        canvas[part.y0 - y0 : part.y0 - y0 + height, part.x0 - x0 : part.x0 - x0 + width] = part.pixels
    return canvas


def _edges_alike(left: CroppedMask, right: CroppedMask) -> bool:
    """Tell whether the right edge of one mask and the left edge of the next one take the same rows."""
    begin, end = right.bounds[0], left.bounds[2]
    extent = max(left.bounds[2] - left.bounds[0], right.bounds[2] - right.bounds[0])
    if begin - end > max(GAP, 2 * CELL * extent):
        return False
    depth = LEAST_STRIP
    rows = min(left.bounds[1], right.bounds[1]), max(left.bounds[3], right.bounds[3])
    shape = rows[1] - rows[0], depth
    first = _canvas(left, end - depth, rows[0], shape).any(axis=1)
    second = _canvas(right, begin, rows[0], shape).any(axis=1)
    either = int(np.count_nonzero(first | second))
    return either > 0 and int(np.count_nonzero(first & second)) > AGREE * either


def _turned(mask: CroppedMask) -> CroppedMask:
    """Return a mask with x and y exchanged."""
    return CroppedMask(mask.pixels.T, mask.y0, mask.x0)
