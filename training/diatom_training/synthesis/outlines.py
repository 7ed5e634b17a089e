"""Outlines of specimens: closed polygons, and what happens to them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from diatom_training.synthesis.noise_maps import Points
from napari_diatom.core import geometry

_SAMPLES = 181


@dataclass(frozen=True)
class Outline:
    """Outline of one specimen in its own frame: x along the apical axis, y across it.

    Attributes
    ----------
    x
        (n,) apical positions in pixels, rising, centred on 0.
    top, bottom
        (n,) outermost margins in pixels, ``top >= bottom``.
    ring
        Optional (m, 2) corners of the closed outline where two margins over ``x`` do not describe it: valves with
        arms, strongly curved or broken ones. ``top`` and ``bottom`` are its envelope.
    """

    x: Points
    top: Points
    bottom: Points
    ring: Points | None = None

    @staticmethod
    def of_ring(ring: Points) -> Outline:
        """Return the outline of a closed ring, (m, 2), centred on the middle of its bounds."""
        ring = ring - 0.5 * (ring.min(axis=0) + ring.max(axis=0))
        half = float(ring[:, 0].max())
        x = -half * np.cos(np.linspace(0.0, np.pi, _SAMPLES))
        top, bottom = _envelope(ring, x)
        return Outline(x, top, bottom, ring)

    @property
    def length(self) -> float:
        """Apical length in pixels."""
        return float(self.x[-1] - self.x[0])

    @property
    def width(self) -> float:
        """Largest distance between the margins in pixels."""
        return float((self.top - self.bottom).max())

    def polygon(self) -> Points:
        """Corners of the closed outline, (n, 2) as x and y in pixels."""
        if self.ring is not None:
            return self.ring
        upper = np.column_stack([self.x, self.top])
        lower = np.column_stack([self.x, self.bottom])[::-1]
        return np.concatenate([upper, lower])

    def mirrored(self) -> Outline:
        """Return the outline seen from the other side, top and bottom swapped."""
        ring = None if self.ring is None else self.ring * (1.0, -1.0)
        return Outline(self.x, -self.bottom, -self.top, ring)


def _envelope(ring: Points, x: Points) -> tuple[Points, Points]:
    """Return the highest and the lowest point of a ring at each of ``x``."""
    (x0, y0), (x1, y1) = ring.T, np.roll(ring, -1, axis=0).T
    span = np.where(x1 == x0, 1.0, x1 - x0)
    share = (x[:, None] - x0) / span
    crossed = (share >= 0) & (share <= 1) & (x1 != x0)
    y = y0 + share * (y1 - y0)
    top = np.where(crossed, y, -np.inf).max(axis=1)
    bottom = np.where(crossed, y, np.inf).min(axis=1)
    # Rounding may leave the apices themselves without a crossing.
    found = np.isfinite(top)
    return np.interp(x, x[found], top[found]), np.interp(x, x[found], bottom[found])


def deformed(rng: np.random.Generator, outline: Outline) -> Outline:
    """Deform an outline as teratological valves are: notches, swellings and bends."""
    t = outline.x / (0.5 * outline.length)
    width = outline.width
    # A notch as deep in a round valve as in a slender one would tear it apart.
    depth = width * min(1.0, 0.35 * outline.length / width)
    bump = np.zeros_like(t)
    for _ in range(int(rng.integers(1, 4))):
        where, spread = rng.uniform(-0.7, 0.7), rng.uniform(0.08, 0.25)
        bump += rng.normal(0, 0.16) * depth * np.exp(-(((t - where) / spread) ** 2))
    bump *= np.clip((outline.top - outline.bottom) / width, 0, 1)
    bend = rng.normal(0, 0.25) * depth * np.exp(-(((t - rng.uniform(-0.5, 0.5)) / 0.4) ** 2))
    if outline.ring is not None:
        x, y = outline.ring.T
        above = y > np.interp(x, outline.x, 0.5 * (outline.top + outline.bottom))
        moved = y + np.interp(x, outline.x, bend) + 0.5 * np.interp(x, outline.x, bump) * above
        return Outline.of_ring(np.column_stack([x, moved]))
    top = outline.top + bend + np.maximum(bump, -0.3 * width)
    bottom = outline.bottom + bend
    return Outline(outline.x, np.maximum(top, bottom), bottom)


def broken(rng: np.random.Generator, outline: Outline, kept_share: float) -> Outline:
    """Break an outline across and keep ``kept_share`` of its length.

    The broken edge is jagged and oblique; the kept piece is centred on its own middle.
    """
    x_break = outline.x[0] + kept_share * outline.length
    if outline.ring is not None:
        reach = 2 * (outline.length + outline.width)
        return Outline.of_ring(geometry.clip_polygon(outline.ring, -reach, -reach, x_break, reach))
    keep = outline.x < x_break
    top_at, bottom_at = (float(np.interp(x_break, outline.x, side)) for side in (outline.top, outline.bottom))
    steps = int(rng.integers(4, 9))
    across = np.linspace(top_at, bottom_at, steps + 2)[1:-1]
    roughness = 0.06 * outline.width
    slant = rng.normal(0, 0.2) * (across - 0.5 * (top_at + bottom_at))
    along = x_break + slant + rng.normal(0, roughness, steps)
    # The break may not reach back over the apex that is left.
    along = np.maximum(along, outline.x[0] + 0.5 * kept_share * outline.length)
    x = np.append(outline.x[keep], x_break)
    centre = 0.5 * (x[0] + x[-1])
    edge = np.column_stack([along - centre, across])
    top, bottom = np.append(outline.top[keep], top_at), np.append(outline.bottom[keep], bottom_at)
    piece = Outline(x - centre, top, bottom)
    if rng.random() < 0.5:
        corners = piece.polygon()
        return replace(piece, ring=np.concatenate([corners[: len(x)], edge, corners[len(x) :]]))
    turned = Outline(-piece.x[::-1], top[::-1], bottom[::-1])
    return replace(turned, ring=np.concatenate([turned.polygon(), edge[::-1] * (-1.0, 1.0)]))
