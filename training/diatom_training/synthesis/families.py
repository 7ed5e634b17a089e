"""The shape families, and how an outline of each is drawn."""

from __future__ import annotations

import math

import numpy as np

from diatom_training.synthesis.armed_outlines import cross_outline, triangle_outline
from diatom_training.synthesis.curved_outlines import arcuate_outline, sigmoid_outline
from diatom_training.synthesis.outlines import Outline
from diatom_training.synthesis.profiles import (
    diploneis_profile,
    needle_profile,
    superellipse,
    undulate_profile,
    with_ends,
)

CLASSIC_FAMILIES: tuple[str, ...] = (
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
"""The families of most fields, and of all whose description names none."""

FAMILIES: tuple[str, ...] = (
    *CLASSIC_FAMILIES,
    "cross-shaped",
    "three-armed",
    "diploneioid",
    "sigmoid",
    "arcuate",
    "undulate",
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
    "cross-shaped": (1.1, 2.1),
    "three-armed": (1.08, 1.22),
    "diploneioid": (1.15, 3.6),
    "sigmoid": (5.0, 13.0),
    "arcuate": (1.7, 30.0),
    "undulate": (1.8, 8.0),
}

_SAMPLES = 181


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
    if family == "cross-shaped":
        return cross_outline(rng, length_px, width_px)
    if family == "three-armed":
        return triangle_outline(rng, length_px, width_px)
    if family == "sigmoid":
        return sigmoid_outline(rng, length_px, width_px)
    if family == "arcuate":
        return arcuate_outline(rng, length_px, width_px)
    # Cosine spacing puts samples where the margins turn: at the apices.
    t = -np.cos(np.linspace(0.0, math.pi, _SAMPLES))
    half = 0.5 * width_px
    aspect = length_px / width_px
    middle = np.zeros_like(t)
    lower_share = 1.0
    if family == "centric":
        shape = np.sqrt(np.clip(1 - t**2, 0, 1))
    elif family == "needle":
        shape = needle_profile(rng, t, aspect)
        bend = rng.choice((0.0, 1.0), p=(0.6, 0.4)) * rng.normal(0, 0.012) * length_px
        middle = bend * (t**2 - 0.5)
        if rng.random() < 0.15:
            middle = middle + rng.normal(0, 0.012) * length_px * np.sin(math.pi * t)
    elif family == "nitzschioid":
        shape = superellipse(t, rng.uniform(2.0, 6.0), rng.uniform(0.7, 1.0))
        shape = with_ends(rng, t, shape, aspect, 0.5)
        if rng.random() < 0.25:
            middle = rng.normal(0, 0.35) * width_px * np.sin(math.pi * t)
    elif family == "fragilarioid":
        shape = superellipse(t, rng.uniform(5.0, 16.0), rng.uniform(0.45, 0.7))
        shape = shape * (1 + rng.uniform(-0.25, 0.35) * np.exp(-((t / 0.18) ** 2)))
        shape = with_ends(rng, t, shape, aspect, 0.35)
    elif family == "eunotioid":
        shape = superellipse(t, rng.uniform(4.0, 12.0), rng.uniform(0.45, 0.6))
        middle = -rng.uniform(0.25, 0.9) * width_px * (t**2 - 0.5)
        if rng.random() < 0.3:
            waves = int(rng.integers(2, 5))
            shape = shape * (1 + 0.08 * np.cos(waves * math.pi * t))
    elif family == "surirelloid":
        shape = superellipse(t + rng.uniform(0.0, 0.25) * (1 - t**2), 2.3, 0.5)
        shape = shape * (1 - rng.uniform(0, 0.12) * np.exp(-((t / 0.3) ** 2)))
    elif family == "gomphonemoid":
        skew = rng.uniform(0.15, 0.4)
        shape = superellipse(t + skew * (1 - t**2), rng.uniform(1.8, 2.8), rng.uniform(0.6, 1.0))
        shape = with_ends(rng, t, shape, aspect, 0.3)
    elif family == "diploneioid":
        shape = diploneis_profile(rng, t)
    elif family == "undulate":
        shape = undulate_profile(rng, t, aspect)
        if rng.random() < 0.25 and aspect > 3:
            middle = -rng.uniform(0.1, 0.5) * width_px * (t**2 - 0.5)
    elif family == "cymbelloid":
        shape = superellipse(t, rng.uniform(1.9, 2.6), rng.uniform(0.55, 0.95))
        shape = with_ends(rng, t, shape, aspect, 0.3)
        lower_share = rng.uniform(0.05, 0.55)
    else:
        shape = superellipse(t, rng.uniform(1.7, 3.5), rng.uniform(0.5, 1.0))
        shape = with_ends(rng, t, shape, aspect, 0.5)
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
    shape = superellipse(t, rng.uniform(8.0, 40.0), rng.uniform(0.35, 0.6))
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
