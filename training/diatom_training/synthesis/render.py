"""Render one synthetic field with its truth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diatom_training.synthesis.camera import exposed, recorded
from diatom_training.synthesis.crusts import lay_dark_grains, scatter_crusts
from diatom_training.synthesis.debris import scatter_debris
from diatom_training.synthesis.eyepiece import draw_field_stop, through_eyepiece
from diatom_training.synthesis.options import DARK, FieldOptions
from diatom_training.synthesis.scene import draw_scene
from diatom_training.synthesis.specimens import LaidSpecimen, lay_specimen
from diatom_training.synthesis.truth import gather_truth
from diatom_training.synthesis.wave_optics import Microscope, WaveField, image_intensity
from napari_diatom.core.detections import Detections


@dataclass(frozen=True, eq=False)
class RenderedField:
    """A rendered field.

    Attributes
    ----------
    image
        (height, width) or (height, width, 3), uint8 or uint16; RGB.
    truth
        Every visible specimen with box, mask, class, status and cut flag.
    options, seed
        What rendered it.
    """

    image: NDArray[np.uint8] | NDArray[np.uint16]
    truth: Detections
    options: FieldOptions
    seed: int


def render_field(options: FieldOptions, seed: int, scene: list[LaidSpecimen] | None = None) -> RenderedField:
    """Render a field; the same options and seed give the same bytes.

    Parameters
    ----------
    options
        What the field shows.
    seed
        Any integer of 0 or more.
    scene
        The specimens and where they lie, in place of those that would be drawn.

    Returns
    -------
    RenderedField
    """
    # One stream of chance per subject: debris drawn longer must not move the specimens.
    streams = np.random.SeedSequence(seed).spawn(7)
    scene_rng, relief_rng, debris_rng, optics_rng, camera_rng, crust_rng, eyepiece_rng = (
        np.random.Generator(np.random.PCG64(s)) for s in streams
    )
    stop = draw_field_stop(eyepiece_rng, options.height, options.width) if options.view == "eyepiece" else None
    if scene is None:
        scene = draw_scene(scene_rng, options, stop)
    field = WaveField(options.height, options.width, 3 if options.colour else 1)
    for specimen in scene:
        lay_specimen(relief_rng, field, specimen, options)
    scatter_debris(
        debris_rng,
        field,
        amount=options.debris,
        defocus=options.defocus,
        pixel_size_um=options.pixel_size_um,
        strength=math.sqrt(options.contrast),
    )
    if options.crusts > 0:
        scatter_crusts(
            crust_rng,
            field,
            amount=options.crusts,
            defocus=options.defocus,
            strength=math.sqrt(options.contrast),
        )
    if options.under_grains > 0:
        lay_dark_grains(crust_rng, field, scene, options.under_grains)
    intensity = image_intensity(field.wave(), _draw_microscope(optics_rng, options), field.glow)
    image = exposed(camera_rng, intensity, options)
    if stop is not None:
        image = through_eyepiece(eyepiece_rng, image, stop)
    truth = gather_truth(scene, image.mean(axis=-1), options.noise, options.classes, stop, options.modality in DARK)
    return RenderedField(recorded(camera_rng, image, options), truth, options, seed)


def _draw_microscope(rng: np.random.Generator, options: FieldOptions) -> Microscope:
    """Draw the light path's settings."""
    halo_um = rng.uniform(0.35, 1.1)
    return Microscope(
        modality=options.modality,
        blur_px=options.blur_px,
        halo_px=float(np.clip(halo_um / options.pixel_size_um, 3.0, 28.0)),
        ring_transmission=float(rng.uniform(0.65, 1.1)),
        shear_px=float(rng.uniform(0.8, 2.2)),
        shear_angle=float(rng.uniform(0, 2 * math.pi)),
        bias=float(rng.uniform(0.3, 0.9)),
    )
