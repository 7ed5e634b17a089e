"""The geometry of a GeoJSON feature: polygons, whether they are a rectangle, and the box round them."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core import geometry
from napari_diatom.core.annotations import Outline
from napari_diatom.core.errors import InputError
from napari_diatom.core.mask_polygons import FARTHEST, MOST_POINTS
from napari_diatom.core.text import shortened

_RECTANGLE_TOLERANCE: Final = 0.02
"""How far (px) the numbers of a box may be from its own corners, which are written to four decimals."""
_POLYGON_TOLERANCE: Final = 2.0
"""How far (px) the box of a mask, found by a network, may be from the smallest box round the mask."""


def shape_box_and_outline(
    properties: Mapping[str, Any], geometry_: Mapping[str, Any]
) -> tuple[str, NDArray[np.float64], Outline | None]:
    """Return shape, box and outline of a feature; no outline where the geometry is the ring of the stored box."""
    shape, numbers = properties.get("shape"), properties.get("box")
    own = None if shape == "polygon" else _own_box(numbers, geometry_)
    if own is not None:
        return "rectangle", own, None
    outline = outline_of_geometry(geometry_)
    rectangle = None if shape == "polygon" else _rectangle(outline)
    stored = _stored_box(numbers)
    if rectangle is not None:
        fits = stored is not None and _is_at(stored, rectangle)
        return "rectangle", rectangle if stored is None or not fits else stored, outline
    fits = stored is not None and _is_tight(stored, outline)
    return "polygon", _smallest_box(outline) if stored is None or not fits else stored, outline


def outline_of_geometry(geometry_: Mapping[str, Any]) -> Outline:
    """Return the polygons of a GeoJSON geometry."""
    kind, coordinates = geometry_.get("type"), geometry_.get("coordinates")
    if kind not in ("Polygon", "MultiPolygon"):
        raise InputError(f"is a {shortened(str(kind))}, not a Polygon")
    polygons = [coordinates] if kind == "Polygon" else coordinates
    if not isinstance(polygons, list) or not polygons:
        raise InputError("has no coordinates")
    outline: list[tuple[NDArray[np.float64], ...]] = []
    for polygon in polygons:
        if not isinstance(polygon, list) or not polygon:
            raise InputError("has no coordinates")
        outline.append(tuple(_ring(ring) for ring in polygon))
    return tuple(outline)


def _ring(coordinates: Any) -> NDArray[np.float64]:
    """Return a ring without its repeated end point."""
    try:
        ring = np.asarray(coordinates, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise InputError("has coordinates that are not numbers") from None
    if ring.ndim != 2 or ring.shape[1] < 2:
        raise InputError("has coordinates that are not pairs of x and y")
    if len(ring) > MOST_POINTS:
        raise InputError(f"has an outline of {len(ring):,} points; up to {MOST_POINTS:,} are read")
    ring = ring[:, :2]
    (left, top), (right, bottom) = ring.min(axis=0).tolist(), ring.max(axis=0).tolist()
    if not (left >= -FARTHEST and top >= -FARTHEST and right <= FARTHEST and bottom <= FARTHEST):
        raise InputError("has NaN, infinite or absurdly large coordinates")
    if len(ring) > 1 and ring[0].tolist() == ring[-1].tolist():
        ring = ring[:-1]
    if len(ring) < 3 or left == right or top == bottom:
        raise InputError("has an outline without an area")
    return ring


def _own_box(numbers: Any, geometry_: Mapping[str, Any]) -> NDArray[np.float64] | None:
    """Return the stored numbers of a box where the geometry is still the ring of this box as we wrote it, else None.

    That is so for nearly all of thousands of boxes, and answered without an array for each of their rings.
    """
    if not isinstance(numbers, list) or len(numbers) != 5 or not all(map(is_finite_number, numbers)):
        return None
    cx, cy, length, width, angle = numbers
    if min(length, width) <= _RECTANGLE_TOLERANCE or max(map(abs, numbers)) > FARTHEST:
        return None
    coordinates = geometry_.get("coordinates")
    if geometry_.get("type") != "Polygon" or not isinstance(coordinates, list) or len(coordinates) != 1:
        return None
    ring = coordinates[0]
    if not isinstance(ring, list) or len(ring) != 5 or ring[0] != ring[4]:
        return None
    along = math.cos(angle) * length / 2, math.sin(angle) * length / 2
    across = -math.sin(angle) * width / 2, math.cos(angle) * width / 2
    try:
        for (x, y, *_), (u, v) in zip(ring, ((-1, -1), (1, -1), (1, 1), (-1, 1)), strict=False):
            dx, dy = cx + u * along[0] + v * across[0] - x, cy + u * along[1] + v * across[1] - y
            # NaN is not within anything.
            if not math.hypot(dx, dy) <= _RECTANGLE_TOLERANCE:
                return None
    except (TypeError, ValueError, OverflowError):
        return None
    return np.asarray(numbers, dtype=np.float64)


def _rectangle(outline: Outline) -> NDArray[np.float64] | None:
    """Return the box of an outline that is one rectangle of any direction, else None."""
    if len(outline) != 1 or len(outline[0]) != 1 or len(outline[0][0]) != 4:
        return None
    box = geometry.from_corners(outline[0][0][None])[0]
    ring = outline[0][0]
    # Each corner lies where a rectangle of this centre has it when both diagonals halve each other and are equal.
    first, second = ring[2] - ring[0], ring[3] - ring[1]
    slack = 0.5 + 0.01 * float(box[2])
    same_centre = np.abs(ring[0] + ring[2] - ring[1] - ring[3]).max() / 2 <= slack
    same_length = abs(math.hypot(*first) - math.hypot(*second)) <= slack
    return box if same_centre and same_length and box[3] > 0 else None


def _smallest_box(outline: Outline) -> NDArray[np.float64]:
    """Return the smallest box of any direction round the polygons, canonical."""
    import cv2

    points = np.concatenate([polygon[0] for polygon in outline])
    origin = points.mean(axis=0)
    (cx, cy), (width, height), degrees = cv2.minAreaRect((points - origin).astype(np.float32))
    box = [cx + origin[0], cy + origin[1], max(width, 1e-3), max(height, 1e-3), math.radians(degrees)]
    return np.asarray(geometry.canonical([box])[0])


def _stored_box(numbers: Any) -> NDArray[np.float64] | None:
    """Return the stored numbers of a box, None where they are not a box."""
    if not isinstance(numbers, list) or len(numbers) != 5 or not all(is_finite_number(v) for v in numbers):
        return None
    if min(numbers[2:4]) <= 0 or max(map(abs, numbers)) > FARTHEST:
        return None
    return np.asarray(numbers, dtype=np.float64)


def _is_at(stored: NDArray[np.float64], rectangle: NDArray[np.float64]) -> bool:
    """Return whether two boxes have the same corners, whichever comes first.

    Bounds alone would not tell a box from its mirror image.
    """
    ours, theirs = geometry.corners(stored)[0], geometry.corners(rectangle)[0]
    distance = np.linalg.norm(ours[:, None] - theirs[None], axis=2).min(axis=1).max()
    return bool(distance <= _RECTANGLE_TOLERANCE)


def _is_tight(stored: NDArray[np.float64], outline: Outline) -> bool:
    """Return whether a box is tight around the whole of an outline or around its largest part.

    A box lies along the apical axis, which need not be the smallest one's, and islands may lie outside of it.
    """
    parts = [polygon[0] for polygon in outline]
    some = [parts[0]]
    if len(parts) > 1:
        some = [np.concatenate(parts), max(parts, key=lambda part: float(np.ptp(part, axis=0).prod()))]
    axes = np.array([[np.cos(stored[4]), -np.sin(stored[4])], [np.sin(stored[4]), np.cos(stored[4])]])
    for points in some:
        along = (points - stored[:2]) @ axes
        ends = np.stack([along.min(axis=0) + stored[2:4] / 2, along.max(axis=0) - stored[2:4] / 2])
        if np.abs(ends).max() <= _POLYGON_TOLERANCE:
            return True
    return False


def is_finite_number(value: Any) -> bool:
    """Tell whether a value is a finite number; an integer beyond all floats is none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
