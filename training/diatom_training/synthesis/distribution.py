"""The training distribution: how descriptions of fields are drawn."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from diatom_training.synthesis.options import FieldOptions, Modality
from diatom_training.synthesis.subjects import SUBJECTS, with_subject
from napari_diatom.core.errors import InputError

CLASSIC_SHARE = 0.6
"""Share of fields without a subject."""

WEIGHTS = {
    # Most of the mistakes on living needles are of this kind.
    "living-chain": 4.0,
    "dark-field": 2.0,
    "fluorescence": 2.0,
    "eyepiece": 2.0,
    "video": 1.5,
    "crusts": 1.5,
    "blurred-diploneis": 0.5,
}
"""How often the subjects are drawn, relative to each other; 1 where not named."""

_CLASSIC_LIGHTS: tuple[Modality, ...] = ("bright-field", "dic", "phase-contrast")

# Empty backgrounds of phase-contrast photographs: slate, blue-grey, greenish, brownish.
_PHASE_BACKGROUNDS = (
    (0.37, 0.39, 0.44),
    (0.30, 0.33, 0.36),
    (0.40, 0.44, 0.52),
    (0.33, 0.38, 0.39),
    (0.41, 0.41, 0.39),
    (0.27, 0.27, 0.32),
    (0.36, 0.37, 0.50),
)
_BRIGHT_BACKGROUNDS = (
    (0.80, 0.76, 0.78),
    (0.78, 0.78, 0.78),
    (0.86, 0.85, 0.80),
    (0.70, 0.75, 0.80),
    (0.88, 0.84, 0.72),
    (0.66, 0.64, 0.62),
    (0.75, 0.80, 0.74),
)


def draw_options(
    rng: np.random.Generator,
    height: int = 640,
    width: int = 640,
    *,
    needle_weight: float = 0.33,
    modality: Modality | None = None,
    subject: str | None = None,
) -> FieldOptions:
    """Draw a plausible field description: the training distribution.

    Most fields, :data:`CLASSIC_SHARE` of them, show the classic families in bright field, DIC or phase contrast. The
    others are first drawn like them and then turned to one of :data:`SUBJECTS`, each as often as :data:`WEIGHTS` says.

    Parameters
    ----------
    rng
        Source of chance; two generators in the same state draw the same description.
    height, width
        Size of the field in pixels.
    needle_weight
        Share, 0 to 1, of fields that are phase contrast full of needles and needle chains.
    modality
        Fixes the modality; None draws it.
    subject
        Turns the field to one of :data:`SUBJECTS`, or to none by ``"classic"``; None draws it.

    Returns
    -------
    FieldOptions
        A valid description.

    Raises
    ------
    InputError
        When there is no such subject; the message lists them.
    """
    if subject is not None and subject not in ("classic", *SUBJECTS):
        raise InputError(f"There is no subject {subject!r}. Subjects: classic, {', '.join(SUBJECTS)}.")
    if subject is None:
        subject = "classic"
        if rng.random() >= CLASSIC_SHARE:
            weights = np.array([WEIGHTS.get(name, 1.0) for name in SUBJECTS])
            subject = SUBJECTS[int(rng.choice(len(SUBJECTS), p=weights / weights.sum()))]
    if subject == "living-chain":
        # These are mostly seen in phase contrast, among the debris of plankton.
        needle_weight = 0.75
    options = _classic(rng, height, width, needle_weight, modality)
    if subject == "classic":
        return options
    turned = with_subject(rng, options, subject)
    return turned if modality is None else replace(turned, modality=modality, background=options.background)


def _classic(
    rng: np.random.Generator, height: int, width: int, needle_weight: float, modality: Modality | None
) -> FieldOptions:
    """Draw a description of the classic families and lights."""
    needles = bool(rng.random() < needle_weight)
    drawn: Modality
    drawn = "phase-contrast" if needles else _CLASSIC_LIGHTS[int(rng.choice(3, p=(0.50, 0.28, 0.22)))]
    if modality is not None:
        drawn = modality
    colour = bool(rng.random() < {"bright-field": 0.7, "dic": 0.3, "phase-contrast": 0.8}[drawn])
    # The longest specimens may exceed the frame; the field's size sets what "long" means.
    extent = float(max(height, width))
    if needles:
        lengths = (max(16.0, 0.12 * extent), max(30.0, 1.4 * extent))
    else:
        shortest = float(rng.choice((26.0, 40.0, 70.0)))
        lengths = (shortest, max(shortest, float(rng.uniform(0.25, 1.1)) * extent))
    crowd = float(rng.random())
    area_ratio = height * width / 640**2
    # Lengths grow with the field: a larger one shows the same stretch of slide, not more specimens.
    most = int(np.clip((8 if needles else 16) * crowd * min(area_ratio, 1.6) + 1, 1, 100))
    if not needles and rng.random() < 0.08:
        most = int(np.clip(40 * area_ratio, 1, 100))
        lengths = (lengths[0], max(lengths[0], min(lengths[1], 0.25 * extent)))
    fewest = 0 if rng.random() < 0.06 else min(1, most)
    if rng.random() < 0.04:
        most = 0
        fewest = 0
    bit_depth = 16 if rng.random() < 0.1 else 8
    quality = int(rng.integers(55, 97)) if bit_depth == 8 and rng.random() < 0.5 else None
    return FieldOptions(
        height=height,
        width=width,
        pixel_size_um=float(np.exp(rng.uniform(math.log(0.06), math.log(0.4)))),
        modality=drawn,
        specimens=(fewest, most),
        length_px=lengths,
        debris=float(rng.beta(2.2, 1.3)) if needles else float(rng.beta(1.2, 1.6)),
        needle_share=float(rng.uniform(0.8, 1.0)) if needles else float(rng.uniform(0.02, 0.3)),
        chain_share=float(rng.uniform(0.2, 0.8)) if needles else float(rng.uniform(0.0, 0.2)),
        living_share=float(rng.uniform(0.4, 1.0)) if needles else float(rng.beta(0.7, 1.8)),
        colour=colour,
        bit_depth=bit_depth,
        jpeg_quality=quality,
        contrast=float(np.clip(rng.lognormal(-0.1, 0.4), 0.25, 2.5)),
        defocus=float(rng.beta(1.8, 1.8)) if needles else float(rng.beta(1.2, 2.2)),
        blur_px=float(rng.uniform(0.6, 1.9)),
        noise=float(np.exp(rng.uniform(math.log(0.002), math.log(0.03)))),
        background=_draw_background(rng, drawn, colour),
        uneven_light=float(rng.beta(1.3, 2.0)),
        scale_bar=bool(rng.random() < 0.12),
        caption=bool(rng.random() < 0.06),
    )


def _draw_background(rng: np.random.Generator, modality: Modality, colour: bool) -> tuple[float, float, float]:
    """Draw the colour of the empty slide."""
    if modality == "phase-contrast":
        base = np.array(_PHASE_BACKGROUNDS[int(rng.integers(len(_PHASE_BACKGROUNDS)))])
        base = base * rng.uniform(0.65, 1.25)
    elif modality == "dic":
        base = np.full(3, rng.uniform(0.35, 0.65))
        base = base * (1 + 0.06 * rng.standard_normal(3))
    else:
        base = np.array(_BRIGHT_BACKGROUNDS[int(rng.integers(len(_BRIGHT_BACKGROUNDS)))])
        base = base * rng.uniform(0.75, 1.08)
    base = base * (1 + 0.025 * rng.standard_normal(3)) if colour else np.full(3, base.mean())
    red, green, blue = np.clip(base, 0.1, 0.95)
    return float(red), float(green), float(blue)
