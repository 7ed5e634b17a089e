"""What is easily taken for valves: textured flocs, mineral crusts, and dark grains that lie on valves."""

from __future__ import annotations

import math

import cv2
import numpy as np

from diatom_training.synthesis.noise_maps import FloatMap, smooth_noise
from diatom_training.synthesis.patches import BROWN, CLEAR, DISPERSION, ORANGE, WARM, PhasePatch
from diatom_training.synthesis.specimens import LaidSpecimen
from diatom_training.synthesis.wave_optics import WaveField


def scatter_crusts(
    rng: np.random.Generator,
    field: WaveField,
    *,
    amount: float,
    defocus: float,
    strength: float,
) -> None:
    """Strew flocs and crusts, which are no specimens.

    Parameters
    ----------
    rng
        Source of chance.
    field
        Receives them.
    amount
        0 (nothing) to 1 (crowded).
    defocus
        Spread of focus, 0 to 1.
    strength
        Relief of clear matter at this field's contrast.
    """
    plenty = amount * field.height * field.width / 640**2
    # One slide holds one kind of crust mostly.
    flocs, crusts = rng.dirichlet((1.0, 1.0)) * 16
    longest = 0.35 * min(field.height, field.width)
    for kind, wanted in ((textured_floc, flocs), (mineral_crust, crusts)):
        for _ in range(rng.poisson(plenty * wanted)):
            size = math.exp(rng.uniform(math.log(28), math.log(max(40.0, longest))))
            spread = 0.0 if rng.random() < 0.4 else float(rng.normal(0, 1) * (4 + 60 * defocus * rng.random()))
            x, y = rng.uniform(-8, field.width + 8), rng.uniform(-8, field.height + 8)
            turn = float(rng.uniform(0, 2 * math.pi))
            field.add(kind(rng, size, strength * rng.uniform(0.5, 1.3)), float(x), float(y), turn, spread)


def lay_dark_grains(rng: np.random.Generator, field: WaveField, scene: list[LaidSpecimen], share: float) -> None:
    """Lay a nearly opaque grain on part of each of ``share`` of the specimens, which stay in the truth."""
    for specimen in scene:
        if rng.random() >= share:
            continue
        outline = specimen.outline
        size = float(np.clip(outline.width * rng.uniform(0.5, 1.1), 10.0, 0.55 * outline.length + 6))
        along = float(rng.uniform(-0.42, 0.42)) * outline.length
        top, bottom = (float(np.interp(along, outline.x, side)) for side in (outline.top, outline.bottom))
        across = float(rng.uniform(bottom, top))
        cos, sin = math.cos(specimen.angle), math.sin(specimen.angle)
        x, y = specimen.x + cos * along - sin * across, specimen.y + sin * along + cos * across
        spread = specimen.spread + float(rng.normal(0, 6))
        field.add(dark_grain(rng, size), x, y, float(rng.uniform(0, 2 * math.pi)), spread)


def textured_floc(rng: np.random.Generator, size_px: float, strength: float) -> PhasePatch:
    """Draw a flake of detritus, often longish, whose grain runs in one direction like striae."""
    x, y, h, w = _grid(0.75 * size_px + 4)
    oval = rng.uniform(0.3, 1.0)
    lumps, ragged = smooth_noise(rng, h, w, 0.25 * size_px), smooth_noise(rng, h, w, max(2.5, 0.06 * size_px))
    r = np.hypot(x, y / oval) / (0.5 * size_px) + rng.uniform(0.03, 0.2) * lumps + rng.uniform(0.01, 0.06) * ragged
    body = np.clip((1 - r) * size_px / 6, 0, 1)
    turn = rng.uniform(0, math.pi)
    period = rng.uniform(3.0, 9.0)
    wander = smooth_noise(rng, h, w, 5 * period)
    path = math.cos(turn) * x + math.sin(turn) * y + rng.uniform(0.3, 1.6) * wander * period / 3
    stripes = np.cos(np.float32(2 * math.pi / period) * path) * (0.5 + 0.5 * smooth_noise(rng, h, w, 3 * period))
    granules = smooth_noise(rng, h, w, float(rng.uniform(1.6, 4.0)))
    mix = rng.uniform(0.1, 0.9)
    rim = np.exp(-(((1 - r) * size_px / 2 - 2) ** 2) / 6) * rng.uniform(0, 0.8)
    phase = strength * body * (rng.uniform(0.3, 1.0) + 0.6 * mix * stripes + 0.6 * (1 - mix) * granules + rim)
    loss = body * (rng.uniform(0.02, 0.5) + 0.12 * granules + 0.08 * stripes).clip(0, 2)
    return _patch(rng, phase, loss, warmth=0.6)


def mineral_crust(rng: np.random.Generator, size_px: float, strength: float) -> PhasePatch:
    """Draw a crust of lime or salt: angular plates beside each other, with bright seams and a broken border."""
    x, y, h, w = _grid(0.75 * size_px + 4)
    oval = rng.uniform(0.35, 1.0)
    plates = max(4, int(rng.integers(5, 40)))
    seeds = rng.uniform(-0.75, 0.75, (plates, 2)) * size_px
    jitter = 0.03 * size_px * np.stack([smooth_noise(rng, h, w, 0.15 * size_px) for _ in range(2)])
    nearest = np.full((h, w), np.inf, np.float32)
    second = np.full((h, w), np.inf, np.float32)
    level = np.zeros((h, w), np.float32)
    for sx, sy in seeds:
        distance = np.hypot(x - sx + jitter[0], y - sy + jitter[1]).astype(np.float32)
        closer = distance < nearest
        second = np.where(closer, nearest, np.minimum(second, distance))
        level = np.where(closer, np.float32(rng.uniform(0.3, 1.3)), level)
        nearest = np.where(closer, distance, nearest)
    seam = np.exp(-(((second - nearest) / max(1.2, 0.02 * size_px)) ** 2))
    ragged = smooth_noise(rng, h, w, 0.12 * size_px) + 0.5 * smooth_noise(rng, h, w, 0.04 * size_px + 1)
    body = np.clip((1 - np.hypot(x, y / oval) / (0.5 * size_px) + rng.uniform(0.03, 0.13) * ragged) * size_px / 4, 0, 1)
    grain = smooth_noise(rng, h, w, float(rng.uniform(1.3, 3.0)))
    phase = strength * body * (1.6 * level + 0.25 * grain + rng.uniform(-1.5, 1.0) * seam)
    loss = body * (rng.uniform(0.0, 0.25) + rng.uniform(0, 0.9) * seam + 0.06 * grain).clip(0, 2)
    return _patch(rng, phase, loss, warmth=0.3)


def dark_grain(rng: np.random.Generator, size_px: float) -> PhasePatch:
    """Draw a nearly opaque angular grain, as of pyrite or soot, with a soft border."""
    _, _, h, w = _grid(0.75 * size_px + 3)
    turns = np.sort(rng.uniform(0, 2 * math.pi, int(rng.integers(5, 11))))
    reach = 0.5 * size_px * rng.uniform(0.65, 1.0, len(turns))
    corners = np.column_stack([reach * np.cos(turns) + (w - 1) / 2, reach * np.sin(turns) + (h - 1) / 2])
    solid = np.zeros((h, w), np.uint8)
    cv2.fillPoly(solid, [np.rint(corners * 16).astype(np.int32)], 1, cv2.LINE_8, 4)
    depth = cv2.distanceTransform(solid, cv2.DIST_L2, 5)
    body = np.clip(depth / max(1.0, 0.08 * size_px), 0, 1)
    lumps = smooth_noise(rng, h, w, 0.2 * size_px)
    loss = body * rng.uniform(1.2, 3.2) * np.clip(1 + 0.25 * lumps, 0.4, 2)
    phase = 2.5 * body * np.clip(1 + 0.4 * smooth_noise(rng, h, w, 3.0), 0, 2)
    warm = rng.random() < 0.25
    return PhasePatch(phase.astype(np.float32), loss.astype(np.float32), BROWN if warm else CLEAR)


def _patch(rng: np.random.Generator, phase: FloatMap, loss: FloatMap, warmth: float) -> PhasePatch:
    tint = (ORANGE, BROWN, CLEAR)[int(rng.choice(3, p=(0.5 * warmth, 0.5 * warmth, 1 - warmth)))]
    colours = WARM if rng.random() < warmth else DISPERSION
    return PhasePatch(phase.astype(np.float32), loss.astype(np.float32), tint, colours)


def _grid(radius_px: float) -> tuple[FloatMap, FloatMap, int, int]:
    """Open coordinates around 0, and the size of the grid that they span."""
    half = max(3, math.ceil(radius_px))
    line = np.arange(-half, half + 1, dtype=np.float32)
    return line[None, :], line[:, None], len(line), len(line)
