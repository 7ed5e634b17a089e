"""The relief of valves and girdles: rim, striae, raphe, areolae, costae, cell content."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from diatom_training.synthesis.noise_maps import FloatMap, smooth_noise
from diatom_training.synthesis.outlines import Outline
from diatom_training.synthesis.patches import Grid

# Striae in 10 µm, as (fewest, most).
STRIAE: dict[str, tuple[float, float]] = {
    "naviculoid": (7.0, 28.0),
    "cymbelloid": (7.0, 18.0),
    "gomphonemoid": (8.0, 18.0),
    "nitzschioid": (14.0, 35.0),
    "needle": (18.0, 45.0),
    "fragilarioid": (8.0, 20.0),
    "eunotioid": (9.0, 20.0),
    "surirelloid": (14.0, 30.0),
    "centric": (6.0, 22.0),
    "cross-shaped": (5.0, 18.0),
    "three-armed": (4.0, 16.0),
    "diploneioid": (5.0, 16.0),
    "sigmoid": (14.0, 28.0),
    "arcuate": (9.0, 24.0),
    "undulate": (8.0, 22.0),
}


@dataclass(frozen=True)
class Relief:
    """Strengths of the parts of a relief, in radians of phase at unit contrast."""

    body: float
    rim: float
    striae: float
    raphe: float


def draw_relief(rng: np.random.Generator, needle: bool) -> Relief:
    """Draw how strongly the parts of a valve show."""
    body = float(rng.uniform(0.15, 0.5))
    rim = float(rng.uniform(0.4, 1.0))
    if needle:
        return Relief(body, float(rng.uniform(0.15, 0.5)), 0.06, 0.12)
    return Relief(body, rim, float(rng.uniform(0.15, 0.6)), float(rng.uniform(0.2, 0.7)))


def valve_phase(
    rng: np.random.Generator,
    family: str,
    outline: Outline,
    grid: Grid,
    pixel_size_um: float,
    relief: Relief,
) -> FloatMap:
    """Phase of a valve seen face on.

    Parameters
    ----------
    rng
        Source of chance.
    family
        Which ornament.
    outline, grid
        The valve in its own frame and the samples around it.
    pixel_size_um
        Width of an image pixel, which sets the spacing of the striae.
    relief
        Strengths of its parts.

    Returns
    -------
    ndarray, (h, w) float32
        Radians of green light.
    """
    width = outline.width
    phase = shell_phase(rng, grid, width, relief)
    across, half = across_valve(outline, grid)
    striae_um = 10.0 / rng.uniform(*STRIAE[family])
    period = striae_um / pixel_size_um
    if family == "centric":
        phase += _centric_ornament(rng, grid, 0.5 * width, period, relief)
    else:
        phase += _pennate_ornament(rng, family, outline, grid, across, half, period, relief)
    return np.where(grid.inside, phase, 0).astype(np.float32)


def girdle_phase(
    rng: np.random.Generator, outline: Outline, grid: Grid, pixel_size_um: float, relief: Relief
) -> FloatMap:
    """Phase of a frustule in girdle view: valve mantles, girdle bands, short marginal striae."""
    width = outline.width
    phase = shell_phase(rng, grid, width, relief)
    across, _ = across_valve(outline, grid)
    apart = np.abs(across)
    # Mantle edges, then a few bands near the middle.
    lines = [float(rng.uniform(0.45, 0.75))]
    lines += [float(v) for v in rng.uniform(0.0, 0.4, int(rng.integers(0, 4)))]
    for line in lines:
        spread = np.float32(max(1.3 / width, 0.03))
        strength = np.float32(relief.rim * rng.uniform(0.2, 0.7))
        phase += strength * np.exp(-(((apart - line) / spread) ** 2))
    period = 10.0 / rng.uniform(8, 22) / pixel_size_um
    visible = resolvable(period)
    if visible > 0:
        wave = np.cos(np.float32(2 * math.pi / period) * grid.x)
        phase += np.float32(0.4 * relief.striae * visible) * wave * (apart > lines[0])
    return np.where(grid.inside, phase, 0).astype(np.float32)


def content_maps(
    rng: np.random.Generator, outline: Outline, grid: Grid, granule_px: float
) -> tuple[FloatMap, FloatMap]:
    """Draw plastids, droplets and granules of a living cell.

    Returns
    -------
    phase, absorption
        Both (h, w) float32; phase in radians, absorption for a brown tint.
    """
    h, w = grid.depth.shape
    across, _ = across_valve(outline, grid)
    t = grid.x / np.float32(0.5 * outline.length)
    reach, gap = rng.uniform(0.3, 0.9), rng.uniform(0.0, 0.12)
    soft = np.float32(0.06)
    plastid = 1 / (1 + np.exp((np.abs(t) - reach) / soft)) * (np.abs(t) > gap)
    plastid = plastid * np.clip(1.4 - np.abs(across) * rng.uniform(0.9, 1.5), 0, 1)
    lumps = smooth_noise(rng, h, w, granule_px * 3.0 * grid.scale)
    grains = smooth_noise(rng, h, w, granule_px * grid.scale)
    within = np.clip(grid.depth / max(1.0, 0.12 * outline.width), 0, 1)
    mass = np.clip(0.55 + 0.55 * lumps, 0, 1.6) * plastid * within
    droplets = np.clip(grains - rng.uniform(0.9, 1.6), 0, 1.5) * within * (np.abs(t) < 0.95)
    phase = 0.5 * mass * (1 + 0.5 * grains) + 0.8 * droplets
    return phase.astype(np.float32), (0.3 * mass + 0.12 * droplets).astype(np.float32)


def shell_phase(rng: np.random.Generator, grid: Grid, width: float, relief: Relief) -> FloatMap:
    """Silica without ornament: an arched plate whose mantle stands on edge along the rim."""
    rim = np.float32(max(0.8, min(2.6, 0.035 * width)))
    plate = np.sqrt(np.clip(grid.depth / np.float32(0.5 * width + 0.5), 0, 1))
    phase = np.float32(relief.body) * (0.55 + 0.45 * plate) * np.clip(grid.depth, 0, 1)
    at_rim = np.exp(-(((grid.depth - rim) / rim) ** 2)) * np.clip(grid.depth / rim, 0, 1)
    phase = phase + np.float32(relief.rim) * at_rim
    h, w = grid.depth.shape
    stains = smooth_noise(rng, h, w, max(6.0, 0.3 * width) * grid.scale)
    return np.asarray(phase * (1 + 0.07 * stains), dtype=np.float32)


def across_valve(outline: Outline, grid: Grid) -> tuple[FloatMap, FloatMap]:
    """Position across the valve, -1..1 between the margins, and the half-width (1, w) in px."""
    top = np.interp(grid.x[0], outline.x, outline.top)
    bottom = np.interp(grid.x[0], outline.x, outline.bottom)
    half = np.maximum(0.5 * (top - bottom), 0.5)[None, :].astype(np.float32)
    middle = (0.5 * (top + bottom))[None, :].astype(np.float32)
    return np.asarray((grid.y - middle) / half, dtype=np.float32), half


def resolvable(period_px: float) -> float:
    """How much of a pattern the image can resolve: none below two pixels."""
    return float(np.clip((period_px - 2.0) / 2.0, 0, 1))


def _pennate_ornament(
    rng: np.random.Generator,
    family: str,
    outline: Outline,
    grid: Grid,
    across: FloatMap,
    half: FloatMap,
    period: float,
    relief: Relief,
) -> FloatMap:
    """Striae, raphe or sternum, central area, keel with fibulae, costae."""
    width, length = outline.width, outline.length
    t = grid.x / np.float32(0.5 * length)
    apart = np.abs(across)
    phase = np.zeros_like(grid.depth)
    keeled = family in ("nitzschioid", "needle") or (family == "fragilarioid" and rng.random() < 0.1)
    axis = float(rng.uniform(-0.1, 0.1))
    if family == "cymbelloid":
        axis = float(rng.uniform(-0.45, -0.1))
    visible = resolvable(period)
    if visible > 0 and relief.striae > 0:
        radiate = float(rng.uniform(-0.1, 0.5)) if not keeled else 0.0
        lean = np.float32(radiate * 0.5 * width) * np.tanh(3 * t) * (across - axis) ** 2
        path = grid.x - lean
        wave = np.cos(np.float32(2 * math.pi / period) * path + np.float32(rng.uniform(0, 6.28)))
        if rng.random() < 0.35 and period > 4:
            puncta = np.cos(np.float32(2 * math.pi / (period * rng.uniform(0.7, 1.3))) * grid.y)
            wave = wave * (0.6 + 0.4 * puncta)
        strips = 1.0
        if not keeled:
            clear = rng.uniform(0.03, 0.16) + rng.uniform(0, 0.5) * np.exp(-((t / rng.uniform(0.04, 0.18)) ** 2))
            strips = 1 / (1 + np.exp((clear - np.abs(across - axis)) * 18))
        phase += np.float32(relief.striae * visible * 0.5) * wave * strips
    if keeled:
        phase += _keel(rng, grid, across, half, width, relief, period)
    elif family in ("naviculoid", "cymbelloid", "gomphonemoid", "sigmoid", "undulate"):
        phase += _raphe(rng, grid, across - axis, half, t, relief)
    elif family == "surirelloid":
        phase += _costae(rng, grid, across, t, width, length, relief)
    elif family == "eunotioid":
        ends = np.exp(-(((np.abs(t) - 0.93) / 0.03) ** 2)) * (across > 0.2)
        phase += np.float32(relief.raphe * 0.6) * ends
    else:
        line = np.exp(-((across * half / np.float32(max(1.0, 0.03 * width))) ** 2))
        phase -= np.float32(0.3 * relief.raphe) * line
    fade = np.clip(1.15 - apart, 0, 0.3) / 0.3
    return np.asarray(phase * fade, dtype=np.float32)


def _raphe(
    rng: np.random.Generator,
    grid: Grid,
    offset: FloatMap,
    half: FloatMap,
    t: FloatMap,
    relief: Relief,
) -> FloatMap:
    """Two slits from the central nodule to the apices, on a slightly thickened sternum."""
    distance = offset * half + np.float32(rng.normal(0, 0.02)) * half * np.sin(3 * t)
    slit = np.float32(rng.uniform(0.7, 1.3))
    nodule = float(rng.uniform(0.02, 0.06))
    open_ = (np.abs(t) > nodule) & (np.abs(t) < rng.uniform(0.85, 0.95))
    line = np.exp(-((distance / slit) ** 2)) * open_
    sternum = np.exp(-((distance / (3 * slit)) ** 2)) * (np.abs(t) < 0.95)
    return np.asarray(np.float32(relief.raphe) * (0.6 * sternum - 1.3 * line), dtype=np.float32)


def _keel(
    rng: np.random.Generator,
    grid: Grid,
    across: FloatMap,
    half: FloatMap,
    width: float,
    relief: Relief,
    stria_period: float,
) -> FloatMap:
    """Draw a raphe keel near one margin with a row of fibulae."""
    side = float(rng.uniform(0.6, 0.9)) * (1 if rng.random() < 0.5 else -1)
    distance = (across - side) * half
    spread = np.float32(max(1.0, 0.07 * width))
    keel = np.exp(-((distance / spread) ** 2))
    period = stria_period * float(rng.uniform(2.0, 3.5))
    fibulae = np.cos(np.float32(2 * math.pi / period) * grid.x + np.float32(rng.uniform(0, 6.28)))
    strength = np.float32(relief.raphe) * (0.4 + 0.6 * resolvable(period) * np.clip(fibulae, 0, 1))
    return np.asarray(strength * keel, dtype=np.float32)


def _costae(
    rng: np.random.Generator,
    grid: Grid,
    across: FloatMap,
    t: FloatMap,
    width: float,
    length: float,
    relief: Relief,
) -> FloatMap:
    """Ribs that run from the margin towards the axis and fan out at the apices."""
    ribs = rng.uniform(0.8, 2.2) * length / max(width * 0.25, 8.0)
    bow = t * (1 + 0.35 * (1 - across**2))
    wave = np.cos(np.float32(math.pi * max(ribs, 4)) * bow)
    reach = np.clip((np.abs(across) - rng.uniform(0.0, 0.3)) / 0.3, 0, 1)
    rib = np.clip(wave, 0, 1) ** 1.5 * reach
    fold = np.exp(-((across / np.float32(0.05)) ** 2)) * (np.abs(t) < 0.9)
    return np.asarray(np.float32(relief.raphe) * (0.7 * rib + 0.4 * fold), dtype=np.float32)


def _centric_ornament(rng: np.random.Generator, grid: Grid, radius: float, period: float, relief: Relief) -> FloatMap:
    """Areolae in a honeycomb or in radial rows, a marginal ring, a central area."""
    r = np.sqrt(grid.x**2 + grid.y**2)
    rho = r / np.float32(radius)
    period = max(period, 2.0)
    kind = int(rng.integers(3))
    visible = resolvable(period)
    if kind == 0:
        k = np.float32(2 * math.pi / period)
        turn = rng.uniform(0, math.pi / 3)
        wave = np.zeros_like(r)
        for step in range(3):
            a = turn + step * math.pi / 3
            wave += np.cos(k * (np.float32(math.cos(a)) * grid.x + np.float32(math.sin(a)) * grid.y))
        wave /= 2
    else:
        theta = np.arctan2(grid.y, grid.x)
        rows = max(8, round(2 * math.pi * radius / period * (0.7 if kind == 1 else 0.4)))
        wave = np.cos(np.float32(rows) * theta)
        if kind == 1:
            wave = wave * (0.55 + 0.45 * np.cos(np.float32(2 * math.pi / period) * r))
        # Rows closer than two pixels near the centre cannot be seen apart.
        wave = wave * np.clip(2 * math.pi * r / rows / 2.0 - 1.0, 0, 1)
    inner = float(rng.uniform(0.0, 0.45))
    zone = 1 / (1 + np.exp((inner - rho) * 25))
    if kind == 2:
        zone = zone * (rho > rng.uniform(0.3, 0.7))
    phase = np.float32(relief.striae * visible * 0.6) * wave * zone
    ring = float(rng.uniform(0.8, 0.93))
    ring_width = np.float32(max(1.2 / radius, 0.025))
    phase = phase + np.float32(0.5 * relief.rim) * np.exp(-(((rho - ring) / ring_width) ** 2))
    bulge = np.float32(rng.normal(0, 0.4) * relief.body) * np.exp(-((rho / 0.35) ** 2))
    return np.asarray(phase + bulge, np.float32)
