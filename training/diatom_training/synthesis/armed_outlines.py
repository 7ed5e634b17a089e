"""Outlines of valves with arms: crosses, as in Staurosira, and triangles, as in Triceratium."""

from __future__ import annotations

import math

import numpy as np

from diatom_training.synthesis.noise_maps import Points
from diatom_training.synthesis.outlines import Outline

_DIRECTIONS = 360
_ALONG = np.linspace(0.0, 1.0, 120)


def cross_outline(rng: np.random.Generator, length_px: float, width_px: float) -> Outline:
    """Draw a valve with two apical and two transapical arms.

    Parameters
    ----------
    rng
        Source of chance.
    length_px, width_px
        Extents along and across the apical axis in pixels.
    """
    reach = width_px / length_px
    apical = _arm(rng, 1.0, rng.uniform(0.13, 0.27))
    lateral = _arm(rng, reach, rng.uniform(0.12, 0.35))
    tilt = rng.normal(0, 0.03)
    arms = [(0.0, apical), (math.pi, apical), (math.pi / 2 + tilt, lateral), (-math.pi / 2 - tilt, lateral)]
    body = reach * rng.uniform(0.15, 0.55)
    return _fitted(rng, _joined(arms, body, math.exp(rng.uniform(math.log(2.2), math.log(7)))), length_px, width_px)


def triangle_outline(rng: np.random.Generator, length_px: float, width_px: float) -> Outline:
    """Draw a valve with three arms or corners; one points across the apical axis.

    Parameters
    ----------
    rng
        Source of chance.
    length_px, width_px
        Extents along and across the apical axis in pixels.
    """
    if rng.random() < 0.5:
        # Straight or hollow sides between rounded corners.
        theta = np.linspace(0, 2 * math.pi, _DIRECTIONS, endpoint=False)
        from_side = (theta - math.pi / 2) % (2 * math.pi / 3) - math.pi / 3
        side = 0.5 * np.cos(from_side) ** -rng.uniform(0.95, 2.6)
        return _fitted(rng, (side**-9 + rng.uniform(0.8, 1.0) ** -9) ** (-1 / 9), length_px, width_px)
    arm = _arm(rng, 1.0, rng.uniform(0.14, 0.4))
    arms = [(math.pi / 2 + turn * 2 * math.pi / 3 + rng.normal(0, 0.02), arm) for turn in range(3)]
    radii = _joined(arms, rng.uniform(0.25, 0.45), math.exp(rng.uniform(math.log(2.2), math.log(6))))
    return _fitted(rng, radii, length_px, width_px)


def _arm(rng: np.random.Generator, reach: float, half_width: float) -> Points:
    """Radius of an arm in each direction from its own, (_DIRECTIONS,), from 0 upwards to pi and back."""
    swelling = rng.uniform(-0.45, 0.3)
    width = half_width * (1 + swelling * _ALONG**2)
    round_end = np.sqrt(np.clip(1 - np.clip((reach * (_ALONG - 1) + half_width) / half_width, 0, 1) ** 2, 0, 1))
    width = np.where(reach * _ALONG < half_width * 0.5, np.maximum(width, half_width), width) * round_end
    along = reach * _ALONG
    theta = np.abs((np.arange(_DIRECTIONS) / _DIRECTIONS * 2 * math.pi + math.pi) % (2 * math.pi) - math.pi)
    # A ray leaves the arm at the last point that is still within its half-width.
    within = along[None, :] * np.tan(np.minimum(theta, 1.55))[:, None] <= width[None, :]
    last = np.where(within, along[None, :], 0).max(axis=1)
    radius = np.where(theta < 1.5, last / np.cos(np.minimum(theta, 1.5)), 0)
    return np.maximum(radius, 0.02 * reach)


def _joined(arms: list[tuple[float, Points]], body: float, blend: float) -> Points:
    """Union of arms and a round body as radii over the direction; a small ``blend`` fills the corners."""
    radii = np.full(_DIRECTIONS, body) ** blend
    directions = np.arange(_DIRECTIONS) / _DIRECTIONS * 2 * math.pi
    for turn, arm in arms:
        radii = radii + np.interp((directions - turn) % (2 * math.pi), directions, arm, period=2 * math.pi) ** blend
    return np.asarray(radii ** (1 / blend))


def _fitted(rng: np.random.Generator, radii: Points, length_px: float, width_px: float) -> Outline:
    """Return radii as an outline with the given extents, its corners smoothed, not quite symmetric."""
    kernel = np.hanning(2 * int(rng.integers(4, 10)) + 1)
    kernel /= kernel.sum()
    half = len(kernel) // 2
    smooth = np.convolve(np.concatenate([radii[-half:], radii, radii[:half]]), kernel, "valid")
    theta = np.arange(_DIRECTIONS) / _DIRECTIONS * 2 * math.pi
    for order in (1, 2, 3):
        smooth = smooth * (1 + rng.normal(0, 0.008) * np.cos(order * theta + rng.uniform(0, 6.28)))
    ring = np.column_stack([smooth * np.cos(theta), smooth * np.sin(theta)])
    return Outline.of_ring(ring * ((length_px, width_px) / np.ptp(ring, axis=0)))
