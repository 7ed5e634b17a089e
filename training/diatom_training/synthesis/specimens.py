"""One specimen: its outline, its state, and the patches that make it visible."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from diatom_training.synthesis.noise_maps import Points
from diatom_training.synthesis.options import FieldOptions
from diatom_training.synthesis.ornament import content_maps, draw_relief, girdle_phase, valve_phase
from diatom_training.synthesis.outlines import (
    Outline,
    broken,
    deformed,
    draw_girdle_outline,
    draw_valve_outline,
    draw_width,
)
from diatom_training.synthesis.patches import BROWN, Patch, grid_around
from diatom_training.synthesis.wave_optics import WaveField


@dataclass(frozen=True)
class Specimen:
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


def draw_specimen(rng: np.random.Generator, family: str, length_px: float, options: FieldOptions) -> Specimen:
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
            outline = Outline(outline.x, -outline.bottom, -outline.top)
        if chance > 0.97:
            outline, status = deformed(rng, outline), "teratological"
        elif chance > 0.91 and not living:
            kept = float(rng.uniform(0.62, 0.9))
            outline, status = broken(rng, outline, kept), "broken"
    spread = _draw_spread(rng, options, outline.width)
    if abs(spread) > 0.35 * outline.width**1.3 + 15:
        status = "unidentified"
    return Specimen(
        family=family,
        status=status,
        outline=outline,
        x=0.0,
        y=0.0,
        angle=float(rng.uniform(-math.pi, math.pi)),
        spread=spread,
        living=living,
        strength=strength,
    )


def lay_specimen(rng: np.random.Generator, field: WaveField, specimen: Specimen, options: FieldOptions) -> None:
    """Add a specimen's relief and content to the wave."""
    outline = specimen.outline
    # Narrow ones are sampled twice as densely, or their margins would look stepped.
    scale = 2.0 if outline.width < 48 and outline.length < 1600 and abs(specimen.spread) < 40 else 1.0
    grid = grid_around(outline.polygon(), scale)
    needle = specimen.family == "needle"
    relief = draw_relief(rng, needle)
    strength = specimen.strength * options.contrast * _relief_scale(options, needle)
    if specimen.status == "girdle":
        phase = girdle_phase(rng, outline, grid, options.pixel_size_um, relief)
    else:
        phase = valve_phase(rng, specimen.family, outline, grid, options.pixel_size_um, relief)
    phase = phase * np.float32(strength)
    absorption = None
    if specimen.living:
        granule = float(np.clip(0.35 / options.pixel_size_um, 1.2, 5.0))
        content, absorption = content_maps(rng, outline, grid, granule)
        full = rng.uniform(0.15, 1.0) * (0.7 if needle else 1.0)
        phase += np.float32(full * math.sqrt(options.contrast)) * content
        absorption = absorption * np.float32(full * rng.uniform(0.2, 1.0))
    patch = Patch(phase, absorption, BROWN, scale=scale)
    field.add(patch, specimen.x, specimen.y, specimen.angle, specimen.spread)


def _relief_scale(options: FieldOptions, needle: bool) -> float:
    """Phase of a valve differs with its mounting: weak in water, strong in resin."""
    if options.modality == "phase-contrast":
        return 0.6
    scale = 1.5 if options.modality == "bright-field" else 1.0
    return scale * (1.5 if needle else 1.0)


def _draw_spread(rng: np.random.Generator, options: FieldOptions, width_px: float) -> float:
    """Defocus of a specimen: mostly slight, now and then far out."""
    if rng.random() < 0.3:
        return 0.0
    far = 1.0 + 5.0 * float(rng.random() < 0.08)
    reach = min(40.0, 0.3 * width_px + 3) * options.defocus * far
    return float(rng.normal(0, 1) * reach)
