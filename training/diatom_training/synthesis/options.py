"""What a synthetic field shows, and how such descriptions are drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from napari_diatom.core.errors import InputError

Modality = Literal["bright-field", "dic", "phase-contrast"]
MODALITIES: tuple[Modality, ...] = get_args(Modality)

_FRACTIONS = ("debris", "needle_share", "chain_share", "defocus", "uneven_light", "living_share")


@dataclass(frozen=True)
class FieldOptions:
    """Description of one synthetic field.

    Parameters
    ----------
    height, width
        Size of the image in pixels, at least 32.
    pixel_size_um
        Width of a pixel in the specimen, 0.02 to 2 µm; sets the spacing of the ornament.
    modality
        The kind of light microscopy.
    specimens
        Smallest and largest number of specimens to place, each 0 to 400.
    length_px
        Range of apical lengths in pixels; lengths are log-uniform inside it.
    debris
        Amount of debris, 0 (clean slide) to 1 (crowded).
    needle_share, chain_share
        Share of placed groups that are needles, and share of groups that form chains.
    living_share
        Share of specimens with cell content.
    colour
        RGB image instead of a grey one.
    bit_depth
        8 or 16.
    jpeg_quality
        Quality of a JPEG round trip, 5 to 100, or None; only for 8 bit images.
    contrast
        Strength of the specimens' relief; 1 is a good preparation, 0.2 hardly visible.
    defocus
        Spread of focus over the specimens and debris, 0 to 1.
    blur_px
        Standard deviation of the point spread function in pixels, 0 to 6.
    noise
        Standard deviation of the sensor noise as a share of full scale, 0 to 0.2.
    background
        Red, green and blue of the empty background, each 0.02 to 1.
    uneven_light
        Strength of vignetting and slanted illumination, 0 to 1.
    scale_bar, caption
        Whether a scale bar or a line of text is burned in.

    Raises
    ------
    InputError
        When a value is out of its range; the message names every such value.
    """

    height: int = 640
    width: int = 640
    pixel_size_um: float = 0.1
    modality: Modality = "bright-field"
    specimens: tuple[int, int] = (1, 12)
    length_px: tuple[float, float] = (30.0, 700.0)
    debris: float = 0.4
    needle_share: float = 0.15
    chain_share: float = 0.1
    living_share: float = 0.2
    colour: bool = True
    bit_depth: int = 8
    jpeg_quality: int | None = None
    contrast: float = 1.0
    defocus: float = 0.2
    blur_px: float = 1.0
    noise: float = 0.01
    background: tuple[float, float, float] = (0.78, 0.76, 0.77)
    uneven_light: float = 0.3
    scale_bar: bool = False
    caption: bool = False

    def __post_init__(self) -> None:
        """Report every value that is out of range at once."""
        problems = _range_problems(self)
        if self.modality not in MODALITIES:
            problems.append(f"modality is {self.modality!r}, not one of {', '.join(MODALITIES)}")
        if self.bit_depth not in (8, 16):
            problems.append(f"bit_depth is {self.bit_depth}, not 8 or 16")
        if self.jpeg_quality is not None:
            if not 5 <= self.jpeg_quality <= 100:
                problems.append(f"jpeg_quality is {self.jpeg_quality}, not within 5..100")
            if self.bit_depth == 16:
                problems.append("jpeg_quality is set for a 16 bit image; JPEG holds 8 bit only")
        if problems:
            raise InputError("field options: " + "; ".join(problems))


def _range_problems(options: FieldOptions) -> list[str]:
    """Messages about the numbers of ``options`` that are out of range."""
    problems: list[str] = []

    def check(name: str, value: float, low: float, high: float) -> None:
        if not (math.isfinite(value) and low <= value <= high):
            problems.append(f"{name} is {value}, not within {low:g}..{high:g}")

    check("height", options.height, 32, 20000)
    check("width", options.width, 32, 20000)
    check("pixel_size_um", options.pixel_size_um, 0.02, 2.0)
    check("contrast", options.contrast, 0.02, 5.0)
    check("blur_px", options.blur_px, 0.0, 6.0)
    check("noise", options.noise, 0.0, 0.2)
    for name in _FRACTIONS:
        check(name, getattr(options, name), 0.0, 1.0)
    for value in options.background:
        check("background", value, 0.02, 1.0)
    if len(options.background) != 3:
        problems.append(f"background has {len(options.background)} values, not 3")
    fewest, most = options.specimens
    if not 0 <= fewest <= most <= 400:
        problems.append(f"specimens is {options.specimens}, not a range within 0..400")
    shortest, longest = options.length_px
    if not (math.isfinite(longest) and 16 <= shortest <= longest):
        problems.append(f"length_px is {options.length_px}, not a range from 16 px upwards")
    return problems


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
) -> FieldOptions:
    """Draw a plausible field description: the training distribution.

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

    Returns
    -------
    FieldOptions
        A valid description.
    """
    needles = bool(rng.random() < needle_weight)
    drawn: Modality
    drawn = "phase-contrast" if needles else MODALITIES[int(rng.choice(3, p=(0.50, 0.28, 0.22)))]
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
