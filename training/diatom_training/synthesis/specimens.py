"""One specimen: its outline, its state, and the patches that make it visible."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from diatom_training.synthesis.families import draw_girdle_outline, draw_valve_outline, draw_width
from diatom_training.synthesis.heavy_ornament import (
    armed_phase,
    costate_girdle,
    pitted_mantle_phase,
    thick_wall_maps,
)
from diatom_training.synthesis.noise_maps import FloatMap, Points
from diatom_training.synthesis.options import FieldOptions
from diatom_training.synthesis.ornament import Relief, content_maps, draw_relief, girdle_phase, valve_phase
from diatom_training.synthesis.outlines import Outline, broken, deformed
from diatom_training.synthesis.patches import BROWN, CLEAR, Grid, PhasePatch, grid_around
from diatom_training.synthesis.plastids import Plastids, plastid_maps
from diatom_training.synthesis.wave_optics import WaveField

Look = Literal["plain", "pitted", "costate"]


@dataclass(frozen=True)
class LaidSpecimen:
    """A specimen lying on the slide.

    Attributes
    ----------
    family, status
        Names from ``FAMILIES`` and ``STATUSES``.
    outline
        In its own frame.
    x, y
        Position of the frame's origin in the image, pixels.
    angle
        Direction of the apical axis in radians, x right, y down.
    spread
        Defocus, see :meth:`WaveField.add`.
    living
        Whether the cell has content.
    strength
        Contrast of this specimen relative to the field's.
    look
        What a girdle view shows besides its bands: nothing, rows of pits or the ends of ribs.
    plastids
        What a living cell of a colony holds; None draws any content.
    kin
        What the ornament is drawn from, alike in all cells of a colony; None draws any.
    """

    family: str
    status: str
    outline: Outline
    x: float
    y: float
    angle: float
    spread: float = 0.0
    living: bool = False
    strength: float = 1.0
    look: Look = "plain"
    plastids: Plastids | None = None
    kin: int | None = None

    def polygon(self) -> Points:
        """Return the outline in image coordinates, (n, 2)."""
        local = self.outline.polygon()
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        return np.column_stack(
            [
                self.x + cos * local[:, 0] - sin * local[:, 1],
                self.y + sin * local[:, 0] + cos * local[:, 1],
            ]
        )


def draw_specimen(rng: np.random.Generator, family: str, length_px: float, options: FieldOptions) -> LaidSpecimen:
    """Draw a specimen of a family at the origin: valve, girdle view, broken, teratological."""
    width = draw_width(rng, family, length_px)
    strength = float(np.clip(rng.lognormal(0, 0.3), 0.4, 2.2))
    living = bool(rng.random() < options.living_share)
    needle = family == "needle"
    status = "frustule" if living else "valve"
    chance = rng.random()
    if chance < (0.06 if needle else 0.16):
        depth = min(length_px * 0.95, max(6.0, width * rng.uniform(0.5, 1.3)))
        outline = draw_girdle_outline(rng, family, length_px, depth)
        status = "girdle"
    else:
        outline = draw_valve_outline(rng, family, length_px, width)
        if rng.random() < 0.5 and not needle:
            outline = outline.mirrored()
        if chance > 0.97:
            outline, status = deformed(rng, outline), "teratological"
        elif chance > 0.91 and not living:
            kept = float(rng.uniform(0.62, 0.9))
            outline, status = broken(rng, outline, kept), "broken"
    spread = draw_spread(rng, options, outline.width)
    drawn = LaidSpecimen(
        family=family,
        status=status,
        outline=outline,
        x=0.0,
        y=0.0,
        angle=float(rng.uniform(-math.pi, math.pi)),
        living=living,
        strength=strength,
    )
    return defocused(drawn, spread)


def defocused(specimen: LaidSpecimen, spread: float) -> LaidSpecimen:
    """Return a specimen out of focus by ``spread``; far out, none can tell what it is."""
    far = abs(spread) > 0.35 * specimen.outline.width**1.3 + 15
    return replace(specimen, spread=spread, status="unidentified" if far else specimen.status)


def moved(specimen: LaidSpecimen, along: float, across: float, turn: float) -> LaidSpecimen:
    """Shift a specimen by pixels in its own frame and turn it by radians."""
    cos, sin = math.cos(specimen.angle), math.sin(specimen.angle)
    return replace(
        specimen,
        x=specimen.x + cos * along - sin * across,
        y=specimen.y + sin * along + cos * across,
        angle=specimen.angle + float(turn),
    )


def lay_specimen(rng: np.random.Generator, field: WaveField, specimen: LaidSpecimen, options: FieldOptions) -> None:
    """Add a specimen's relief and content to the wave."""
    outline = specimen.outline
    # Narrow ones are sampled twice as densely, or their margins would look stepped.
    scale = 2.0 if outline.width < 48 and outline.length < 1600 and abs(specimen.spread) < 40 else 1.0
    grid = grid_around(outline.polygon(), scale)
    needle = specimen.family == "needle"
    silica_rng = rng if specimen.kin is None else np.random.Generator(np.random.PCG64(specimen.kin))
    relief = draw_relief(silica_rng, needle)
    strength = specimen.strength * options.contrast * _relief_scale(options, needle)
    phase, walls = _frustule_maps(silica_rng, specimen, grid, options.pixel_size_um, relief)
    phase = phase * np.float32(strength)
    absorption = None
    if specimen.living:
        granule = float(np.clip(0.35 / options.pixel_size_um, 1.2, 5.0))
        if specimen.plastids is None:
            content, absorption = content_maps(rng, outline, grid, granule)
            full = rng.uniform(0.15, 1.0) * (0.7 if needle else 1.0)
        else:
            content, absorption = plastid_maps(rng, outline, grid, granule, specimen.plastids)
            full = rng.uniform(0.4, 1.0)
        phase += np.float32(full * math.sqrt(options.contrast)) * content
        if options.modality == "fluorescence":
            glow = PhasePatch(np.float32(full) * absorption, scale=scale)
            field.add_glow(glow, specimen.x, specimen.y, specimen.angle, specimen.spread)
        absorption = absorption * np.float32(full * rng.uniform(0.2, 1.0))
    patch = PhasePatch(phase, absorption, BROWN, scale=scale)
    if walls is not None:
        # Thick walls are dark in themselves, whatever the cell holds.
        patch = PhasePatch(phase, walls * np.float32(min(1.5, options.contrast)), CLEAR, scale=scale)
    field.add(patch, specimen.x, specimen.y, specimen.angle, specimen.spread)


def _frustule_maps(
    rng: np.random.Generator, specimen: LaidSpecimen, grid: Grid, pixel_size_um: float, relief: Relief
) -> tuple[FloatMap, FloatMap | None]:
    """Phase of a specimen's silica, and what its walls absorb, if anything."""
    outline, family = specimen.outline, specimen.family
    if specimen.look == "pitted":
        return pitted_mantle_phase(rng, outline, grid, pixel_size_um, relief), None
    if specimen.status == "girdle":
        phase = girdle_phase(rng, outline, grid, pixel_size_um, relief)
        if specimen.look == "costate":
            phase = phase + costate_girdle(rng, outline, grid, relief)
        return phase, None
    if family == "diploneioid":
        return thick_wall_maps(rng, outline, grid, pixel_size_um, relief)
    if family == "three-armed":
        return armed_phase(rng, outline, grid, pixel_size_um, relief), None
    return valve_phase(rng, family, outline, grid, pixel_size_um, relief), None


def _relief_scale(options: FieldOptions, needle: bool) -> float:
    """Phase of a valve differs with its mounting: weak in water, strong in resin."""
    if options.modality == "phase-contrast":
        return 0.6
    scale = 1.5 if options.modality == "bright-field" else 1.0
    return scale * (1.5 if needle else 1.0)


def draw_spread(rng: np.random.Generator, options: FieldOptions, width_px: float) -> float:
    """Defocus of a specimen: mostly slight, now and then far out."""
    if rng.random() < 0.3:
        return 0.0
    far = 1.0 + 5.0 * float(rng.random() < 0.08)
    reach = min(40.0, 0.3 * width_px + 3) * options.defocus * far
    return float(rng.normal(0, 1) * reach)
