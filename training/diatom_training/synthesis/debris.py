"""Everything on a slide that is not a specimen: grains, flocs, bubbles, fibres, dots."""

from __future__ import annotations

import math

import cv2
import numpy as np

from diatom_training.synthesis.families import CLASSIC_FAMILIES, draw_valve_outline, draw_width
from diatom_training.synthesis.noise_maps import FloatMap, Points, blurred, smooth_noise
from diatom_training.synthesis.ornament import draw_relief, valve_phase
from diatom_training.synthesis.outlines import broken
from diatom_training.synthesis.patches import BROWN, CLEAR, DISPERSION, ORANGE, WARM, PhasePatch, grid_around
from diatom_training.synthesis.wave_optics import WaveField


def mineral_grain(rng: np.random.Generator, size_px: float, strength: float) -> PhasePatch:
    """Draw a crystal: a convex stone with slanted facets and a tilted top."""
    corners = int(rng.integers(4, 9))
    turn = np.sort(rng.uniform(0, 2 * math.pi, corners))
    x, y = _square_grid(0.5 * size_px * 1.5 + 2)
    height = rng.uniform(0.2, 0.7) + (rng.normal(0, 0.5) * x + rng.normal(0, 0.5) * y) / size_px
    squeeze = rng.uniform(0.55, 1.0)
    for a in turn:
        reach = 0.5 * size_px * rng.uniform(0.6, 1.0)
        facet = (reach - math.cos(a) * x - math.sin(a) * y / squeeze) / size_px
        height = np.minimum(height, rng.uniform(1.2, 6.0) * facet)
    stone = np.clip(height, 0, None)
    stone = stone / max(float(stone.max()), 0.05)
    if size_px > 14:
        # Cracks and inclusions: no large stone is clear.
        h, w = stone.shape
        flaws = np.abs(smooth_noise(rng, h, w, 0.2 * size_px)) + 0.5 * smooth_noise(rng, h, w, 3.0)
        stone = stone * (0.75 + 0.3 * flaws)
    warm = rng.random() < 0.9
    loss = (0.05 + 0.2 * rng.random()) * np.clip(stone * 2, 0, 1)
    return PhasePatch(
        (strength * stone).astype(np.float32),
        loss.astype(np.float32),
        ORANGE if warm else CLEAR,
        WARM if warm else DISPERSION,
    )


def round_particle(rng: np.random.Generator, size_px: float, strength: float) -> PhasePatch:
    """Draw a spore, droplet or bead: a slightly oval lens, sometimes with inner granules."""
    x, y = _square_grid(0.5 * size_px * 1.2 + 2)
    oval = rng.uniform(0.7, 1.0)
    a = rng.uniform(0, math.pi)
    u = math.cos(a) * x + math.sin(a) * y
    v = (math.cos(a) * y - math.sin(a) * x) / oval
    r2 = (u * u + v * v) / (0.5 * size_px) ** 2
    lens = np.sqrt(np.clip(1 - r2, 0, 1))
    if size_px > 10 and rng.random() < 0.5:
        h, w = lens.shape
        lens = lens * np.clip(1 + 0.35 * smooth_noise(rng, h, w, 0.14 * size_px + 1), 0, 2)
    tint = ORANGE if rng.random() < 0.6 else BROWN
    loss = rng.uniform(0.0, 0.3) * lens
    colours = WARM if rng.random() < 0.9 else DISPERSION
    return PhasePatch((strength * lens).astype(np.float32), loss.astype(np.float32), tint, colours)


def dark_speck(rng: np.random.Generator, size_px: float, strength: float) -> PhasePatch:
    """Draw a bacterium-like dot or short rod, or a small clump of them."""
    x, y = _square_grid(0.9 * size_px + 3)
    height = np.zeros(np.broadcast_shapes(x.shape, y.shape), np.float32)
    for _ in range(int(rng.choice((1, 1, 1, 2, 3, 5)))):
        a = rng.uniform(0, math.pi)
        ox, oy = rng.normal(0, 0.25, 2) * size_px
        u = (math.cos(a) * (x - ox) + math.sin(a) * (y - oy)) / rng.uniform(0.6, 1.4)
        v = (math.cos(a) * (y - oy) - math.sin(a) * (x - ox)) / rng.uniform(0.35, 0.8)
        height += np.exp(-((u * u + v * v) / (0.35 * size_px) ** 2) * 1.5)
    return PhasePatch(strength * height, 0.3 * height, CLEAR)


def floc(rng: np.random.Generator, size_px: float, strength: float) -> PhasePatch:
    """Draw an aggregate of granules with a ragged border, often yellow-brown."""
    size = int(1.6 * size_px) + 6
    x, y = _square_grid(size / 2)
    h, w = np.broadcast_shapes(x.shape, y.shape)
    r = np.sqrt(x * x + (y / rng.uniform(0.55, 1.0)) ** 2) / (0.5 * size_px)
    lumps = smooth_noise(rng, h, w, 0.22 * size_px)
    ragged = smooth_noise(rng, h, w, max(2.5, 0.07 * size_px))
    body = np.clip((0.8 - r + 0.3 * lumps + 0.15 * ragged) * 5, 0, 1) * np.clip((1.5 - r) * 4, 0, 1)
    granule = float(rng.uniform(2.0, 5.0))
    grains = smooth_noise(rng, h, w, granule) + 0.7 * smooth_noise(rng, h, w, 2.2 * granule)
    thick = rng.uniform(0.3, 0.9)
    phase = strength * body * np.clip(thick + 0.55 * grains, 0, 3)
    loss = rng.uniform(0.05, 0.4) * body * np.clip(0.5 + 0.4 * ragged + 0.2 * grains, 0, 2)
    tint = (ORANGE, BROWN, CLEAR)[int(rng.choice(3, p=(0.4, 0.35, 0.25)))]
    colours = WARM if rng.random() < 0.9 else DISPERSION
    return PhasePatch(phase.astype(np.float32), loss.astype(np.float32), tint, colours)


def bubble(rng: np.random.Generator, size_px: float) -> PhasePatch:
    """Draw an air bubble: its steep rim throws the light out of the objective."""
    x, y = _square_grid(0.6 * size_px + 3)
    r = np.sqrt(x * x + y * y) / (0.5 * size_px)
    wall = rng.uniform(0.55, 0.8)
    loss = 2.2 * np.clip((r - wall) / (1 - wall), 0, 1) ** 0.7 * (r < 1)
    inner = 0.5 * np.exp(-(((r - 0.75 * wall) / 0.06) ** 2))
    phase = -2.0 * np.sqrt(np.clip(1 - r * r, 0, 1))
    return PhasePatch(phase.astype(np.float32), blurred((loss + inner).astype(np.float32), 0.8), CLEAR)


def fragment(rng: np.random.Generator, size_px: float, pixel_size_um: float, strength: float) -> PhasePatch:
    """Draw less than half of a valve, with a broken end and its ornament."""
    family = CLASSIC_FAMILIES[int(rng.choice((0, 1, 2, 3, 5, 6, 7)))]
    kept = rng.uniform(0.15, 0.4)
    length = max(16.0, size_px / kept)
    whole = draw_valve_outline(rng, family, length, draw_width(rng, family, length))
    piece = broken(rng, whole, kept)
    grid = grid_around(piece.polygon(), 1.0)
    relief = draw_relief(rng, needle=False)
    return PhasePatch(strength * valve_phase(rng, family, piece, grid, pixel_size_um, relief))


def add_fibre(rng: np.random.Generator, field: WaveField, radius_px: float, strength: float) -> None:
    """Lay a hair, filament or tube with parallel walls across the field.

    Its ends mostly lie outside; wide ones show two walls, thin ones a faint wavy line.
    """
    extent = max(field.height, field.width)
    path = _wandering_path(rng, field, stiffness=float(rng.choice((0.15, 0.5, 1.5))))
    away = np.full((field.height, field.width), 255, np.uint8)
    cv2.polylines(away, [np.rint(path * 16).astype(np.int32)], False, 0, 1, cv2.LINE_8, 4)
    distance = cv2.distanceTransform(away, cv2.DIST_L2, 5)
    rel = np.asarray(distance / np.float32(radius_px), dtype=np.float32)
    tube = np.sqrt(np.clip(1 - rel * rel, 0, 1))
    if radius_px > 5:
        wall = np.exp(-(((rel - 0.85) / max(0.08, 1.0 / radius_px)) ** 2)) * (rel < 1.1)
        streaks = smooth_noise(rng, field.height, field.width, max(4.0, 0.5 * radius_px))
        tube = rng.uniform(0.15, 0.8) * tube * (1 + 0.1 * streaks) + rng.uniform(0.3, 1.0) * wall
    loss = rng.uniform(0.0, 0.25) * np.clip(1.2 - rel, 0, 1) * min(1.0, radius_px / 8)
    tint = ORANGE if rng.random() < 0.4 else CLEAR
    phase = blurred((strength * tube).astype(np.float32), rng.uniform(0.5, 0.004 * extent + 0.6))
    field.add_map(phase, loss.astype(np.float32), tint)


def _wandering_path(rng: np.random.Generator, field: WaveField, stiffness: float) -> Points:
    """Draw a path that starts outside or inside the field and wanders; bends shrink with stiffness."""
    extent = max(field.height, field.width)
    steps = 60
    heading = rng.uniform(0, 2 * math.pi)
    bend = np.cumsum(rng.standard_normal(steps)) * 0.05 / stiffness
    turn = heading + bend - bend.mean()
    step = rng.uniform(0.4, 1.8) * extent / steps
    path = np.cumsum(np.column_stack([np.cos(turn), np.sin(turn)]) * step, axis=0)
    through = rng.uniform(0, 1, 2) * (field.width, field.height)
    return np.asarray(path - path[int(rng.integers(steps))] + through)


def _square_grid(radius_px: float) -> tuple[FloatMap, FloatMap]:
    """Open coordinate grids (1, n) and (n, 1) around 0."""
    half = max(2, math.ceil(radius_px))
    line = np.arange(-half, half + 1, dtype=np.float32)
    return line[None, :], line[:, None]


def scatter_debris(
    rng: np.random.Generator,
    field: WaveField,
    *,
    amount: float,
    defocus: float,
    pixel_size_um: float,
    strength: float,
) -> None:
    """Strew debris over the whole field.

    Parameters
    ----------
    rng
        Source of chance.
    field
        Receives the debris.
    amount
        0 (nothing) to 1 (crowded).
    defocus
        Spread of focus, 0 to 1.
    pixel_size_um
        Sets the ornament of fragments.
    strength
        Relief of clear matter at this field's contrast; stones and flocs keep most of theirs.
    """
    if amount <= 0:
        return
    plenty = amount * field.height * field.width / 640**2
    grain = float(np.exp(rng.uniform(math.log(0.6), math.log(1.8))))
    # Slides differ in what they hold: draw the mixture per field.
    specks, grains, rounds, flocs, bits = rng.uniform(0.1, 1.0, 5) * (70, 60, 55, 22, 7)
    firm = 0.5 + 0.5 * strength

    def spread() -> float:
        if rng.random() < 0.25 * (1 - defocus):
            return 0.0
        return float(rng.normal(0, 1) * (3 + 120 * defocus * rng.random() ** 2) * grain**2)

    def place(patch: PhasePatch, wider: float = 1.0) -> None:
        x, y = rng.uniform(-8, field.width + 8), rng.uniform(-8, field.height + 8)
        field.add(patch, float(x), float(y), float(rng.uniform(0, 2 * math.pi)), wider * spread())

    def size(low: float, high: float) -> float:
        return grain * math.exp(rng.uniform(math.log(low), math.log(high)))

    for _ in range(rng.poisson(plenty * specks)):
        place(dark_speck(rng, size(2.5, 9), rng.uniform(0.15, 0.9) * strength))
    for _ in range(rng.poisson(plenty * grains)):
        extent = size(3.5, 16) if rng.random() < 0.85 else size(12, 60)
        place(mineral_grain(rng, extent, rng.uniform(1.8, 5.5) * firm))
    for _ in range(rng.poisson(plenty * rounds)):
        place(round_particle(rng, size(5, 26), rng.uniform(0.5, 4.5) * firm), 2.0)
    for _ in range(rng.poisson(plenty * flocs)):
        extent = size(14, 60) if rng.random() < 0.9 else size(60, 160)
        place(floc(rng, extent, rng.uniform(1.0, 4.5) * firm))
    for _ in range(rng.poisson(plenty * bits)):
        place(fragment(rng, size(8, 40), pixel_size_um, strength))
    if rng.random() < 0.10 * amount:
        place(floc(rng, rng.uniform(0.25, 0.5) * min(field.height, field.width), 3 * firm), 1.5)
    if rng.random() < 0.12:
        place(bubble(rng, size(20, 120)), 0.1)
    if rng.random() < 0.35 * defocus:
        place(floc(rng, size(60, 150), rng.uniform(0.2, 0.6)), 6.0)
    for _ in range(rng.poisson(0.5 * amount)):
        add_fibre(rng, field, float(rng.uniform(0.5, 1.6)), rng.uniform(0.05, 0.35) * strength)
    if rng.random() < 0.14 * amount:
        add_fibre(rng, field, float(rng.uniform(5, 32)), rng.uniform(0.15, 1.6) * firm)
