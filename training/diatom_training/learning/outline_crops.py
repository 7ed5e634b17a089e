"""The specimens that a network of outlines learns from, in the frames of boxes that are off as detectors' are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from diatom_training.data.crops import read_pixels
from diatom_training.data.examples import Example
from diatom_training.learning.augment import recoloured
from diatom_training.learning.augment_options import AugmentOptions
from diatom_training.learning.classifier_crops import SlideSpecimen, mirrored_view, specimens_of
from diatom_training.learning.options import ALL, LearningOptions
from diatom_training.learning.whole_pass import shuffled
from napari_diatom.core import geometry
from napari_diatom.core.box_frame import HEIGHT, WIDTH, BoxFrame
from napari_diatom.core.cropped_masks import draw_polygon
from napari_diatom.core.errors import InputError
from napari_diatom.images.framed_cutouts import framed_cutout
from napari_diatom.images.slide_image import from_array

SHORTEST: Final = 12.0
"""Length in pixels below which a specimen is not shown: what the image's edge leaves of it has no outline to learn."""
_VALIDATION_SEED: Final = 0
_IN_DETECTED_BOXES: Final = AugmentOptions(flip_horizontal=0.0, flip_vertical=0.0, quarter_turns=0.0)
"""How specimens are shown that a model is validated on, but for their colours."""


@dataclass(frozen=True)
class BoxErrors:
    """By how much detectors' boxes are off, as standard deviations.

    Attributes
    ----------
    along, across : float
        Shift of the centre, in lengths and in widths.
    length, width : float
        Of the logarithm of the sides.
    turn : float
        Of the angle, in radians times length / width: a needle's is known better than a short valve's.
    wild_share, wild : float
        How often all of them are larger, and how many times.
    """

    along: float = 0.03
    across: float = 0.07
    length: float = 0.06
    width: float = 0.14
    turn: float = 0.2
    wild_share: float = 0.15
    wild: float = 2.2

    def upright(self) -> BoxErrors:
        """Return the errors of boxes whose angle is not estimated."""
        return replace(self, turn=0.0)

    def times(self, factor: float) -> BoxErrors:
        """Return errors that are larger or smaller, and wild ones as often."""
        sizes = ("along", "across", "length", "width", "turn")
        return replace(self, **{name: factor * getattr(self, name) for name in sizes})


@dataclass(frozen=True, eq=False)
class FramedSpecimen:
    """What the network sees of a specimen, and what it is to answer.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (HEIGHT, WIDTH, 3)
        RGB.
    mask : ndarray of uint8, shape (HEIGHT, WIDTH)
        1 inside the specimen.
    inside : ndarray of bool, shape (HEIGHT, WIDTH)
        What lies in the image; of the rest nothing is asked.
    """

    pixels: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    inside: NDArray[np.bool_]


class FramedSpecimens(Dataset[FramedSpecimen]):
    """SlideSpecimen ``i`` of an epoch, its box and colours depend on the seed, the epoch and ``i`` alone.

    With ``options.crops`` of ``"all"`` an epoch shows each specimen once.

    For validation (``epoch`` is None) they are always the same ones, as they are, in boxes that are off as detectors'
    usually are: each specimen once, or ``options.validation_crops`` of them where there are more.
    """

    def __init__(self, examples: Sequence[Example], options: LearningOptions, epoch: int | None) -> None:
        self.options = options
        self.epoch = epoch
        self.specimens = [specimen for specimen in specimens_of(examples) if specimen.box[2] >= SHORTEST]
        if not self.specimens:
            what = "train" if epoch is not None else "validate"
            raise InputError(
                f"No specimen to {what} on is {SHORTEST:.0f} or more pixels long, so there is no outline to learn: "
                "take images of a higher resolution."
            )
        # Of an image with four times as many specimens twice as many are drawn: crowded ones outweigh no others.
        shown = {id(specimen.example): 0 for specimen in self.specimens}
        for specimen in self.specimens:
            shown[id(specimen.example)] += 1
        weights = np.array(
            [specimen.example.weight / math.sqrt(shown[id(specimen.example)]) for specimen in self.specimens]
        )
        self.chances = weights / weights.sum()
        order = np.random.default_rng(_VALIDATION_SEED).permutation(len(self.specimens))
        self.validated = np.sort(order[: options.validation_crops])
        self.order = shuffled(weights.tolist(), options, epoch or 0)

    def __len__(self) -> int:
        if self.epoch is None:
            return len(self.validated)
        return self.options.crops if self.options.crops != ALL else len(self.order)

    def __getitem__(self, index: int) -> FramedSpecimen:
        if self.epoch is None:
            rng = np.random.default_rng((_VALIDATION_SEED, index))
            return framed(self.specimens[self.validated[index]], rng, _IN_DETECTED_BOXES)
        rng = np.random.default_rng((self.options.seed, self.epoch, index))
        all_once = self.options.crops == ALL
        chosen = self.order[index] if all_once else rng.choice(len(self.specimens), p=self.chances)
        return varied_frame(self.specimens[chosen], rng, self.options.augment)


def varied_frame(specimen: SlideSpecimen, rng: np.random.Generator, options: AugmentOptions) -> FramedSpecimen:
    """Return a specimen in the frame of a box, varied as the options say."""
    chosen = framed(specimen, rng, options)
    return replace(chosen, pixels=recoloured(chosen.pixels, rng, options))


def framed(specimen: SlideSpecimen, rng: np.random.Generator, options: AugmentOptions) -> FramedSpecimen:
    """Return a specimen in its own colours in the frame of a box, which the options turn, flip and make inexact."""
    pixels = read_pixels(specimen.example)
    height, width = pixels.shape[:2]
    upright = bool(rng.random() < options.upright_boxes)
    own = upright_box(specimen.outline) if upright else specimen.box
    errors = BoxErrors().times(options.box_errors)
    frame = BoxFrame.of(detected_box(own, rng, errors.upright() if upright else errors), mirrored_view(rng, options))
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    draw_polygon(mask, frame.to_picture(specimen.outline) - 0.5)
    picture = framed_cutout(from_array(pixels, specimen.example.image.name), frame)
    return FramedSpecimen(picture, mask, frame.inside(height, width))


def upright_box(outline: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the upright box, shape (5,), canonical, of an outline."""
    low, high = outline.min(axis=0), outline.max(axis=0)
    return np.asarray(geometry.canonical([[*((low + high) / 2), *np.maximum(high - low, 1.0), 0.0]])[0])


def detected_box(box: NDArray[np.float64], rng: np.random.Generator, errors: BoxErrors) -> NDArray[np.float64]:
    """Return a box, shape (5,), canonical, that is off as a detector's may be."""
    cx, cy, length, width, angle = box.tolist()
    size = errors.wild if rng.random() < errors.wild_share else 1.0
    along, across, longer, wider, turn = (size * rng.standard_normal(5)).tolist()
    dx, dy = errors.along * along * length, errors.across * across * width
    cos, sin = math.cos(angle), math.sin(angle)
    return np.asarray(
        geometry.canonical(
            [
                [
                    cx + cos * dx - sin * dy,
                    cy + sin * dx + cos * dy,
                    length * math.exp(errors.length * longer),
                    width * math.exp(errors.width * wider),
                    angle + errors.turn * turn * width / length,
                ]
            ]
        )[0]
    )


def outline_batch(specimens: Sequence[FramedSpecimen]) -> dict[str, Any]:
    """Collate specimens: ``images`` of bytes (B, 3, H, W), ``masks`` and ``inside`` of floats (B, H, W)."""
    images = np.stack([specimen.pixels for specimen in specimens]).transpose(0, 3, 1, 2)
    masks = np.stack([specimen.mask for specimen in specimens])
    inside = np.stack([specimen.inside for specimen in specimens])
    return {
        "images": torch.from_numpy(np.ascontiguousarray(images)),
        "masks": torch.from_numpy(masks).float(),
        "inside": torch.from_numpy(inside).float(),
    }
