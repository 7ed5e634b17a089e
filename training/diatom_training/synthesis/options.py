"""What a synthetic field shows, and how such descriptions are drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from diatom_training.synthesis.families import CLASSIC_FAMILIES, FAMILIES
from napari_diatom.core.errors import InputError

Modality = Literal["bright-field", "dic", "phase-contrast", "dark-field", "fluorescence"]
MODALITIES: tuple[Modality, ...] = get_args(Modality)

DARK: tuple[Modality, ...] = ("dark-field", "fluorescence")
"""Modalities that show light on a black background."""

View = Literal["camera", "eyepiece", "video"]
VIEWS: tuple[View, ...] = get_args(View)

Colony = Literal[
    "living-chain",
    "aulacoseira",
    "melosira",
    "fragilaria",
    "asterionella",
    "tabellaria",
    "diatoma",
    "bacillaria",
    "crossed",
]
COLONIES: tuple[Colony, ...] = get_args(Colony)

_FRACTIONS = (
    "debris",
    "needle_share",
    "chain_share",
    "defocus",
    "uneven_light",
    "living_share",
    "colony_share",
    "crusts",
    "under_grains",
)


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
        The kind of light microscopy, one of :data:`MODALITIES`. In dark field and fluorescence specimens are bright
        on a nearly black ``background``; only chloroplasts fluoresce strongly, walls a little.
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
    families
        Names from :data:`FAMILIES` that specimens are drawn from, besides the needles of ``needle_share`` and the
        cells of colonies.
    colonies, colony_share
        Names from :data:`COLONIES`, and the share of placed groups that are one of them.
    crusts
        Amount of textured flocs and mineral crusts, which resemble valves, 0 to 1.
    under_grains
        Share of specimens that lie partly under a dark grain.
    view
        ``camera``; ``eyepiece``, a telephone's view through an eyepiece: a round field, sometimes with a pointer or the
        grid of a counting chamber; ``video``, a still of 480 lines, enlarged. Only for 8 bit images.

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
    families: tuple[str, ...] = CLASSIC_FAMILIES
    colonies: tuple[Colony, ...] = ()
    colony_share: float = 0.0
    crusts: float = 0.0
    under_grains: float = 0.0
    view: View = "camera"

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the truth's classes: the classic families, then the others that the field may show."""
        return CLASSIC_FAMILIES + tuple(f for f in FAMILIES if f in self.families and f not in CLASSIC_FAMILIES)

    def __post_init__(self) -> None:
        """Report every value that is out of range at once."""
        problems = _range_problems(self)
        if self.modality not in MODALITIES:
            problems.append(f"modality is {self.modality!r}, not one of {', '.join(MODALITIES)}")
        problems += _name_problems(self)
        if self.bit_depth not in (8, 16):
            problems.append(f"bit_depth is {self.bit_depth}, not 8 or 16")
        if self.jpeg_quality is not None:
            if not 5 <= self.jpeg_quality <= 100:
                problems.append(f"jpeg_quality is {self.jpeg_quality}, not within 5..100")
            if self.bit_depth == 16:
                problems.append("jpeg_quality is set for a 16 bit image; JPEG holds 8 bit only")
        if problems:
            raise InputError("field options: " + "; ".join(problems))


def _name_problems(options: FieldOptions) -> list[str]:
    """Messages about names in ``options`` that are not known, and about what needs them."""
    problems: list[str] = []
    if options.view not in VIEWS:
        problems.append(f"view is {options.view!r}, not one of {', '.join(VIEWS)}")
    if options.view != "camera" and options.bit_depth == 16:
        problems.append(f"view is {options.view!r} for a 16 bit image; only those of the camera have 16 bit")
    for name, known in (("families", FAMILIES), ("colonies", COLONIES)):
        strange = [value for value in getattr(options, name) if value not in known]
        if strange:
            problems.append(f"{name} holds {', '.join(map(repr, strange))}, not only names of {', '.join(known)}")
    if not options.families:
        problems.append("families is empty")
    if options.colony_share > 0 and not options.colonies:
        problems.append(f"colony_share is {options.colony_share}, but colonies is empty")
    return problems


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
