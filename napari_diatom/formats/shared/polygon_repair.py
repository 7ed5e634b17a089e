"""Polygons of other programs: checked, repaired, distinguished from rectangles, filled, and joined to one ring."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import Delaunay

from napari_diatom.core import geometry
from napari_diatom.core.annotations import Outline
from napari_diatom.core.detections import CroppedMask
from napari_diatom.core.errors import InputError
from napari_diatom.core.mask_polygons import (
    FARTHEST,
    LARGEST,
    LARGEST_BOX,
    MOST_POINTS,
    check_near,
    check_span,
    fill,
    trace,
)

Ring = NDArray[np.float64]

TANGLED: Final = 1000
"""Crossings of a ring with itself, as reckoned from its length, from which it is repaired on the pixels."""
MOST_TURNS: Final = 100
"""Whole turns that a rotation may have; programs that add up turns make a few of them."""
SQUARE: Final = 0.05
"""Pixels that the corners of a rectangle may be off, as where they were rounded to two decimals."""


def parse_ring(values: Any) -> Ring:
    """Return points as a ring of shape (K, 2), without a repeated end point.

    Parameters
    ----------
    values : array-like, shape (K, 2) or (2 K,)
        x and y by turns.

    Raises
    ------
    InputError
        When they are not finite points, fewer than three, or have no area; the message continues after their name.
    """
    if isinstance(values, list | tuple) and len(values) > 2 * MOST_POINTS:
        raise InputError(f"has an outline of more than {MOST_POINTS:,} points, which is absurdly many")
    try:
        ring = np.asarray(values, dtype=np.float64)
        ring = ring.reshape(-1, 2) if ring.ndim < 2 else ring
    except (TypeError, ValueError, OverflowError):
        raise InputError("has an outline that is not a list of x and y") from None
    if ring.ndim != 2 or ring.shape[1] != 2:
        raise InputError("has an outline that is not a list of x and y")
    check_near(ring)
    if len(ring) > 1 and np.array_equal(ring[0], ring[-1]):
        ring = ring[:-1]
    if len(ring) < 3:
        raise InputError(f"has an outline of {len(ring)} points; three are needed")
    if len(ring) > MOST_POINTS:
        raise InputError(f"has an outline of {len(ring):,} points; up to {MOST_POINTS:,} are read")
    return ring


def repaired(rings: Outline) -> Outline:
    """Return polygons without rings that cross or touch themselves; those that do none of it are given as they are.

    Raises
    ------
    InputError
        When nothing with an area is left, or a point is not finite or too far away; the message continues after what
        they outline.
    """
    for ring in chain.from_iterable(rings):
        check_near(ring)
    return tuple(part for polygon in rings for part in _valid(polygon))


def are_valid(outlines: Sequence[Outline | None]) -> NDArray[np.bool_]:
    """Return which of N outlines :func:`repaired` certainly gives as they are, shape (N,).

    Those of one ring are looked at all together. Of others, and of what is no outline, nothing is said.
    """
    found = np.zeros(len(outlines), dtype=bool)
    rows, rings = [], []
    for row, outline in enumerate(outlines):
        if outline is not None and len(outline) == 1 and len(outline[0]) == 1 and len(outline[0][0]) > 2:
            rows.append(row)
            rings.append(outline[0][0])
    if not rings:
        return found
    points = np.concatenate(rings)
    if not (np.abs(points) <= FARTHEST).all():
        return found
    owners = np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
    shapes = shapely.polygons(shapely.linearrings(points, indices=owners))
    found[rows] = shapely.is_valid(shapes) & (shapely.area(shapes) > 0)
    return found


def _valid(rings: tuple[Ring, ...]) -> Outline:
    """Return one polygon as one or several valid ones."""
    shape = shapely.Polygon(rings[0], rings[1:])
    if shape.is_valid and shape.area:
        return (rings,)
    parts = trace(fill((rings,))) if _is_tangled(rings) else polygons_of(shapely.make_valid(shape))
    if not parts:
        raise InputError("has an outline without an area")
    return parts


def _is_tangled(rings: Sequence[Ring]) -> bool:
    """Tell whether rings cross or touch each other so often that taking them apart would take minutes.

    Edges of length L that lie anyhow in an area A cross each other about L^2 / (pi A) times (Santalo, 1976), and never
    more often than there are pairs of them.
    """
    points = np.concatenate(rings)
    length = sum(float(np.hypot(*np.diff(ring, axis=0, append=ring[:1]).T).sum()) for ring in rings)
    area = max(float(np.ptp(points, axis=0).prod()), 1.0)
    return min(length**2 / (np.pi * area), len(points) ** 2 / 2) > TANGLED


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
        When nothing has an area; the message continues after what they outline.
    """
    if _is_tangled(rings):
        parts = trace(fill(tuple((ring,) for ring in rings)))
        if not parts:
            raise InputError("has an outline without an area")
        return parts
    shapes = [shapely.make_valid(shapely.Polygon(ring)) for ring in rings]
    # In pairs, then pairs of pairs, so that many small rings are not each held against all of them.
    while len(shapes) > 1:
        pairs = zip(shapes[::2], shapes[1::2], strict=False)
        shapes = [*(shapely.symmetric_difference(*pair) for pair in pairs), *shapes[len(shapes) // 2 * 2 :]]
    parts = polygons_of(shapes[0])
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
        When the ring has no area; the message continues after what it outlines.
    """
    box = rectangle_of(ring)
    if box is not None:
        return box
    box = geometry.min_area_box(ring, smallest=1e-6)
    if box[3] <= 1e-5:
        raise InputError("has an outline without an area")
    return box


def ellipse(cx: float, cy: float, length: float, width: float, angle: float) -> Ring:
    """Return an ellipse as a ring of 90 points; ``length`` and ``width`` are whole axes.

    Raises
    ------
    InputError
        When it is absurdly large or lies nowhere; the message continues after what it outlines.
    """
    check_near(np.array([cx, cy, length, width]))
    check_angle(angle)
    turn = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    x, y = length / 2 * np.cos(turn), width / 2 * np.sin(turn)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.column_stack([cx + x * cos - y * sin, cy + x * sin + y * cos])


def clipped(outline: Outline, height: int, width: int) -> Outline:
    """Return the part of valid polygons that lies within the image; nothing where there is none."""
    shape = shapely.MultiPolygon([(polygon[0], polygon[1:]) for polygon in outline])
    return polygons_of(shapely.clip_by_rect(shape, 0, 0, width, height))


def fill_outline(outline: Outline, size: tuple[int, int] | None) -> CroppedMask:
    """Return the mask of polygons within an image of ``size`` (height, width).

    Raises
    ------
    InputError
        When it would be absurdly large; the message continues after what the polygons outline.
    """
    mask = fill(outline)
    return mask if size is None else mask.within(0, 0, size[1], size[0])


def check_angle(angle: float) -> None:
    """Refuse a rotation (rad) of so many turns that its digits no longer show the direction.

    Raises
    ------
    InputError
        When it is; the message continues after what is rotated.
    """
    if not abs(angle) <= MOST_TURNS * 2 * math.pi:
        raise InputError(f"has a rotation of {math.degrees(angle):g} degrees, which is absurdly large")


def check_box(box: ArrayLike) -> None:
    """Refuse a box whose bounds are absurdly large.

    Raises
    ------
    InputError
        When they are; the message continues after the box's name.
    """
    width, height = np.ptp(geometry.corners(box)[0], axis=0).tolist()
    check_span(width, height, LARGEST_BOX)


def are_of_size(corners: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which of N boxes :func:`check_box` lets pass, shape (N,), by their corners, shape (N, 4, 2)."""
    width, height = (corners.max(axis=1) - corners.min(axis=1)).T
    return np.asarray((width + 1) * (height + 1) <= LARGEST_BOX)


def filled_box(box: ArrayLike, size: tuple[int, int] | None) -> CroppedMask:
    """Return the mask of a box; of one that is absurdly large, what lies within an image of ``size`` (height, width).

    Raises
    ------
    InputError
        When that is absurdly large as well; the message continues after the box's name.
    """
    corners = np.asarray(geometry.corners(box)[0])
    width, height = (np.ptp(corners, axis=0) + 1).tolist()
    if size is not None and width * height > LARGEST:
        inside = clipped(((corners,),), *size)
        return fill(inside) if inside else CroppedMask(np.zeros((1, 1), dtype=bool), 0, 0)
    return fill(((corners,),))


def bridged(outline: Outline) -> Ring:
    """Return the rings of polygons as one, joined by bridges without width that are passed forth and back.

    By the even-odd rule the one ring encloses what they do, holes and islands too: :func:`repaired` gives them back.
    The bridges are the shortest that join all rings, so that they do not cross each other.
    """
    rings = [ring for polygon in outline for ring in polygon]
    if len(rings) == 1:
        return rings[0]
    points = np.concatenate(rings)
    owners = np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
    firsts = np.concatenate([[0], np.cumsum([len(ring) for ring in rings])]).tolist()
    ends: dict[int, list[int]] = {}
    for one, other in _bridges(points, owners):
        ends.setdefault(one, []).append(other)
        ends.setdefault(other, []).append(one)

    def around(start: int) -> Iterable[int]:
        ring = int(owners[start])
        return chain(range(start, firsts[ring + 1]), range(firsts[ring], start))

    order: list[int] = []
    reached = {0}
    # Where a bridge begins, the ring at its other end is passed before this one goes on.
    ways = [iter(around(0))]
    while ways:
        at = next(ways[-1], None)
        if at is None:
            ways.pop()
            continue
        order.append(at)
        beyond = [end for end in ends.pop(at, ()) if int(owners[end]) not in reached]
        reached.update(int(owners[end]) for end in beyond)
        if beyond:
            ways.append(chain.from_iterable(chain(around(end), (end, at)) for end in beyond))
    return np.asarray(points[order])


def _bridges(points: Ring, owners: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Yield the shortest bridges that join rings: the numbers of the points at their ends.

    They are edges of the Delaunay triangulation of all points (Shamos and Hoey, 1975), taken by Kruskal's rule.
    """
    places, first, same = np.unique(points, axis=0, return_index=True, return_inverse=True)
    triangles = Delaunay(places - places.mean(axis=0)).simplices
    edges = np.unique(
        np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])), axis=0
    )
    order = np.argsort(np.hypot(*(places[edges[:, 0]] - places[edges[:, 1]]).T), kind="stable")
    # Rings that meet in a point are joined there.
    met = np.column_stack([np.arange(len(points)), first[same.ravel()]])
    pairs = np.concatenate([met, first[edges[order]]])
    group = list(range(int(owners[-1]) + 1))

    def root(ring: int) -> int:
        while group[ring] != ring:
            group[ring] = group[group[ring]]
            ring = group[ring]
        return ring

    for one, other in pairs[owners[pairs[:, 0]] != owners[pairs[:, 1]]].tolist():
        here, there = root(int(owners[one])), root(int(owners[other]))
        if here != there:
            group[there] = here
            yield one, other
