"""Oriented boxes as arrays: corners, areas, bounds, overlaps, canonical form.

A box is ``cx, cy, length, width`` in pixels and an angle in radians from +x (right) towards +y (down).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from napari_diatom.core.errors import InputError

ROUND: Final = 1.05
"""Below this length/width a specimen has no direction: centric valves get angle 0."""
TINY: Final = 1e-12
"""Pixels below which an edge counts as level: its share of an area is nothing."""


def canonical(boxes: ArrayLike) -> NDArray[np.float64]:
    """Return the boxes with length >= width and the long axis' angle in [-pi/2, pi/2).

    Boxes rounder than :data:`ROUND` get angle 0.

    Parameters
    ----------
    boxes : array-like, shape (N, 5)
        Boxes in any order of sides and with any angle.
    """
    out = np.array(boxes, dtype=np.float64).reshape(-1, 5)
    swap = out[:, 3] > out[:, 2]
    out[swap, 2], out[swap, 3] = out[swap, 3], out[swap, 2]
    out[swap, 4] += np.pi / 2
    angle = out[:, 4].copy()
    # Only those beyond: the sums would take the last digits of a tiny angle that is canonical already.
    beyond = ~((angle >= -np.pi / 2) & (angle < np.pi / 2))
    angle[beyond] = np.mod(angle[beyond] + np.pi / 2, np.pi) - np.pi / 2
    # The modulo of a tiny negative number can round up to pi itself; float32 rounds pi/2 up likewise.
    angle[angle.astype(np.float32) >= np.float32(np.pi / 2)] = -np.pi / 2
    angle[out[:, 2] < ROUND * out[:, 3]] = 0.0
    out[:, 4] = np.maximum(angle, -float(np.nextafter(np.float32(np.pi / 2), np.float32(0))))
    return out


def corners(boxes: ArrayLike) -> NDArray[np.float64]:
    """Return the four corners of each box, shape (N, 4, 2), as x, y.

    The first edge (corner 0 to 1) runs along the length, the second along the width.
    """
    box = np.asarray(boxes, dtype=np.float64).reshape(-1, 5)
    cos, sin = np.cos(box[:, 4]), np.sin(box[:, 4])
    along = np.stack([cos, sin], axis=1) * (box[:, 2:3] / 2)
    across = np.stack([-sin, cos], axis=1) * (box[:, 3:4] / 2)
    centre = box[:, :2]
    return np.stack(
        [centre - along - across, centre + along - across, centre + along + across, centre - along + across],
        axis=1,
    )


def from_corners(points: ArrayLike) -> NDArray[np.float64]:
    """Return canonical boxes, shape (N, 5), of rectangles given by corners, shape (N, 4, 2).

    Opposite edges are averaged, so a slightly sheared quadrilateral gives the rectangle nearest to it.
    """
    quad = np.asarray(points, dtype=np.float64).reshape(-1, 4, 2)
    along = (quad[:, 1] - quad[:, 0] + quad[:, 2] - quad[:, 3]) / 2
    across = (quad[:, 3] - quad[:, 0] + quad[:, 2] - quad[:, 1]) / 2
    box = np.column_stack(
        [
            quad.mean(axis=1),
            np.hypot(along[:, 0], along[:, 1]),
            np.hypot(across[:, 0], across[:, 1]),
            np.arctan2(along[:, 1], along[:, 0]),
        ]
    )
    return canonical(box)


def along_axis(first: ArrayLike, second: ArrayLike, side: ArrayLike, smallest: float = 1.0) -> NDArray[np.float64]:
    """Return the box whose apical axis runs between two points and one of whose long sides goes through a third.

    Parameters
    ----------
    first, second : array-like, shape (2,)
        The ends of the axis, x and y in pixels.
    side : array-like, shape (2,)
        A point on the specimen's margin, half the width away from the axis.
    smallest : float
        Least length and width in pixels.

    Returns
    -------
    ndarray of float64, shape (5,)
        In canonical form: where the width is larger than what lies between the ends, it becomes the length.
    """
    a, b, c = (np.asarray(point, dtype=np.float64).reshape(2) for point in (first, second, side))
    axis = b - a
    length = max(float(np.hypot(*axis)), smallest)
    angle = float(np.arctan2(axis[1], axis[0]))
    across = abs(float((c - a) @ [-np.sin(angle), np.cos(angle)]))
    return np.asarray(canonical([[*(a + b) / 2, length, max(2 * across, smallest), angle]])[0])


def box_areas(boxes: ArrayLike) -> NDArray[np.float64]:
    """Return the area of each box in square pixels, shape (N,)."""
    box = np.asarray(boxes, dtype=np.float64).reshape(-1, 5)
    return np.asarray(box[:, 2] * box[:, 3])


def polygon_area(points: ArrayLike) -> float:
    """Return the area of a polygon, shape (K, 2), in square pixels."""
    return abs(signed_area(points))


def signed_area(points: ArrayLike) -> float:
    """Return the area of a polygon, shape (K, 2), in square pixels, above 0 where it runs clockwise on the screen."""
    x, y = np.asarray(points, dtype=np.float64).reshape(-1, 2).T
    # np.roll() takes as long as the products.
    after_x, after_y = np.concatenate([x[1:], x[:1]]), np.concatenate([y[1:], y[:1]])
    return float(np.dot(x, after_y) - np.dot(y, after_x)) / 2


def clip_polygon(points: NDArray[Any], x0: float, y0: float, x1: float, y1: float) -> NDArray[Any]:
    """Return the part of a polygon inside an upright rectangle, as one ring (Sutherland and Hodgman 1974).

    Parts that hang together outside only stay one ring, joined along the sides of the rectangle, unlike with
    :func:`shapely.clip_by_rect`.

    Parameters
    ----------
    points : ndarray of float, shape (K, 2)
        x and y.
    x0, y0, x1, y1 : float
        The rectangle.

    Returns
    -------
    ndarray of float, shape (M, 2)
        Without points where nothing lies inside.
    """
    for axis, limit, sign in ((0, x0, 1.0), (0, x1, -1.0), (1, y0, 1.0), (1, y1, -1.0)):
        if not len(points):
            break
        depth = sign * (points[:, axis] - limit)
        following, next_depth = np.roll(points, -1, axis=0), np.roll(depth, -1)
        crossing = (depth >= 0) != (next_depth >= 0)
        share = np.where(crossing, depth / np.where(crossing, depth - next_depth, 1.0), 0.0)
        cuts = points + share[:, None] * (following - points)
        both = np.stack([points, cuts], axis=1).reshape(-1, 2)
        points = both[np.stack([depth >= 0, crossing], axis=1).reshape(-1)]
    return points


def bounds(boxes: ArrayLike) -> NDArray[np.float64]:
    """Return the upright bounds ``x0, y0, x1, y1`` of each box, shape (N, 4)."""
    points = corners(boxes)
    return np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)


def intersections(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """Return the areas that paired boxes share, in square pixels, shape (N,).

    Green's theorem in the second box's own frame: the area of a polygon inside an upright rectangle is the integral
    of x, clamped to the rectangle, over the part of the polygon's boundary whose y lies within it. Every step is
    continuous in the coordinates, so shared edges and identical boxes need no special cases.

    Parameters
    ----------
    first, second : array-like, shape (N, 5)
        Boxes to intersect row by row.
    """
    a = np.asarray(first, dtype=np.float64).reshape(-1, 5)
    b = np.asarray(second, dtype=np.float64).reshape(-1, 5)
    cos, sin = np.cos(b[:, 4]), np.sin(b[:, 4])
    dx, dy = a[:, 0] - b[:, 0], a[:, 1] - b[:, 1]
    turned = np.column_stack([dx * cos + dy * sin, dy * cos - dx * sin, a[:, 2:4], a[:, 4] - b[:, 4]])
    points = corners(turned)
    start = points.transpose(2, 1, 0)
    x0, y0 = start
    x1, y1 = np.roll(start, -1, axis=1)
    half_x, half_y = b[:, 2] / 2, b[:, 3] / 2
    low, high = np.clip(y0, -half_y, half_y), np.clip(y1, -half_y, half_y)
    # The part of each edge within the strip |y| <= half_y; where an edge is level its part counts for nothing.
    rise = np.where(np.abs(y1 - y0) < TINY, 1.0, y1 - y0)
    run = x1 - x0
    from_x, to_x = x0 + run * np.clip((low - y0) / rise, 0, 1), x0 + run * np.clip((high - y0) / rise, 0, 1)
    # The mean of x clamped to the rectangle along that part: trapezoids between the crossings of its two sides.
    reach = to_x - from_x
    step = np.where(np.abs(reach) < TINY, 1.0, reach)
    enter, leave = np.clip((-half_x - from_x) / step, 0, 1), np.clip((half_x - from_x) / step, 0, 1)
    t0, t1 = np.minimum(enter, leave), np.maximum(enter, leave)
    at_start, at_end = np.clip(from_x, -half_x, half_x), np.clip(to_x, -half_x, half_x)
    at_t0, at_t1 = np.clip(from_x + reach * t0, -half_x, half_x), np.clip(from_x + reach * t1, -half_x, half_x)
    mean = (t0 * (at_start + at_t0) + (t1 - t0) * (at_t0 + at_t1) + (1 - t1) * (at_t1 + at_end)) / 2
    shared = (mean * (high - low)).sum(axis=0)
    return np.asarray(np.clip(shared, 0, np.minimum(box_areas(a), box_areas(b))))


def box_ious(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """Return the oriented intersection over union of paired boxes, shape (N,)."""
    shared = intersections(first, second)
    return np.asarray(shared / (box_areas(first) + box_areas(second) - shared))


def pairs(
    bounds: ArrayLike, others: ArrayLike | None = None, block: int = 2048
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield, block by block, the index pairs whose upright bounds meet, in the order of i, then j.

    A spatial index finds them; memory grows with the boxes and with the pairs of one block, never with N squared.

    Parameters
    ----------
    bounds : array-like, shape (N, 4)
        ``x0, y0, x1, y1``, as :func:`bounds` returns them.
    others : array-like, shape (M, 4), optional
        Where j is looked for; by default in ``bounds`` too, and then only pairs i < j are given.
    block : int
        Boxes looked up at a time.
    """
    rectangles = _rectangles(bounds)
    tree = shapely.STRtree(rectangles if others is None else _rectangles(others))
    for begin in range(0, len(rectangles), block):
        i, j = tree.query(rectangles[begin : begin + block])
        i += begin
        if others is None:
            later = i < j
            i, j = i[later], j[later]
        order = np.lexsort((j, i))
        yield i[order], j[order]


def _rectangles(bounds: ArrayLike) -> NDArray[np.object_]:
    """Return bounds, shape (N, 4), as shapely polygons."""
    x0, y0, x1, y1 = np.asarray(bounds, dtype=np.float64).reshape(-1, 4).T
    return np.asarray(shapely.box(x0, y0, x1, y1))


def min_area_box(points: ArrayLike, smallest: float = 1.0) -> NDArray[np.float64]:
    """Return the oriented box of least area around points or a polygon, shape (5,), in canonical form.

    Where that box is rounder than :data:`ROUND` it keeps its sizes, and its angle is 0.

    Parameters
    ----------
    points : array-like, shape (M, 2)
        x, y; at least one point.
    smallest : float
        Least length and width in pixels, for points on a line.

    Raises
    ------
    InputError
        When there is no point, or a coordinate is NaN or infinite.
    """
    array = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    if not len(array) or not np.isfinite(array).all():
        raise InputError("A box needs at least one point, with finite coordinates.")
    origin = array.mean(axis=0)
    hull = shapely.get_coordinates(shapely.convex_hull(shapely.multipoints(array - origin)))
    edges = np.diff(hull, axis=0)
    # A rectangle of least area has a side along an edge of the hull (Freeman and Shapira, 1975).
    angles = np.unique(np.arctan2(edges[:, 1], edges[:, 0])) if len(edges) else np.zeros(1)
    axes = np.stack([np.cos(angles), np.sin(angles)])
    along, across = hull @ axes, hull @ np.stack([-axes[1], axes[0]])
    least, most = np.stack([along.min(axis=0), across.min(axis=0)]), np.stack([along.max(axis=0), across.max(axis=0)])
    sizes = np.maximum(most - least, smallest)
    best = int(np.argmin(sizes[0] * sizes[1]))
    u, v = (least[:, best] + most[:, best]) / 2
    cos, sin = axes[:, best]
    box = [origin[0] + u * cos - v * sin, origin[1] + u * sin + v * cos, *sizes[:, best], angles[best]]
    return np.asarray(canonical([box])[0])
