"""Plastids of cells in colonies: two long ones with a clear middle between them, or many small discs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from diatom_training.synthesis.noise_maps import FloatMap, smooth_noise
from diatom_training.synthesis.ornament import across_valve
from diatom_training.synthesis.outlines import Outline
from diatom_training.synthesis.patches import Grid


@dataclass(frozen=True)
class Plastids:
    """What a living cell holds.

    Attributes
    ----------
    kind
        ``two`` long ones, or ``discs``.
    reaches
        How far the two reach from the middle towards their apices, as shares of the half length.
    clear
        Half the length of the clear middle, on the same scale.
    densities
        Of the two; discs take the first.
    """

    kind: Literal["two", "discs"]
    reaches: tuple[float, float] = (0.8, 0.8)
    clear: float = 0.1
    densities: tuple[float, float] = (1.0, 1.0)


def draw_plastids(rng: np.random.Generator, kind: Literal["two", "discs"]) -> Plastids:
    """Draw plastids of any length and density, often but not always alike on both sides."""
    clear = float(rng.uniform(0.02, 0.35))
    first = float(rng.uniform(clear + 0.08, 0.97))
    second = first if rng.random() < 0.6 else float(rng.uniform(clear + 0.08, 0.97))
    dense = float(rng.uniform(0.25, 1.3))
    other = dense * float(rng.uniform(0.8, 1.2)) if rng.random() < 0.8 else float(rng.uniform(0.1, 1.3))
    return Plastids(kind, (first, second), clear, (dense, other))


def plastid_maps(
    rng: np.random.Generator, outline: Outline, grid: Grid, granule_px: float, plastids: Plastids
) -> tuple[FloatMap, FloatMap]:
    """Draw the content of a cell with the given plastids.

    Returns
    -------
    phase, absorption
        Both (h, w) float32; phase in radians, absorption for a brown tint.
    """
    h, w = grid.depth.shape
    lumps = smooth_noise(rng, h, w, granule_px * 2.5 * grid.scale)
    if plastids.kind == "two":
        mass = _two(rng, outline, grid, plastids) * np.clip(0.8 + 0.3 * lumps, 0.2, 1.6)
    else:
        mass = plastids.densities[0] * _discs(rng, outline, grid)
    within = np.clip(grid.depth / max(1.0, 0.1 * min(outline.width, outline.length)), 0, 1)
    mass = mass * within
    grains = smooth_noise(rng, h, w, granule_px * grid.scale)
    droplets = np.clip(grains - rng.uniform(1.1, 2.2), 0, 1.5) * within
    # Cytoplasm fills the cell from end to end, however far the plastids reach.
    phase = 0.12 * within + 0.75 * mass + 0.8 * droplets
    return phase.astype(np.float32), (0.35 * mass + 0.12 * droplets).astype(np.float32)


def _two(rng: np.random.Generator, outline: Outline, grid: Grid, plastids: Plastids) -> FloatMap:
    """Two bands on either side of the middle, with ends of their own; a faint nucleus between them."""
    across, half = across_valve(outline, grid)
    t = grid.x / np.float32(0.5 * outline.length)
    soft = np.float32(max(0.012, 1.2 / outline.length))
    slant = np.float32(rng.normal(0, 0.02))
    mass = np.zeros_like(grid.depth)
    for sign, reach, density in zip((-1, 1), plastids.reaches, plastids.densities, strict=True):
        place = sign * t + slant * across
        edge = np.clip(np.minimum(place - plastids.clear, reach - place) / soft, -30, 30)
        side = np.float32(rng.uniform(-0.4, 0.4))
        lies = np.clip(1.35 - np.abs(across - side) * np.float32(rng.uniform(0.7, 1.3)), 0, 1)
        mass += np.float32(density) / (1 + np.exp(-edge)) * lies
    nucleus = np.exp(-((grid.x / (1.1 * half.max())) ** 2) - (across / 0.7) ** 2)
    return np.asarray(mass + np.float32(rng.uniform(0, 0.2)) * nucleus, dtype=np.float32)


def _discs(rng: np.random.Generator, outline: Outline, grid: Grid) -> FloatMap:
    """Small round plastids strewn in the cell; in a row where the cell is slender."""
    short = min(outline.width, outline.length)
    radius = max(1.2, short * float(rng.uniform(0.09, 0.2)))
    mass = np.zeros_like(grid.depth)
    rows, columns = np.nonzero(grid.depth > 0.6 * radius)
    if not len(rows):
        return mass
    wanted = len(rows) / grid.scale**2 / (math.pi * radius**2) * float(rng.uniform(0.35, 0.9))
    h, w = mass.shape
    reach = math.ceil(1.4 * radius * grid.scale)
    for pick in rng.integers(len(rows), size=int(np.clip(wanted, 1, 90))):
        row, column = int(rows[pick]), int(columns[pick])
        y0, y1, x0, x1 = (
            max(0, row - reach),
            min(h, row + reach + 1),
            max(0, column - reach),
            min(w, column + reach + 1),
        )
        distance = np.hypot(grid.y[y0:y1] - grid.y[row], grid.x[:, x0:x1] - grid.x[0, column])
        disc = np.clip((radius - distance) * grid.scale + 0.5, 0, 1)
        mass[y0:y1, x0:x1] = np.maximum(mass[y0:y1, x0:x1], disc * np.float32(rng.uniform(0.7, 1.2)))
    return mass
