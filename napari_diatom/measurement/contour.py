"""The outline of a mask between its pixels, and how far it reaches in a direction.

A mask says of each pixel whether its centre lies inside. The outline runs half way between the centres inside and
outside (marching squares; Lorensen and Cline, 1987), so that masks measure neither a pixel too long nor too short, and
is then smoothed along itself by a filter that leaves parabolas in their place, so that the steps of slanting edges
neither lengthen it nor stick out of it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core import geometry
from napari_diatom.core.detections import CroppedMask
from napari_diatom.core.errors import InputError

Points = NDArray[np.float64]

STEP: Final = 0.5
"""Pixels between the points of an outline."""

FEW_PIXELS: Final = 16
"""Below so many pixels there is nothing to smooth: the outline is the convex hull of the pixels' squares."""

MOST_PIXELS: Final = 4_000_000
"""Bounds larger than this are averaged over squares of pixels first, which changes nothing one could measure."""

_FIRST_SMOOTHING: Final = 0.7
"""Standard deviation (px) of the filter before the ends are looked at; more would wear off the tips of needles."""
_CAP: Final = 1.0
"""Depth (px) of the end of a shape whose points tell how far the shape reaches."""
_OFFSETS: Final = np.array([[1, 0], [1, 1], [0, 1], [-1, 1], [-1, 0], [-1, -1], [0, -1], [1, -1]])
"""Steps x, y to the eight neighbours of a pixel, clockwise on the screen from the right."""
_DIRECTION: Final = np.array([[5, 6, 7], [4, 0, 0], [3, 2, 1]])
"""Number in that list of the step (dy + 1, dx + 1)."""


def island(mask: CroppedMask) -> CroppedMask:
    """Return the largest part of a mask, cropped to its bounds; pixels that touch by a corner belong together.

    Of parts of the same size the upper one, then the left one, is taken.

    Raises
    ------
    InputError
        When the mask is empty.
    """
    import cv2
    from scipy import ndimage

    if cv2.connectedComponents(np.ascontiguousarray(mask.pixels).view(np.uint8), connectivity=8)[0] == 2:
        # Nearly all masks have one part.
        return mask.trimmed()
    labels, count = ndimage.label(mask.pixels, structure=np.ones((3, 3), dtype=bool))
    if count == 0:
        raise InputError("An empty mask has no outline to measure.")
    best = 1 if count == 1 else int(np.argmax(np.bincount(labels.ravel())[1:])) + 1
    rows, columns = ndimage.find_objects(labels, best)[best - 1]
    return CroppedMask(labels[rows, columns] == best, mask.x0 + columns.start, mask.y0 + rows.start)


def trace_contour(mask: CroppedMask) -> Points:
    """Return the outer outline of the largest part of a mask, in image coordinates, not yet smoothed.

    Parameters
    ----------
    mask : CroppedMask
        With at least one pixel; holes are skipped.

    Returns
    -------
    ndarray of float64, shape (M, 2)
        x, y of points about :data:`STEP` pixels apart, without the repeated end point, clockwise on the screen.

    Raises
    ------
    InputError
        When the mask is empty.
    """
    part = island(mask)
    if part.area < FEW_PIXELS:
        return _resampled(_squares(part))
    if part.pixels.size <= MOST_PIXELS:
        return _resampled(_half_way(*_outward(part.pixels)) + np.array([part.x0, part.y0]))
    factor = int(np.ceil(np.sqrt(part.pixels.size / MOST_PIXELS)))
    return _resampled(_between(averaged(part.pixels, factor)) * factor + (part.x0, part.y0))


def smoothed(points: Points, sigma: float) -> Points:
    """Return a closed outline smoothed along itself.

    Twice the Gaussian mean less the Gaussian mean of that: the second moment of this filter is zero, so that arcs keep
    their radius to the fourth order, which a Gaussian alone would shrink (Lowe, 1989).

    Parameters
    ----------
    points : ndarray, shape (M, 2)
        As :func:`trace_contour` returns them.
    sigma : float
        Standard deviation of the Gaussian in pixels along the outline.
    """
    from scipy.ndimage import gaussian_filter1d

    width = min(sigma * len(points) / max(perimeter(points), STEP), len(points) / 16)
    mean = gaussian_filter1d(points, width, axis=0, mode="wrap")
    return np.asarray(2 * mean - gaussian_filter1d(mean, width, axis=0, mode="wrap"))


def following(values: Points) -> Points:
    """Return for each point of a closed curve the next one."""
    return np.concatenate([values[1:], values[:1]])


def perimeter(points: Points) -> float:
    """Return the length of a closed polygon in pixels."""
    edges = following(points) - points
    return float(np.hypot(edges[:, 0], edges[:, 1]).sum())


def moments(points: Points) -> tuple[Points, Points]:
    """Return the centroid, shape (2,), and the second central moments over the area, shape (2, 2), of a polygon.

    By Green's theorem over the edges (Steger, 1996); in pixels and square pixels.
    """
    import cv2

    origin = points[0]
    sums = cv2.moments((points - origin).astype(np.float32))
    total = sums["m00"]
    if total < 1e-6:
        return points.mean(axis=0), np.cov(points.T, bias=True)
    xx, yy, xy = (sums[name] / total for name in ("mu20", "mu02", "mu11"))
    return origin + np.array([sums["m10"], sums["m01"]]) / total, np.array([[xx, xy], [xy, yy]])


def turned(points: Points, angle: float) -> Points:
    """Return points in axes turned by ``angle`` (radians, from +x towards +y), shape (M, 2)."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.asarray(points @ np.array([[cos, -sin], [sin, cos]]))


def reach(points: Points, axis: int) -> tuple[float, float]:
    """Return how far a shape reaches along one of its axes, as ``(low, high)`` in pixels.

    The one point that lies farthest out is the one that digitisation has moved outwards most. So a parabola is fitted,
    at either end, to the stretch of outline round that point that lies within a pixel of it, and its summit counts:
    this averages the steps of flat sides, follows round ones and leaves sharp tips alone.

    Parameters
    ----------
    points : ndarray, shape (M, 2)
        A closed outline, lightly smoothed.
    axis : int
        0 or 1, the coordinate.
    """
    out, beside = points[:, axis], points[:, 1 - axis]
    return -_summit(beside, -out), _summit(beside, out)


def tips_kept(points: Points) -> Points:
    """Return an outline smoothed just so much that its ends can be found by :func:`reach`."""
    return smoothed(points, _FIRST_SMOOTHING)


def _summit(beside: Points, out: Points) -> float:
    """Return the greatest ``out`` of a closed curve without the noise of its points."""
    top = int(np.argmax(out))
    far = np.flatnonzero(out <= out[top] - _CAP)
    if not len(far):
        return parabola_summit(beside, out)
    place = int(np.searchsorted(far, top))
    first, last = int(far[place - 1]) + 1, int(far[place % len(far)])
    if first <= top < last:
        return parabola_summit(beside[first:last], out[first:last])
    # The run goes on over the point where the curve is closed.
    run = np.r_[first : len(out), 0:last]
    return parabola_summit(beside[run], out[run])


def parabola_summit(x: Points, y: Points) -> float:
    """Return the greatest value, within the range of ``x``, of the parabola nearest to points; shape (K,) both.

    Fewer than five points, or points over less than three pixels, are too few for a parabola: their maximum counts.
    """
    low, high = float(x.min()), float(x.max())
    half = (high - low) / 2
    if len(x) < 5 or half < 1.5:
        return float(y.max())
    u = (x - (low + high) / 2) / half
    level, slope, bend = _parabola(u, y)
    if bend < 0 and abs(slope) < -2 * bend:
        return level - slope * slope / (4 * bend)
    return level + bend + abs(slope)


def _parabola(x: Points, y: Points) -> tuple[float, float, float]:
    """Return ``a, b, c`` of the parabola a + b x + c x^2 nearest to points.

    The normal equations about the mean of y, written out: a general solver takes longer than all the rest of a
    specimen's measurement.
    """
    level = float(y.mean())
    basis = np.empty((4, len(x)))
    basis[0], basis[1], basis[3] = 1.0, x, y - level
    np.multiply(x, x, out=basis[2])
    (n, s1, s2, t0), (_, _, s3, t1), (_, _, s4, t2) = (basis[:3] @ basis.T).tolist()
    m0, m1, m2 = s2 * s4 - s3 * s3, s2 * s3 - s1 * s4, s1 * s3 - s2 * s2
    m11, m12, m22 = n * s4 - s2 * s2, s1 * s2 - n * s3, n * s2 - s1 * s1
    determinant = n * m0 + s1 * m1 + s2 * m2
    if determinant < 1e-12 * n**3:
        return float(y.max()), 0.0, 0.0
    a = (m0 * t0 + m1 * t1 + m2 * t2) / determinant
    b = (m1 * t0 + m11 * t1 + m12 * t2) / determinant
    c = (m2 * t0 + m12 * t1 + m22 * t2) / determinant
    return level + a, b, c


def _between(shares: NDArray[np.float32]) -> Points:
    """Return the points between the pixels inside and their neighbours outside, along the outer border.

    These are the vertices of marching squares at a level of one half: half way where the shares are 0 and 1. The
    border is followed from pixel to pixel (Suzuki and Abe, 1985), which looks, at each, at the neighbours from the
    last pixel round to the next: those in between lie outside.
    """
    inner, steps_out = _outward(shares > 0.5)
    padded = np.pad(shares, 1)
    outer = inner + steps_out
    above, below = padded[inner[:, 1], inner[:, 0]], padded[outer[:, 1], outer[:, 0]]
    return _half_way(inner, steps_out, ((above - 0.5) / (above - below))[:, None].astype(np.float64))


def _outward(inside: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return pixels along the longest outer border and the steps to their neighbours outside, shape (M, 2) both.

    As x, y, counted with a margin of one pixel round the image.
    """
    import cv2

    padded = np.zeros((inside.shape[0] + 2, inside.shape[1] + 2), dtype=np.uint8)
    padded[1:-1, 1:-1] = inside
    borders, _ = cv2.findContours(padded, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    border = max(borders, key=len)[:, 0].astype(np.intp)
    steps = np.concatenate([border[1:], border[:1]]) - border
    onwards = _DIRECTION[steps[:, 1] + 1, steps[:, 0] + 1]
    back = (np.concatenate([onwards[-1:], onwards[:-1]]) + 4) % 8
    # cv2 follows an outer border against the clock as seen on the screen, hence looks round against the clock too.
    turn = np.arange(1, 8)
    looked = (back[:, None] - turn) % 8
    outside = (turn < ((back - onwards - 1) % 8 + 1)[:, None]) & (looked % 2 == 0)
    places, sides = np.nonzero(outside)
    return border[places], _OFFSETS[looked[places, sides]]


def _half_way(inner: NDArray[np.intp], steps_out: NDArray[np.intp], shares: Points | float = 0.5) -> Points:
    """Return the points between pixels inside and their neighbours outside, clockwise on the screen."""
    ring: Points = inner - 0.5 + steps_out * shares
    return ring if geometry.signed_area(ring) > 0 else ring[::-1]


def _squares(part: CroppedMask) -> Points:
    """Return the convex hull of the squares of a few pixels, clockwise on the screen."""
    import cv2

    y, x = np.nonzero(part.pixels)
    corners = np.concatenate([np.column_stack([x + i, y + j]) for i in (0, 1) for j in (0, 1)])
    hull: Points = cv2.convexHull(corners.astype(np.float32)).reshape(-1, 2).astype(np.float64)
    hull = hull + np.array([part.x0, part.y0])
    return hull if geometry.signed_area(hull) > 0 else hull[::-1]


def averaged(pixels: NDArray[np.bool_], factor: int) -> NDArray[np.float32]:
    """Return the shares of squares of ``factor`` x ``factor`` pixels that lie inside."""
    if factor == 1:
        return pixels.astype(np.float32)
    height, width = (-(-side // factor) for side in pixels.shape)
    padded = np.zeros((height * factor, width * factor), dtype=bool)
    padded[: pixels.shape[0], : pixels.shape[1]] = pixels
    return np.asarray(padded.reshape(height, factor, width, factor).mean(axis=(1, 3), dtype=np.float32))


def _resampled(ring: Points) -> Points:
    """Return points at equal distances along a closed polygon."""
    closed = np.concatenate([ring, ring[:1]])
    edges = np.diff(closed, axis=0)
    along = np.concatenate([[0.0], np.cumsum(np.hypot(edges[:, 0], edges[:, 1]))])
    count = max(round(along[-1] / STEP), 8)
    at = np.arange(count) * (along[-1] / count)
    return np.column_stack([np.interp(at, along, closed[:, 0]), np.interp(at, along, closed[:, 1])])
