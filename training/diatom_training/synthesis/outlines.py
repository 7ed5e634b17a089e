"""Outlines of the shape families, as two margins over the apical axis."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from diatom_training.synthesis.noise_maps import Points

FAMILIES: tuple[str, ...] = (
    "naviculoid",
    "cymbelloid",
    "gomphonemoid",
    "nitzschioid",
    "needle",
    "fragilarioid",
    "eunotioid",
    "surirelloid",
    "centric",
)

# Length over width of valves, as (smallest, largest).
_ASPECTS: dict[str, tuple[float, float]] = {
    "naviculoid": (1.8, 7.0),
    "cymbelloid": (2.2, 6.0),
    "gomphonemoid": (2.2, 6.5),
    "nitzschioid": (4.0, 14.0),
    "needle": (13.0, 50.0),
    "fragilarioid": (2.5, 12.0),
    "eunotioid": (3.0, 12.0),
    "surirelloid": (1.25, 3.2),
    "centric": (1.0, 1.0),
}

_SAMPLES = 181


@dataclass(frozen=True)
class Outline:
    """Outline of one specimen in its own frame: x along the apical axis, y across it.

    Attributes
    ----------
    x
        (n,) apical positions in pixels, rising, centred on 0.
    top, bottom
        (n,) margins in pixels, ``top >= bottom``.
    start_edge, end_edge
        Optional (m, 2) jagged lines that replace the apices of broken valves.
    """

    x: Points
    top: Points
    bottom: Points
    start_edge: Points | None = None
    end_edge: Points | None = None

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
        upper = np.column_stack([self.x, self.top])
        lower = np.column_stack([self.x, self.bottom])[::-1]
        parts = [upper]
        if self.end_edge is not None:
            parts.append(self.end_edge)
        parts.append(lower)
        if self.start_edge is not None:
            parts.append(self.start_edge)
        return np.concatenate(parts)


def draw_width(rng: np.random.Generator, family: str, length_px: float) -> float:
    """Draw the width in pixels of a valve of ``family`` with the given length."""
    low, high = _ASPECTS[family]
    share = rng.random()
    if family == "needle":
        # Most needles are slender ones.
        share = math.sqrt(share)
    aspect = low * (high / low) ** share
    # Narrower than this, a valve looks like a hair.
    floor = 6.0 if family == "needle" else 8.0
    return float(min(length_px, max(length_px / aspect, floor)))


def draw_valve_outline(rng: np.random.Generator, family: str, length_px: float, width_px: float) -> Outline:
    """Draw the outline of a valve.

    Parameters
    ----------
    rng
        Source of chance.
    family
        One of :data:`FAMILIES`.
    length_px, width_px
        Apical length and transapical width in pixels.

    Returns
    -------
    Outline
        Of that length and, but for bent ones, that width.
    """
    # Cosine spacing puts samples where the margins turn: at the apices.
    t = -np.cos(np.linspace(0.0, math.pi, _SAMPLES))
    half = 0.5 * width_px
    aspect = length_px / width_px
    middle = np.zeros_like(t)
    lower_share = 1.0
    if family == "centric":
        shape = np.sqrt(np.clip(1 - t**2, 0, 1))
    elif family == "needle":
        shape = _needle_shape(rng, t, aspect)
        bend = rng.choice((0.0, 1.0), p=(0.6, 0.4)) * rng.normal(0, 0.012) * length_px
        middle = bend * (t**2 - 0.5)
        if rng.random() < 0.15:
            middle = middle + rng.normal(0, 0.012) * length_px * np.sin(math.pi * t)
    elif family == "nitzschioid":
        shape = _superellipse(t, rng.uniform(2.0, 6.0), rng.uniform(0.7, 1.0))
        shape = _with_ends(rng, t, shape, aspect, 0.5)
        if rng.random() < 0.25:
            middle = rng.normal(0, 0.35) * width_px * np.sin(math.pi * t)
    elif family == "fragilarioid":
        shape = _superellipse(t, rng.uniform(5.0, 16.0), rng.uniform(0.45, 0.7))
        shape = shape * (1 + rng.uniform(-0.25, 0.35) * np.exp(-((t / 0.18) ** 2)))
        shape = _with_ends(rng, t, shape, aspect, 0.35)
    elif family == "eunotioid":
        shape = _superellipse(t, rng.uniform(4.0, 12.0), rng.uniform(0.45, 0.6))
        middle = -rng.uniform(0.25, 0.9) * width_px * (t**2 - 0.5)
        if rng.random() < 0.3:
            waves = int(rng.integers(2, 5))
            shape = shape * (1 + 0.08 * np.cos(waves * math.pi * t))
    elif family == "surirelloid":
        shape = _superellipse(t + rng.uniform(0.0, 0.25) * (1 - t**2), 2.3, 0.5)
        shape = shape * (1 - rng.uniform(0, 0.12) * np.exp(-((t / 0.3) ** 2)))
    elif family == "gomphonemoid":
        skew = rng.uniform(0.15, 0.4)
        shape = _superellipse(t + skew * (1 - t**2), rng.uniform(1.8, 2.8), rng.uniform(0.6, 1.0))
        shape = _with_ends(rng, t, shape, aspect, 0.3)
    elif family == "cymbelloid":
        shape = _superellipse(t, rng.uniform(1.9, 2.6), rng.uniform(0.55, 0.95))
        shape = _with_ends(rng, t, shape, aspect, 0.3)
        lower_share = rng.uniform(0.05, 0.55)
    else:
        shape = _superellipse(t, rng.uniform(1.7, 3.5), rng.uniform(0.5, 1.0))
        shape = _with_ends(rng, t, shape, aspect, 0.5)
    shape = shape / shape.max()
    # Living shapes are never symmetric to the pixel.
    wobble = 1 + 0.008 * np.cumsum(rng.standard_normal(_SAMPLES)) / math.sqrt(_SAMPLES)
    top = middle + 2 * half * shape / (1 + lower_share) * wobble
    bottom = middle - 2 * half * shape * lower_share / (1 + lower_share)
    centre = 0.5 * (top.max() + bottom.min())
    x = 0.5 * length_px * t
    return Outline(x, np.maximum(top, bottom) - centre, bottom - centre)


def draw_girdle_outline(rng: np.random.Generator, family: str, length_px: float, depth_px: float) -> Outline:
    """Draw the rectangle-like outline of a frustule in girdle view.

    Parameters
    ----------
    rng
        Source of chance.
    family
        One of :data:`FAMILIES`; gomphonemoids are wedges.
    length_px
        Extent along the apical axis (the diameter of centrics) in pixels.
    depth_px
        Extent along the pervalvar axis in pixels.

    Returns
    -------
    Outline
    """
    t = -np.cos(np.linspace(0.0, math.pi, _SAMPLES))
    shape = _superellipse(t, rng.uniform(8.0, 40.0), rng.uniform(0.35, 0.6))
    shape = shape * (1 + rng.uniform(-0.14, 0.12) * (t**2))
    if family == "gomphonemoid":
        shape = shape * (1 + rng.uniform(0.25, 0.5) * t)
    bend = 0.0
    if family in ("cymbelloid", "eunotioid", "needle"):
        bend = rng.normal(0, 0.08) * depth_px
    shape = shape / shape.max()
    middle = bend * (t**2 - 0.5)
    half = 0.5 * depth_px
    return Outline(0.5 * length_px * t, middle + half * shape, middle - half * shape)


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
    top = outline.top + bend + np.maximum(bump, -0.3 * width)
    bottom = outline.bottom + bend
    return Outline(outline.x, np.maximum(top, bottom), bottom)


def broken(rng: np.random.Generator, outline: Outline, kept_share: float) -> Outline:
    """Break an outline across and keep ``kept_share`` of its length.

    The broken edge is jagged and oblique; the kept piece is centred on its own middle.
    """
    x_break = outline.x[0] + kept_share * outline.length
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
    piece = Outline(
        x - centre,
        np.append(outline.top[keep], top_at),
        np.append(outline.bottom[keep], bottom_at),
        end_edge=np.column_stack([along - centre, across]),
    )
    if rng.random() < 0.5:
        return piece
    return Outline(
        -piece.x[::-1],
        piece.top[::-1],
        piece.bottom[::-1],
        start_edge=np.asarray(piece.end_edge)[::-1] * (-1.0, 1.0),
    )


def _superellipse(t: Points, power: float, root: float) -> Points:
    """Half-width profile (1 - |t|^power)^root."""
    return np.asarray(np.clip(1 - np.abs(t) ** power, 0, 1) ** root)


def _needle_shape(rng: np.random.Generator, t: Points, aspect: float) -> Points:
    """Half-width of a needle: spindles to nearly linear ones, ends sharp, blunt or capitate."""
    shape = _superellipse(t, math.exp(rng.uniform(math.log(1.3), math.log(10))), rng.uniform(0.6, 1))
    # A fine tip still has the thickness of two valves.
    blunt = rng.uniform(0.12, 0.4) * np.clip((1 - np.abs(t)) * aspect, 0, 1) ** 0.5
    shape = np.maximum(shape, blunt)
    return _with_ends(rng, t, shape, aspect, 0.15)


def _with_ends(rng: np.random.Generator, t: Points, shape: Points, aspect: float, chance: float) -> Points:
    """Give a profile rostrate or capitate ends, with the given chance."""
    if rng.random() >= chance:
        return shape
    end = rng.uniform(0.2, 0.45)
    radius = end / aspect * rng.uniform(1.0, 1.6)
    reach = 1 - radius * rng.uniform(1.0, 2.2)
    body = np.interp(t / reach, t, shape, left=0.0, right=0.0)
    from_tip = np.clip((np.abs(t) - (1 - radius)) / radius, -1, 1)
    ball = end * np.sqrt(np.clip(1 - from_tip**2, 0, 1))
    neck = rng.uniform(0.6, 1.05) * end * (np.abs(t) < 1 - radius)
    blend = 6.0
    joined = (body**blend + np.maximum(ball, neck) ** blend) ** (1 / blend)
    return np.asarray(joined)
