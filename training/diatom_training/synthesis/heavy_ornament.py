"""The relief of valves with thick walls (Diploneis) and of those with arms (Triceratium)."""

from __future__ import annotations

import math

import numpy as np

from diatom_training.synthesis.noise_maps import FloatMap, blurred
from diatom_training.synthesis.ornament import STRIAE, Relief, across_valve, resolvable, shell_phase
from diatom_training.synthesis.outlines import Outline
from diatom_training.synthesis.patches import Grid


def thick_wall_maps(
    rng: np.random.Generator, outline: Outline, grid: Grid, pixel_size_um: float, relief: Relief
) -> tuple[FloatMap, FloatMap]:
    """Draw the coarse ribs, the two canals beside the raphe and the dark walls of Diploneis.

    Parameters
    ----------
    rng
        Source of chance.
    outline, grid
        The valve in its own frame and the samples around it.
    pixel_size_um
        Width of an image pixel, which sets the spacing of the ribs.
    relief
        Strengths of its parts.

    Returns
    -------
    phase, absorption
        Both (h, w) float32; phase in radians of green light, absorption for no tint.
    """
    across, half = across_valve(outline, grid)
    t = grid.x / np.float32(0.5 * outline.length)
    apart = np.abs(across)
    wall = np.float32(rng.uniform(0.05, 0.12) * outline.width)
    at_wall = np.exp(-((grid.depth / wall) ** 2)) * np.clip(grid.depth, 0, 1)
    # Two thick canals enclose the raphe and part round the central nodule.
    nodule = rng.uniform(0.1, 0.22) * np.exp(-((t / rng.uniform(0.08, 0.2)) ** 2))
    offset = (rng.uniform(0.08, 0.16) + nodule) * np.sqrt(np.clip(1.02 - t * t, 0, 1))
    canal = np.exp(-(((apart - offset) * half / np.float32(0.05 * outline.width + 0.7)) ** 2)) * (np.abs(t) < 0.93)
    between = 1 / (1 + np.exp(np.clip((offset - apart) * 30, -30, 30)))
    period = 10.0 / rng.uniform(*STRIAE["diploneioid"]) / pixel_size_um
    lean = np.float32(rng.uniform(0.05, 0.35) * 0.5 * outline.width) * np.tanh(2 * t) * across**2
    ribs = np.cos(np.float32(2 * math.pi / period) * (grid.x - lean) + np.float32(rng.uniform(0, 6.28)))
    rows = np.cos(np.float32(2 * math.pi * rng.integers(2, 6)) * apart) if rng.random() < 0.6 else np.float32(0)
    ribbed = np.float32(resolvable(period)) * between * (0.7 * ribs + 0.3 * rows * ribs)
    phase = shell_phase(rng, grid, outline.width, relief) + np.float32(0.6 + relief.rim) * at_wall
    phase += np.float32(0.5 + relief.raphe) * canal + np.float32(0.3 + relief.striae) * ribbed
    darkness = rng.uniform(0.3, 1.4)
    loss = darkness * (at_wall + 0.75 * canal) + 0.25 * darkness * np.clip(ribbed, 0, 1)
    inside = grid.inside
    return np.where(inside, phase, 0).astype(np.float32), np.where(inside, loss, 0).astype(np.float32)


def armed_phase(
    rng: np.random.Generator, outline: Outline, grid: Grid, pixel_size_um: float, relief: Relief
) -> FloatMap:
    """Phase of a three-armed valve: areolae in a honeycomb or in rows towards the margin, and horns at the corners.

    Parameters
    ----------
    rng
        Source of chance.
    outline, grid
        The valve in its own frame and the samples around it.
    pixel_size_um
        Width of an image pixel, which sets the spacing of the areolae.
    relief
        Strengths of its parts.

    Returns
    -------
    ndarray, (h, w) float32
        Radians of green light.
    """
    period = max(2.0, 10.0 / rng.uniform(*STRIAE["three-armed"]) / pixel_size_um)
    thickness = 2 * float(grid.depth.max())
    phase = shell_phase(rng, grid, thickness, relief)
    k = np.float32(2 * math.pi / period)
    if rng.random() < 0.6:
        turn = rng.uniform(0, math.pi / 3)
        wave = np.zeros_like(grid.depth)
        for step in range(3):
            a = turn + step * math.pi / 3
            wave += np.cos(k * (np.float32(math.cos(a)) * grid.x + np.float32(math.sin(a)) * grid.y))
        wave /= 2
    else:
        # Square rows.
        wave = np.cos(k * grid.x) * np.cos(k * grid.y)
    clear = float(rng.uniform(0.0, 0.5)) * float(grid.depth.max())
    zone = np.clip((float(grid.depth.max()) - clear - grid.depth) / max(1.0, 0.1 * thickness) + 1, 0, 1)
    phase += np.float32(0.6 * relief.striae * resolvable(period)) * wave * zone
    corners = blurred(np.hypot(grid.x, grid.y).astype(np.float32), 1.0)
    farthest = float(corners[grid.inside].max())
    horn = np.exp(-(((corners - 0.9 * farthest) / (0.07 * farthest + 1)) ** 2))
    phase += np.float32(rng.uniform(0, 0.8) * relief.rim) * horn
    return np.where(grid.inside, phase, 0).astype(np.float32)


def pitted_mantle_phase(
    rng: np.random.Generator, outline: Outline, grid: Grid, pixel_size_um: float, relief: Relief
) -> FloatMap:
    """Phase of an Aulacoseira cell in girdle view: rows of pits, straight or in a spiral, and the valves' seam.

    The filament's axis is y. Parameters and result are those of :func:`armed_phase`.
    """
    across, _ = across_valve(outline, grid)
    apart = np.abs(across)
    phase = shell_phase(rng, grid, min(outline.width, outline.length), relief)
    period = 10.0 / rng.uniform(7, 18) / pixel_size_um
    k = np.float32(2 * math.pi / max(period, 2.0))
    slant = np.float32(rng.normal(0, 0.25) * (rng.random() < 0.6))
    # On a cylinder the rows crowd towards the outline.
    x = np.float32(0.5 * outline.length) * np.arcsin(np.clip(grid.x / np.float32(0.5 * outline.length), -1, 1))
    pits = np.cos(k * (x + slant * grid.y * np.sign(across)))
    pits = pits * (0.6 + 0.4 * np.cos(k * np.float32(rng.uniform(0.8, 1.2)) * grid.y))
    seam = float(rng.uniform(0.05, 0.2))
    phase += np.float32((0.25 + relief.striae) * resolvable(period)) * pits * (apart > seam) * (apart < 0.95)
    thin = np.float32(max(1.2 / outline.width, 0.02))
    for place, strength in ((seam, 0.5), (0.0, 0.3), (0.97, 0.9)):
        line = np.exp(-(((apart - np.float32(place)) / thin) ** 2))
        phase += np.float32(strength * relief.rim * rng.uniform(0.5, 1.2)) * line
    return np.where(grid.inside, phase, 0).astype(np.float32)


def costate_girdle(rng: np.random.Generator, outline: Outline, grid: Grid, relief: Relief) -> FloatMap:
    """Phase of the ribs that end as bars at both margins in girdle view, as in Diatoma."""
    across, _ = across_valve(outline, grid)
    apart = np.abs(across)
    ribs = max(3.0, outline.length / max(7.0, 0.22 * outline.width) * float(rng.uniform(0.6, 1.2)))
    wave = np.cos(np.float32(2 * math.pi * ribs / outline.length) * grid.x + np.float32(rng.uniform(0, 6.28)))
    bars = np.clip(wave, 0, 1) ** 2 * np.clip((apart - rng.uniform(0.5, 0.8)) / 0.08, 0, 1)
    return np.where(grid.inside, np.float32(0.3 + relief.rim) * bars, 0).astype(np.float32)
