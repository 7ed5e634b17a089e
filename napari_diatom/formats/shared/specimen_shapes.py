"""The shape of a specimen as formats write it: corners, upright bounds, outline."""

from __future__ import annotations

from typing import Final
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.core import geometry
from napari_diatom.core.annotations import SHAPES, Annotations, Outline
from napari_diatom.core.detections import CroppedMask
from napari_diatom.core.mask_polygons import fill, trace

_TRACED: Final[WeakKeyDictionary[CroppedMask, Outline]] = WeakKeyDictionary()
"""Outlines of masks, each worked out once: what is lost is counted by them before they are written."""


def mask_of(part: Annotations, i: int) -> CroppedMask | None:
    """Return the mask of specimen ``i``; None where it is a box or its mask has no pixel."""
    masks, drawn = part.detections.masks, part.outlines[i]
    if part.shapes[i] == SHAPES[0] or (masks is None and drawn is None):
        return None
    mask = fill(drawn) if masks is None and drawn is not None else None if masks is None else masks[i]
    return mask if mask is not None and mask.area else None


def specimen_polygons(part: Annotations, i: int) -> Outline | None:
    """Return the polygons of specimen ``i``, as drawn or round its mask; None where it is a box."""
    drawn = part.outlines[i]
    if drawn is not None and part.shapes[i] != SHAPES[0]:
        return drawn
    mask = mask_of(part, i)
    if mask is None:
        return None
    if mask not in _TRACED:
        _TRACED[mask] = trace(mask)
    return _TRACED[mask]


def corners_of(part: Annotations, i: int) -> NDArray[np.float64]:
    """Return the corners of the oriented box of specimen ``i``, shape (4, 2)."""
    return np.asarray(geometry.corners(part.detections.boxes[i])[0])


def bounds_of(part: Annotations, i: int) -> tuple[float, float, float, float]:
    """Return the upright bounds x0, y0, x1, y1 of specimen ``i``: of its mask where it has one, else of its box."""
    mask = mask_of(part, i)
    edges = geometry.bounds(part.detections.boxes[i])[0].tolist() if mask is None else map(float, mask.bounds)
    x0, y0, x1, y1 = edges
    return x0, y0, x1, y1


def is_upright(box: ArrayLike) -> bool:
    """Tell whether a box lies along the axes, within a thousandth of a pixel at its ends."""
    _, _, length, _, angle = np.asarray(box, dtype=np.float64)
    return bool(min(abs(np.sin(angle)), abs(np.cos(angle))) * length < 2e-3)


def between(x0: float, y0: float, x1: float, y1: float, angle: float = 0.0) -> list[float]:
    """Return the box between edges, turned round its centre by ``angle`` (rad)."""
    return [(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0, angle]
