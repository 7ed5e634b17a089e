"""Size and shape of one specimen from its mask, between the pixels; ``docs/understand/sizes.md`` has every formula."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Final
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core import geometry
from napari_diatom.core.cropped_masks import draw_polygon
from napari_diatom.core.detections import CroppedMask
from napari_diatom.measurement import contour
from napari_diatom.measurement.contour import Points
from napari_diatom.measurement.midline import MidlineBand, midline

Box = tuple[float, float, float, float, float]

NEARLY_ROUND: Final = 1.1
"""Axis ratio of the moments below which they say little of the direction: that of the smallest rectangle is taken."""
END_SHARE: Final = 0.05
"""Share of the length at either end whose centroids the apical axis joins, ..."""
SLENDER: Final = 0.12
"""... where the ends are narrower than this share of the length, ..."""
ALIKE: Final = 2.0
"""... and neither is more than so many times as wide as the other: a broken end is not an apex."""

_SMOOTHING: Final = 1.5
"""Standard deviation (px) of the filter before a perimeter: circles and rectangles both come out right within 1 %."""
_MOST_HULL: Final = 800
_SYMMETRY_SIDE: Final = 256


@dataclass(frozen=True)
class Shape:
    """Size and shape of one specimen; lengths in pixels, all of its largest part with holes filled.

    Attributes
    ----------
    box : Box
        cx, cy, length, width, angle: as in :class:`~napari_diatom.core.detections.Detections`, canonical.
    midline_length : float
        From end to end along the curved midline.
    width_max, width_centre : float
        Greatest width at right angles to the midline, and the one half way along it.
    perimeter : float
        Length of the outline.
    feret, min_feret : float
        Greatest and least distance of parallel tangents (calliper diameters; ImageJ's Feret and MinFeret).
    feret_angle_deg : float
        Direction of the greatest, in [0, 180), anticlockwise from right as ImageJ counts it.
    circularity : float
        4 pi area / perimeter^2 (ImageJ), 1 for a circle.
    rectangularity : float
        Area over that of the smallest rectangle round it.
    solidity : float
        Area over that of the convex hull (ImageJ; ISO 9276-6).
    convexity : float
        Perimeter of the convex hull over perimeter (ISO 9276-6).
    symmetry_apical, symmetry_transapical : float
        Share of the area that meets itself when mirrored at the apical axis, or across it, through the centroid.
    band : MidlineBand
        The specimen along and across its midline, in axes turned by ``band_angle`` about the image's origin.
    band_angle : float
        In radians.
    """

    box: Box
    midline_length: float
    width_max: float
    width_centre: float
    perimeter: float
    feret: float
    min_feret: float
    feret_angle_deg: float
    circularity: float
    rectangularity: float
    solidity: float
    convexity: float
    symmetry_apical: float
    symmetry_transapical: float
    band: MidlineBand = field(compare=False, repr=False)
    band_angle: float = field(compare=False, repr=False)


_known: WeakKeyDictionary[CroppedMask, Shape] = WeakKeyDictionary()

SHAPE_NAMES: Final = tuple(item.name for item in fields(Shape) if item.type == "float" and item.compare)
"""The numbers of a :class:`Shape`."""


def oriented_box(mask: CroppedMask) -> NDArray[np.float64]:
    """Return the oriented box of a mask's largest part, shape (5,), canonical: the box that its specimen should have.

    Parameters
    ----------
    mask : CroppedMask
        With at least one pixel.

    Raises
    ------
    InputError
        When the mask is empty.
    """
    points = contour.trace_contour(mask)
    return np.asarray(geometry.canonical([_box(contour.tips_kept(points), _direction(points))])[0])


def measure_shape(mask: CroppedMask) -> Shape:
    """Measure a mask; the same mask object is measured once.

    Parameters
    ----------
    mask : CroppedMask
        With at least one pixel; its largest part is measured, without its holes.

    Raises
    ------
    InputError
        When the mask is empty.
    """
    known = _known.get(mask)
    if known is None:
        known = _known[mask] = _measured(mask)
    return known


def _measured(mask: CroppedMask) -> Shape:
    """Return the shape of a mask."""
    rough = contour.trace_contour(mask)
    tips = contour.tips_kept(rough)
    box = _box(tips, _direction(rough))
    smooth = contour.smoothed(rough, _SMOOTHING)
    hull = _hull(smooth)
    line = midline(contour.turned(tips, box[4]))
    area, perimeter = geometry.polygon_area(smooth), contour.perimeter(smooth)
    feret, angle, min_feret, rectangle = _callipers(tips, hull, box)
    mirrored = _symmetry(contour.turned(smooth - contour.moments(smooth)[0], box[4]))
    cx, cy, length, width, direction = geometry.canonical([box])[0].tolist()
    return Shape(
        box=(cx, cy, length, width, direction),
        midline_length=line.length,
        width_max=line.width_max,
        width_centre=line.width_centre,
        perimeter=perimeter,
        feret=feret,
        min_feret=min_feret,
        feret_angle_deg=angle,
        circularity=min(4 * math.pi * area / perimeter**2, 1.0),
        rectangularity=min(area / rectangle, 1.0),
        solidity=min(area / geometry.polygon_area(hull), 1.0),
        convexity=min(contour.perimeter(hull) / perimeter, 1.0),
        symmetry_apical=mirrored[0],
        symmetry_transapical=mirrored[1],
        band=line.band,
        band_angle=box[4],
    )


def _direction(points: Points) -> float:
    """Return the angle of the apical axis in radians, not canonical.

    The principal axis of the area is that of any outline with a mirror line. Sigmoid valves have none: where the ends
    are pointed, the line from apex to apex is the axis.
    """
    _, moments = contour.moments(points)
    values, vectors = np.linalg.eigh(moments)
    if values[1] < NEARLY_ROUND**2 * max(values[0], 0.0):
        return float(geometry.min_area_box(points)[4])
    angle = math.atan2(vectors[1, 1], vectors[0, 1])
    for _ in range(4):
        ends = _ends(contour.turned(points, angle))
        if ends is None:
            break
        dx, dy = (ends[1] - ends[0]).tolist()
        turn = math.atan2(dy, dx)
        angle += turn
        if abs(turn) < 1e-3:
            break
    return angle


def _ends(points: Points) -> tuple[Points, Points] | None:
    """Return the centroids of the two ends along the first axis, or None where they are not two alike, pointed ends."""
    length = float(np.ptp(points[:, 0]))
    depth = END_SHARE * length
    ends = [_beyond(points * [sign, 1.0], depth) for sign in (-1.0, 1.0)]
    widths = [geometry.polygon_area(end) / depth for end in ends]
    if max(widths) > min(SLENDER * length, ALIKE * min(widths)):
        return None
    return contour.moments(ends[0])[0] * [-1.0, 1.0], contour.moments(ends[1])[0]


def _beyond(points: Points, depth: float) -> Points:
    """Return the part of a polygon within ``depth`` of its greatest first coordinate."""
    room = points[:, 0] - (points[:, 0].max() - depth)
    after, room_after = contour.following(points), contour.following(room)
    crosses = (room >= 0) != (room_after >= 0)
    share = room / np.where(crosses, room - room_after, 1.0)
    both = np.stack([points, points + share[:, None] * (after - points)], axis=1).reshape(-1, 2)
    return np.asarray(both[np.stack([room >= 0, crosses], axis=1).ravel()])


def _box(tips: Points, angle: float) -> Box:
    """Return the box round an outline along a direction or, where it is wider than long, across it."""
    origin = tips[0]
    local = contour.turned(tips - origin, angle)
    (low, high), (left, right) = contour.reach(local, 0), contour.reach(local, 1)
    length, width = high - low, right - left
    centre = np.array([[(low + high) / 2, (left + right) / 2]])
    cx, cy = (contour.turned(centre, -angle)[0] + origin).tolist()
    if width > length:
        length, width, angle = width, length, angle + math.pi / 2
    # Nothing is narrower than its area over its length, not even a slanting line of single pixels.
    return cx, cy, length, max(width, geometry.polygon_area(tips) / length), angle


def _hull(points: Points) -> Points:
    """Return the convex hull of points, clockwise on the screen."""
    import cv2

    # Indices, so that the coordinates keep their precision.
    corners = cv2.convexHull((points - points[0]).astype(np.float32), returnPoints=False)[:, 0]
    ring: Points = points[corners]
    return ring if geometry.signed_area(ring) > 0 else ring[::-1]


def _callipers(tips: Points, hull: Points, box: Box) -> tuple[float, float, float, float]:
    """Return Feret's diameter, its angle as ImageJ counts it, the least one, and the area of the smallest rectangle.

    The hull tells the directions, the outline itself how far it reaches in them. The apical axis is one of those
    tried, so that Feret's diameter is never below the length, nor the least one above the width.
    """
    corners = hull[:: len(hull) // _MOST_HULL + 1]
    x, y = corners.T
    apart = (x[:, None] - x) ** 2 + (y[:, None] - y) ** 2
    i, j = divmod(int(apart.argmax()), len(corners))
    longest = math.atan2(y[i] - y[j], x[i] - x[j])
    # The least rectangle and the least width have a side along an edge of the hull (Freeman and Shapira, 1975).
    edges = contour.following(corners) - corners
    angles = np.arctan2(edges[:, 1], edges[:, 0])
    cos, sin = np.cos(angles), np.sin(angles)
    along, across = np.outer(x, cos) + np.outer(y, sin), np.outer(y, cos) - np.outer(x, sin)
    lengths, widths = np.ptp(along, axis=0), np.ptp(across, axis=0)
    narrow, small = int(widths.argmin()), int((lengths * widths).argmin())
    length, width = (_span(tips, angles[small], axis) for axis in (0, 1))
    least = width if narrow == small else _span(tips, angles[narrow], 1)
    greatest = max((_span(tips, longest, 0), longest), (box[2], box[4]))
    degrees = -math.degrees(greatest[1]) % 180.0
    floor = geometry.polygon_area(tips) / greatest[0]
    return (
        greatest[0],
        0.0 if degrees >= 180.0 else degrees,
        max(min(least, box[3]), floor),
        min(length * width, box[2] * box[3]),
    )


def _span(tips: Points, angle: float, axis: int) -> float:
    """Return how long an outline is in a direction (axis 0), or across it (axis 1)."""
    low, high = contour.reach(contour.turned(tips - tips[0], angle), axis)
    return high - low


def _symmetry(points: Points) -> tuple[float, float]:
    """Return the shares of a shape that meet their mirror images at the two axes through the origin.

    The shape is drawn on a square that its bounds fill: stretching along the axes changes no share.
    """
    half = np.maximum(np.abs(points).max(axis=0), 1e-6)
    side = _SYMMETRY_SIDE
    canvas = np.zeros((side, side), dtype=np.uint8)
    draw_polygon(canvas, points / half * (side / 2 - 1) + (side - 1) / 2, bits=8)
    total = int(canvas.sum())
    apical, transapical = (int((canvas & canvas[flip]).sum()) / total for flip in (np.s_[::-1], np.s_[:, ::-1]))
    return apical, transapical
