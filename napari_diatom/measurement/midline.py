"""The line that runs through the middle of a specimen, from apex to apex, and its widths along that line."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.measurement.contour import Points, parabola_summit, reach

BENDING: Final = 3.0
"""Length/width from which a midline may bend twice (sigmoid valves); shorter specimens bend once at most."""
STRAIGHT: Final = 1.5
"""Length/width below which a specimen has a straight midline: its sides and ends cannot be distinguished."""

_ROUNDS: Final = 5
_NODES: Final = 65
_SPARSE: Final = 256
"""Points of the outline that are enough to find the line."""
_SETTLED: Final = 0.05
"""Pixels by which the length may still change when the line is taken."""
_FEWEST, _MOST = 32, 512
_CENTRAL: Final = 0.04
"""Half of the stretch about the middle over which the width at the centre is averaged, as a share of the length."""
_CAP: Final = 1.0


@dataclass(frozen=True, eq=False)
class Midline:
    """Sizes along a midline, in pixels, and the band round it.

    Attributes
    ----------
    length : float
        From end to end of the specimen, along the line.
    width_max : float
        The greatest distance between the two margins, at right angles to the line.
    width_centre : float
        That distance half way along the line.
    band : MidlineBand
        The specimen along and across the line.
    """

    length: float
    width_max: float
    width_centre: float
    band: MidlineBand


@dataclass(frozen=True, eq=False)
class MidlineAxes:
    """Coordinates along and across a midline, in pixels, in which a specimen is straight.

    Attributes
    ----------
    origin : ndarray, shape (2,)
        Where the line has its middle, about.
    line : ndarray, shape (K, 2), or None
        Points of the line from ``origin`` on; None for a straight line along the first axis.
    """

    origin: Points
    line: Points | None

    def straight(self, points: Points) -> Points:
        """Return points, shape (M, 2), as path along the line and distance from it."""
        local = points - self.origin
        return local if self.line is None else _along(local, self.line)

    def place(self, along: Points, across: Points) -> Points:
        """Return where points at ``along`` and ``across``, shape (N,), lie, shape (N, 2)."""
        if self.line is None:
            return np.column_stack([along, across]) + self.origin
        return _place(self.line, along, across) + self.origin


@dataclass(frozen=True, eq=False)
class MidlineBand:
    """A specimen along and across its midline, in few numbers: there may be a hundred thousand of them.

    Attributes
    ----------
    axes : MidlineAxes
        Of the line.
    reach : tuple of float
        Paths along the line at which the specimen begins and ends.
    margins : ndarray of float32, shape (2, K)
        Distances from the line of the two margins, at K paths evenly spaced over the reach, its ends left out.
    """

    axes: MidlineAxes
    reach: tuple[float, float]
    margins: NDArray[np.float32]

    def margins_at(self, at: Points) -> Points:
        """Return the margins at paths along the line, shape (2, N), the lower one first."""
        known = np.linspace(*self.reach, self.margins.shape[1] + 2)[1:-1]
        sides = np.stack([np.interp(at, known, side) for side in self.margins])
        return np.sort(sides, axis=0)


def _axes(points: Points) -> MidlineAxes:
    """Return the axes along and across the midline of an outline, given as for :func:`midline`."""
    length, width = (float(np.ptp(points[:, axis])) for axis in (0, 1))
    origin = np.array([points[:, 0].mean(), (points[:, 1].min() + points[:, 1].max()) / 2])
    if length < STRAIGHT * width:
        return MidlineAxes(origin, None)
    line = _fitted_line(points - origin, 5 if length >= BENDING * width else 2)
    return MidlineAxes(origin, line)


def midline(points: Points) -> Midline:
    """Measure a specimen along its midline.

    The outline is split at the two points farthest out along the line, which at first is the apical axis; the middles
    between the two margins, found at right angles to the line, give the next line, a polynomial of the path along the
    last one; after a few rounds they agree. In coordinates along and across that line the specimen is straight, and
    measured there as any other.

    Parameters
    ----------
    points : ndarray, shape (M, 2)
        The outline, lightly smoothed, in axes whose first one is the apical axis.
    """
    axes = _axes(points)
    straight = axes.straight(points)
    low, high = reach(straight, 0)
    at = np.linspace(low, high, int(np.clip(round(high - low), _FEWEST, _MOST)) + 2)[1:-1]
    first, second = _margins(straight, at)
    widths = np.abs(first - second)
    half = max(_CENTRAL * (high - low), 1.5)
    central = np.abs(at - (low + high) / 2) <= half
    known = np.linspace(low, high, _NODES + 2)[1:-1]
    sides = np.stack([np.interp(known, at, side) for side in (first, second)]).astype(np.float32)
    band = MidlineBand(axes, (low, high), sides)
    return Midline(high - low, _greatest(at, widths), float(widths[central].mean()), band)


def _fitted_line(points: Points, degree: int) -> Points:
    """Return points of the midline of an outline, shape (K, 2), in pixels."""
    low, high = float(points[:, 0].min()), float(points[:, 0].max())
    line = np.column_stack([np.linspace(low, high, _NODES), np.zeros(_NODES)])
    sparse = points[:: len(points) // _SPARSE + 1]
    local, length = sparse, high - low
    for _ in range(_ROUNDS):
        along = np.linspace(local[:, 0].min(), local[:, 0].max(), _NODES + 2)[1:-1]
        first, second = _margins(local, along)
        centres = _place(line, along, (first + second) / 2)
        # The ends are where the margins are known least, and narrow; they should not steer the line.
        weights = np.abs(first - second) + 1e-3
        basis = _legendre(degree)
        weighted = basis.T * weights**2
        line = basis @ np.linalg.solve(weighted @ basis, weighted @ centres)
        local = _along(sparse, line)
        before, length = length, float(np.ptp(local[:, 0]))
        if abs(length - before) < _SETTLED:
            break
    return line


@cache
def _legendre(degree: int) -> Points:
    """Return the Legendre polynomials up to ``degree`` at the nodes, shape (N, degree + 1)."""
    return np.asarray(np.polynomial.legendre.legvander(np.linspace(-1, 1, _NODES), degree))


def _frames(line: Points) -> tuple[Points, Points]:
    """Return the path along a line to its nodes, shape (N,), and its directions there, shape (N, 2)."""
    edges = np.diff(line, axis=0)
    path = np.concatenate([[0.0], np.cumsum(np.hypot(edges[:, 0], edges[:, 1]))])
    ways = np.concatenate([edges[:1], edges[:-1] + edges[1:], edges[-1:]])
    return path - path[-1] / 2, ways / np.hypot(ways[:, 0], ways[:, 1])[:, None]


def _along(points: Points, line: Points) -> Points:
    """Return points as path along a line and distance from it; beyond its ends the line goes on straight."""
    path, ways = _frames(line)
    nearest = np.empty(len(points), dtype=np.intp)
    for begin in range(0, len(points), 4096):
        block = points[begin : begin + 4096]
        apart = (block[:, :1] - line[:, 0]) ** 2 + (block[:, 1:] - line[:, 1]) ** 2
        nearest[begin : begin + 4096] = apart.argmin(axis=1)
    away, way = points - line[nearest], ways[nearest]
    return np.column_stack([path[nearest] + (away * way).sum(axis=1), away[:, 1] * way[:, 0] - away[:, 0] * way[:, 1]])


def _place(line: Points, along: Points, across: Points) -> Points:
    """Return where points at ``along`` and ``across`` a line lie, shape (N, 2); inverse of :func:`_along`."""
    path, ways = _frames(line)
    nearest = np.clip(np.searchsorted(path, along), 0, len(path) - 1)
    rest = (along - path[nearest])[:, None]
    way = ways[nearest]
    return np.asarray(line[nearest] + rest * way + across[:, None] * np.column_stack([-way[:, 1], way[:, 0]]))


def _margins(points: Points, at: Points) -> tuple[Points, Points]:
    """Return the distances from the line of the two margins of a closed outline at paths ``at``, shape (N,) each."""
    start, end = int(np.argmin(points[:, 0])), int(np.argmax(points[:, 0]))
    turned = np.concatenate([points[start:], points[:start]])
    split = (end - start) % len(points)
    sides = []
    for side in (turned[: split + 1], np.concatenate([turned[split:], turned[:1]])):
        order = np.argsort(side[:, 0], kind="stable")
        sides.append(np.interp(at, side[order, 0], side[order, 1]))
    return sides[0], sides[1]


def _greatest(at: Points, widths: Points) -> float:
    """Return the greatest width, from a parabola through those about it that differ by less than a pixel."""
    top = int(np.argmax(widths))
    far = np.flatnonzero(widths <= widths[top] - _CAP)
    before, after = far[far < top], far[far > top]
    run = slice(before[-1] + 1 if len(before) else 0, after[0] if len(after) else len(widths))
    return parabola_summit(at[run], widths[run])
