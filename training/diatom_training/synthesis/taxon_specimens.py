"""Taxa that do not exist: an outline and an ornament, and specimens of them over the size series, light and focus.

What a taxon looks like comes from its seed alone; what differs between its specimens is what differs between valves of
one species on real slides: size, the width that goes with it, the density of striae a little, focus, tilt, the side
that is up, the light of the slide, and dirt.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from diatom_training.synthesis.distribution import draw_options
from diatom_training.synthesis.families import FAMILIES, draw_valve_outline, draw_width
from diatom_training.synthesis.options import FieldOptions, Modality
from diatom_training.synthesis.outlines import Outline
from diatom_training.synthesis.render import render_field
from diatom_training.synthesis.specimens import LaidSpecimen, defocused, draw_spread
from napari_diatom.core.cropped_masks import CroppedMask
from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import InputError
from napari_diatom.images.slide_image import SlideImage, from_array

PIXEL_SIZE_UM: Final = 0.125
"""Of the slides that taxa are shown on."""
_LONGEST_UM: Final = (18.0, 80.0)
"""Range of the length of a taxon's largest valves."""
_SHORTEST_SHARE: Final = (0.35, 0.6)
"""Range of the length of its smallest valves as a share of that: the cells shrink with every division."""
_ALLOMETRY: Final = (0.2, 0.6)
"""Range of the power of the length that the width follows: the smaller a valve, the rounder."""
_WIDTH_SD, _STRIAE_SD = 0.04, 0.03
_TILT_SD: Final = math.radians(10)
_TURN: Final = 0.4
"""Most radians that a valve lies off the horizontal: the larger the angle, the larger the field to be rendered."""
_ROOM: Final = 0.25
"""Of the field round a valve, as a share of its length, ..."""
_ROOM_PX: Final = 16
"""... and in pixels."""
_TRIES: Final = 6


@dataclass(frozen=True)
class Taxon:
    """A taxon.

    Attributes
    ----------
    name : str
        Family and seed.
    family : str
        One of :data:`~diatom_training.synthesis.families.FAMILIES`.
    seed : int
        Of the outline and the ornament.
    length_um : tuple of float
        Of its smallest and its largest valves.
    width_um : float
        Of the largest.
    allometry : float
        Power of the length that the width follows.
    """

    name: str
    family: str
    seed: int
    length_um: tuple[float, float]
    width_um: float
    allometry: float


@dataclass(frozen=True, eq=False)
class TaxonSpecimen:
    """A specimen of a taxon on a field of its own.

    Attributes
    ----------
    taxon : Taxon
        What it is.
    slide : int
        Which of the slides it lies on.
    image : SlideImage
        The field, with its pixel size.
    truth : Detections
        The one specimen, with its mask.
    """

    taxon: Taxon
    slide: int
    image: SlideImage
    truth: Detections


def draw_taxon(seed: int) -> Taxon:
    """Draw a taxon; the same seed gives the same."""
    rng = np.random.default_rng((seed, 0))
    family = FAMILIES[int(rng.integers(len(FAMILIES)))]
    longest = math.exp(rng.uniform(*np.log(_LONGEST_UM)))
    width = draw_width(rng, family, longest / PIXEL_SIZE_UM) * PIXEL_SIZE_UM
    shortest = longest * float(rng.uniform(*_SHORTEST_SHARE))
    # Round valves stay round.
    allometry = 1.0 if family in ("centric", "three-armed") else float(rng.uniform(*_ALLOMETRY))
    return Taxon(f"{family}-{seed}", family, seed, (shortest, longest), width, allometry)


def draw_slides(seed: int, count: int, modality: Modality | None = None) -> list[FieldOptions]:
    """Draw the light and the dirt of the slides of one study, which share their kind of microscopy.

    Parameters
    ----------
    seed : int
        What they are drawn from.
    count : int
        How many.
    modality : str, optional
        Bright field, DIC or phase contrast; drawn by default.
    """
    rng = np.random.default_rng((seed, 1))
    kinds: tuple[Modality, ...] = ("bright-field", "dic", "phase-contrast")
    drawn = modality or kinds[int(rng.choice(3, p=(0.5, 0.3, 0.2)))]
    slides = (draw_options(rng, needle_weight=0.0, modality=drawn, subject="classic") for _ in range(count))
    return [
        replace(
            slide,
            pixel_size_um=PIXEL_SIZE_UM,
            debris=0.5 * slide.debris,
            living_share=0.0,
            scale_bar=False,
            caption=False,
            bit_depth=8,
        )
        for slide in slides
    ]


def render_specimen(taxon: Taxon, slides: list[FieldOptions], seed: int) -> TaxonSpecimen:
    """Render a specimen of a taxon on one of the slides; the same seed gives the same bytes.

    Raises
    ------
    InputError
        When the light of the slides is such that no specimen can be seen.
    """
    for attempt in range(_TRIES):
        rng = np.random.default_rng((seed, taxon.seed, attempt))
        slide = int(rng.integers(len(slides)))
        laid, options = _laid(rng, taxon, slides[slide], 1.5**attempt)
        field = render_field(options, int(rng.integers(2**31)), [laid])
        if len(field.truth) != 1 or field.truth.masks is None:
            continue
        pixels, truth = field.image, field.truth
        if rng.random() < 0.5:
            # A valve that lies face down.
            pixels, truth = pixels[::-1].copy(), _mirrored(truth, options.height)
        return TaxonSpecimen(taxon, slide, from_array(pixels, f"{taxon.name}-{seed}", PIXEL_SIZE_UM), truth)
    raise InputError(f"No specimen of {taxon.name} can be seen on these slides; choose other slides.")


def _laid(
    rng: np.random.Generator, taxon: Taxon, slide: FieldOptions, strength: float
) -> tuple[LaidSpecimen, FieldOptions]:
    """Draw a specimen in the middle of a field, and what that field shows."""
    length_um = math.exp(rng.uniform(*np.log(taxon.length_um)))
    share = (length_um / taxon.length_um[1]) ** taxon.allometry
    width_um = taxon.width_um * share * math.exp(rng.normal(0, _WIDTH_SD)) * math.cos(rng.normal(0, _TILT_SD))
    length = length_um / PIXEL_SIZE_UM
    width = min(length, width_um / PIXEL_SIZE_UM)
    outline = _outline(taxon, length, width)
    angle = float(rng.uniform(-_TURN, _TURN))
    cos, sin = abs(math.cos(angle)), abs(math.sin(angle))
    extent, depth = outline.length, float(outline.top.max() - outline.bottom.min())
    room = _ROOM * extent + _ROOM_PX
    options = replace(
        slide,
        width=math.ceil(extent * cos + depth * sin + 2 * room),
        height=math.ceil(extent * sin + depth * cos + 2 * room),
        pixel_size_um=PIXEL_SIZE_UM * math.exp(rng.normal(0, _STRIAE_SD)),
        families=(taxon.family,),
    )
    specimen = LaidSpecimen(
        family=taxon.family,
        status="valve",
        outline=outline,
        x=0.5 * options.width,
        y=0.5 * options.height,
        angle=angle,
        strength=strength * float(np.clip(rng.lognormal(0, 0.2), 0.5, 2.0)),
        kin=taxon.seed,
    )
    return defocused(specimen, draw_spread(rng, options, width)), options


def _outline(taxon: Taxon, length: float, width: float) -> Outline:
    """Return the taxon's outline at a size in pixels."""
    return draw_valve_outline(np.random.default_rng((taxon.seed, 2)), taxon.family, length, width)


def _mirrored(truth: Detections, height: int) -> Detections:
    """Return specimens in an image turned upside down."""
    boxes = truth.boxes.copy()
    boxes[:, 1] = height - boxes[:, 1]
    boxes[:, 4] = -boxes[:, 4]
    masks = [
        CroppedMask(mask.pixels[::-1].copy(), mask.x0, height - mask.y0 - len(mask.pixels))
        for mask in truth.masks or ()
    ]
    return Detections.of(
        boxes, class_ids=truth.class_ids, classes=truth.classes, masks=masks, cut=truth.cut, status=truth.status
    )
