"""Outlines whose apical axis is strongly curved: sigmoid valves, as in Gyrosigma, and bows, as in Hannaea."""

from __future__ import annotations

import math

import numpy as np

from diatom_training.synthesis.noise_maps import Points
from diatom_training.synthesis.outlines import Outline
from diatom_training.synthesis.profiles import superellipse, with_ends

_T = -np.cos(np.linspace(0.0, math.pi, 181))


def sigmoid_outline(rng: np.random.Generator, length_px: float, width_px: float) -> Outline:
    """Draw a valve whose apices turn to opposite sides.

    Parameters
    ----------
    rng
        Source of chance.
    length_px, width_px
        Extent along the apical axis, and distance between the margins, in pixels.
    """
    shape = superellipse(_T, rng.uniform(1.8, 4.5), rng.uniform(0.6, 0.95))
    blunt = rng.uniform(0.15, 0.35) * np.sqrt(np.clip((1 - np.abs(_T)) * length_px / width_px, 0, 1))
    shape = np.maximum(shape, blunt)
    power = rng.uniform(0.8, 3.0)
    axis = rng.uniform(0.3, 1.1) * width_px * (np.sign(_T) * np.abs(_T) ** (1 + power) - rng.uniform(0, 0.8) * _T)
    return _along(axis, shape, np.zeros_like(_T), length_px, width_px)


def arcuate_outline(rng: np.random.Generator, length_px: float, width_px: float) -> Outline:
    """Draw a slender valve bent like a bow, sometimes with heads, bent-back apices or a swelling in the middle.

    Parameters
    ----------
    rng
        Source of chance.
    length_px, width_px
        Extent along the apical axis, and distance between the margins, in pixels.
    """
    aspect = length_px / width_px
    if aspect < 5:
        return _crescent(rng, length_px, width_px)
    shape = superellipse(_T, math.exp(rng.uniform(math.log(2.0), math.log(14.0))), rng.uniform(0.45, 0.9))
    shape = np.maximum(shape, rng.uniform(0.2, 0.5) * np.sqrt(np.clip((1 - np.abs(_T)) * aspect, 0, 1)))
    shape = with_ends(rng, _T, shape, aspect, 0.4)
    deepest = 0.24
    depth = rng.uniform(0.03, deepest)
    axis = -depth * length_px * np.abs(_T) ** rng.uniform(1.5, 2.6)
    if rng.random() < 0.35:
        # Apices that turn back, as in Eunotia and Rhopalodia.
        axis = axis + rng.uniform(0.1, 0.6) * width_px * np.clip((np.abs(_T) - 0.82) / 0.18, 0, 1) ** 2
    swelling = np.zeros_like(_T)
    if rng.random() < 0.5:
        side = 1.0 if rng.random() < 0.35 else -1.0
        strength = rng.uniform(0.05, 0.4)
        swelling = side * strength * np.exp(-((_T / rng.uniform(0.15, 0.5)) ** 2))
    elif rng.random() < 0.2:
        # Two humps on the back, as in Eunotia exigua.
        swelling = rng.uniform(0.05, 0.25) * np.clip(-np.cos(rng.uniform(5.0, 8.0) * _T), 0, 1) * (np.abs(_T) < 0.9)
    return _along(axis, shape, swelling, length_px, width_px)


def _crescent(rng: np.random.Generator, length_px: float, width_px: float) -> Outline:
    """Draw a broad valve with an arched back and a hollow belly, as in Epithemia."""
    back = superellipse(_T, rng.uniform(1.7, 2.8), rng.uniform(0.65, 1.0))
    hollow = rng.uniform(0.0, 0.35) * (1 - np.abs(_T) ** rng.uniform(1.5, 3.0))
    end = rng.uniform(0.15, 0.4)
    radius = end * width_px / length_px * rng.uniform(0.7, 1.3)
    # The apices are knobs, which may turn back.
    knob = end * np.sqrt(np.clip(1 - ((np.abs(_T) - (1 - 2 * radius)) / (2 * radius)).clip(0, 1) ** 2, 0, 1))
    turned = rng.uniform(-0.3, 0.6) * end * np.clip((np.abs(_T) - 1 + 6 * radius) / (6 * radius), 0, 1) ** 2
    top = np.maximum(np.maximum(back, hollow) + 0.3 * knob, hollow + knob) + turned
    bottom = hollow + turned
    ring = np.concatenate([np.column_stack([_T, top]), np.column_stack([_T, bottom])[::-1]])
    return Outline.of_ring(ring * (0.5 * length_px, width_px / np.ptp(ring[:, 1])))


def _along(axis: Points, shape: Points, swelling: Points, length_px: float, width_px: float) -> Outline:
    """Lay half-widths on both sides of a curved axis, along its normals.

    Parameters
    ----------
    axis
        (181,) heights of the axis in pixels over ``_T``.
    shape, swelling
        (181,) half-widths as shares of the largest; ``swelling`` is added at the top, or, negative, at the bottom.
    length_px, width_px
        Of the outline in pixels.
    """
    half = 0.5 * width_px * shape / shape.max()
    x = 0.5 * length_px * _T
    slope = np.gradient(axis, x)
    scale = np.hypot(1.0, slope)
    normal = np.column_stack([-slope / scale, 1 / scale])
    middle = np.column_stack([x, axis])
    upper = middle + (half + width_px * np.maximum(swelling, 0))[:, None] * normal
    lower = middle - (half - width_px * np.minimum(swelling, 0))[:, None] * normal
    ring = np.concatenate([upper, lower[::-1]])
    return Outline.of_ring(ring * (length_px / np.ptp(ring[:, 0])))
