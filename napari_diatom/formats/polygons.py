"""Polygons as other programs draw them: checked, repaired, told from rectangles, filled, and joined to one ring."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.spatial import Delaunay

from napari_diatom import geometry
from napari_diatom.detections import CroppedMask
from napari_diatom.errors import InputError
from napari_diatom.formats import Outline
from napari_diatom.formats.outlines import fill

Ring = NDArray[np.float64]

FARTHEST: Final = 1e7
"""Pixels from the origin beyond which a coordinate is absurd."""
LARGEST: Final = 2**26
"""Pixels that the bounds of one specimen may have."""
SQUARE: Final = 0.05
"""Pixels that the corners of a rectangle may be off, as where they were rounded to two decimals."""


def ring_of(values: Any) -> Ring:
    """Return points as a ring of shape (K, 2), without a repeated end point.

    Parameters
    ----------
    values : array-like, shape (K, 2) or (2 K,)
        x and y by turns.

    Raises
    ------
    InputError
        When they are no finite points, fewer than three, or have no area; the message goes on after what they outline.
    """
    try:
        ring = np.asarray(values, dtype=np.float64)
        ring = ring.reshape(-1, 2) if ring.ndim < 2 else ring
    except (TypeError, ValueError, OverflowError):
        raise InputError("has an outline that is no list of x and y") from None
    if ring.ndim != 2 or ring.shape[1] != 2:
        raise InputError("has an outline that is no list of x and y")
    if not np.isfinite(ring).all() or np.abs(ring).max(initial=0) > FARTHEST:
        raise InputError("has NaN, infinite or absurdly large coordinates")
    if len(ring) > 1 and np.array_equal(ring[0], ring[-1]):
        ring = ring[:-1]
    if len(ring) < 3:
        raise InputError(f"has an outline of {len(ring)} points; three are needed")
    return ring


def repaired(rings: Outline) -> Outline:
    """Return polygons without rings that cross or touch themselves; those that do none of it are given as they are.

    Raises
    ------
    InputError
        When nothing with an area is left; the message goes on after what they outline.
    """
    return tuple(part for polygon in rings for part in _valid(polygon))


def _valid(rings: tuple[Ring, ...]) -> Outline:
    """Return one polygon as one or several valid ones."""
    shape = shapely.Polygon(rings[0], rings[1:])
    if shape.is_valid and shape.area:
        return (rings,)
    parts = polygons_of(shapely.make_valid(shape))
    if not parts:
        raise InputError("has an outline without an area")
    return parts


def polygons_of(shape: shapely.Geometry) -> Outline:
    """Return what of a shape has an area."""
    # Twice, since a repaired polygon may be a collection of multi-polygons.
    parts = shapely.get_parts(shapely.get_parts(shape)).tolist()
    return tuple(
        tuple(shapely.get_coordinates(ring)[:-1] for ring in (part.exterior, *part.interiors))
        for part in parts
        if part.geom_type == "Polygon" and part.area > 0
    )


def nested(rings: Sequence[Ring]) -> Outline:
    """Return what rings enclose by the even-odd rule: those inside others are holes.

    Raises
    ------
    InputError
        When nothing has an area; the message goes on after what they outline.
    """
    shapes = [shapely.make_valid(shapely.Polygon(ring)) for ring in rings]
    parts = polygons_of(reduce(shapely.symmetric_difference, shapes))
    if not parts:
        raise InputError("has an outline without an area")
    return parts


def rectangle_of(ring: Ring, slack: float = SQUARE) -> NDArray[np.float64] | None:
    """Return the box of four corners at right angles, shape (5,), None for any other ring.

    Parameters
    ----------
    ring : ndarray, shape (K, 2)
        The corners, in either direction.
    slack : float
        Pixels that a corner may be off.
    """
    if len(ring) != 4:
        return None
    # The diagonals of a rectangle halve each other and are equal.
    middles = np.hypot(*(ring[0] + ring[2] - ring[1] - ring[3])) / 2
    diagonals = abs(np.hypot(*(ring[2] - ring[0])) - np.hypot(*(ring[3] - ring[1]))) / 2
    box = np.asarray(geometry.from_corners(ring[None])[0])
    return box if max(middles, diagonals) <= slack and box[3] > slack else None


def box_round(ring: Ring) -> NDArray[np.float64]:
    """Return the box of four corners, or the smallest one round any other ring.

    Raises
    ------
    InputError
        When the ring has no area; the message goes on after what it outlines.
    """
    box = rectangle_of(ring)
    if box is not None:
        return box
    box = geometry.min_area_box(ring, smallest=1e-6)
    if box[3] <= 1e-5:
        raise InputError("has an outline without an area")
    return box


def ellipse(cx: float, cy: float, length: float, width: float, angle: float) -> Ring:
    """Return an ellipse as a ring of 90 points; ``length`` and ``width`` are whole axes."""
    turn = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    x, y = length / 2 * np.cos(turn), width / 2 * np.sin(turn)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.column_stack([cx + x * cos - y * sin, cy + x * sin + y * cos])


def clipped(outline: Outline, height: int, width: int) -> Outline:
    """Return the part of valid polygons that lies within the image; nothing where there is none."""
    shape = shapely.MultiPolygon([(polygon[0], polygon[1:]) for polygon in outline])
    return polygons_of(shapely.clip_by_rect(shape, 0, 0, width, height))


def check_span(width: float, height: float) -> None:
    """Refuse a specimen whose bounds have absurdly many pixels.

    Raises
    ------
    InputError
        When they have; the message goes on after what spans them.
    """
    if (width + 1) * (height + 1) > LARGEST:
        raise InputError(f"spans {width:.0f} x {height:.0f} pixels, which is absurdly large")


def filled(outline: Outline, size: tuple[int, int] | None) -> CroppedMask:
    """Return the mask of polygons within an image of ``size`` (height, width).

    Raises
    ------
    InputError
        When it would be absurdly large; the message goes on after what the polygons outline.
    """
    check_span(*np.ptp(np.concatenate([polygon[0] for polygon in outline]), axis=0).tolist())
    mask = fill(outline)
    return mask if size is None else mask.within(0, 0, size[1], size[0])


def bridged(outline: Outline) -> Ring:
    """Return the rings of polygons as one, joined by bridges without width that are passed forth and back.

    By the even-odd rule the one ring encloses what they do, holes and islands too: :func:`repaired` gives them back.
    The bridges are the shortest that join all rings, so that they do not cross each other.
    """
    rings = [ring for polygon in outline for ring in polygon]
    joined = rings[0]
    ways = _bridges(rings)
    reached = [0]
    for one in reached:
        for here, there, start, end in (*ways, *((b, a, end, start) for a, b, start, end in ways)):
            if here != one or there in reached:
                continue
            ring = np.roll(rings[there], -_index(rings[there], end), axis=0)
            at = _index(joined, start)
            joined = np.concatenate([joined[: at + 1], ring, ring[:1], joined[at:]])
            reached.append(there)
    return joined


def _index(ring: Ring, point: Ring) -> int:
    """Return where a point first occurs in a ring."""
    return int(np.flatnonzero((ring == point).all(axis=1))[0])


def _bridges(rings: Sequence[Ring]) -> list[tuple[int, int, Ring, Ring]]:
    """Return the shortest bridges that join rings: which two, and their ends.

    They are edges of the Delaunay triangulation of all points (Shamos and Hoey, 1975), taken by Kruskal's rule.
    """
    if len(rings) == 1:
        return []
    owners = np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
    points, first, same = np.unique(np.concatenate(rings), axis=0, return_index=True, return_inverse=True)
    triangles = Delaunay(points - points.mean(axis=0)).simplices
    edges = np.unique(
        np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])), axis=0
    )
    # Rings that meet in a point are joined there.
    pairs = [
        (owner, int(owners[first[at]]), at, at)
        for owner, at in zip(owners.tolist(), same.ravel().tolist(), strict=True)
    ]
    order = np.argsort(np.hypot(*(points[edges[:, 0]] - points[edges[:, 1]]).T), kind="stable")
    pairs += [(int(owners[first[a]]), int(owners[first[b]]), a, b) for a, b in edges[order].tolist()]
    group = list(range(len(rings)))
    bridges = []
    for one, other, a, b in pairs:
        if group[one] != group[other]:
            bridges.append((one, other, points[a], points[b]))
            old, new = group[other], group[one]
            group = [new if number == old else number for number in group]
    return bridges
