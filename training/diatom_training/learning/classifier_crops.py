"""The specimens that a classifier learns from, cut out of their slides as it will be given them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from diatom_training.data.crop_geometry import flips_and_turn
from diatom_training.data.crops import ROUNDISH, read_pixels
from diatom_training.data.examples import Example, Outline, box_along_axis
from diatom_training.learning.augment import recoloured
from diatom_training.learning.augment_options import AugmentOptions
from diatom_training.learning.options import ALL, LearningOptions
from diatom_training.learning.whole_pass import shuffled
from napari_diatom.core import geometry
from napari_diatom.engines.classifier_net import side_of
from napari_diatom.images.slide_image import from_array
from napari_diatom.images.specimen_crops import Cutout, View, upright_cutout

_VALIDATION_SEED: Final = 0


@dataclass(frozen=True, eq=False)
class SlideSpecimen:
    """A specimen in its slide.

    Attributes
    ----------
    example : Example
        The slide.
    outline : ndarray, shape (K, 2)
        x and y in pixels of the slide.
    box : ndarray of float64, shape (5,)
        Canonical, along the apical axis.
    class_id : int
        Its taxon.
    """

    example: Example
    outline: Outline
    box: NDArray[np.float64]
    class_id: int


@dataclass(frozen=True, eq=False)
class Picture:
    """What the network sees: ``pixels`` of uint8, shape (side, side, 3), and the class that it shows."""

    pixels: NDArray[np.uint8]
    class_id: int


class Cutouts(Dataset[Picture]):
    """Cut-out ``i`` of an epoch depends on the seed, the epoch and ``i`` alone.

    With ``options.crops`` of ``"all"`` an epoch shows each specimen once.

    For validation (``epoch`` is None) they are always the same, as they are: each specimen once, or
    ``options.validation_crops`` of them where there are more.
    """

    def __init__(self, examples: Sequence[Example], options: LearningOptions, epoch: int | None) -> None:
        self.options = options
        self.epoch = epoch
        self.side = side_of(options.architecture)
        self.specimens = specimens_of(examples)
        weights = np.array([specimen.example.weight for specimen in self.specimens])
        ids = np.array([specimen.class_id for specimen in self.specimens])
        self.chances = balanced(weights, ids, options.balance)
        order = np.random.default_rng(_VALIDATION_SEED).permutation(len(self.specimens))
        self.validated = np.sort(order[: options.validation_crops])
        self.order = shuffled(weights.tolist(), options, epoch or 0)

    def __len__(self) -> int:
        if self.epoch is None:
            return len(self.validated)
        return self.options.crops if self.options.crops != ALL else len(self.order)

    def __getitem__(self, index: int) -> Picture:
        options = self.options
        if self.epoch is None:
            return self._picture(self.specimens[self.validated[index]], None)
        rng = np.random.default_rng((options.seed, self.epoch, index))
        all_once = options.crops == ALL
        chosen = self.order[index] if all_once else rng.choice(len(self.specimens), p=self.chances)
        return self._picture(self.specimens[chosen], rng)

    def _picture(self, specimen: SlideSpecimen, rng: np.random.Generator | None) -> Picture:
        """Cut a specimen out, varied where there is chance."""
        cutout = varied_cutout(specimen, self.side, rng, self.options.augment)
        return Picture(cutout.masked() if self.options.masked else cutout.pixels, specimen.class_id)


def varied_cutout(
    specimen: SlideSpecimen, side: int, rng: np.random.Generator | None, augment: AugmentOptions
) -> Cutout:
    """Cut a specimen out, ``side`` pixels high and wide, varied as the options say where there is chance."""
    image = from_array(read_pixels(specimen.example), specimen.example.image.name)
    if rng is None:
        return upright_cutout(image, specimen.box, side, specimen.outline)
    view, shape = varied(specimen.box, rng, augment), specimen.outline
    if rng.random() < augment.boxed:
        shape = geometry.corners(specimen.box[None])[0].astype(np.float32)
    cutout = upright_cutout(image, specimen.box, side, shape, view)
    # Before the background is put in: its colour is then that of the varied picture.
    return replace(cutout, pixels=recoloured(cutout.pixels, rng, augment))


def specimens_of(examples: Sequence[Example]) -> list[SlideSpecimen]:
    """Return the specimens of slides, in their order."""
    return [
        SlideSpecimen(example, outline, geometry.canonical(box_along_axis(outline, angle)[None])[0], class_id)
        for example in examples
        for outline, angle, class_id in zip(example.outlines, example.angles, example.class_ids, strict=True)
    ]


def balanced(weights: NDArray[np.float64], class_ids: NDArray[np.int64], balance: float) -> NDArray[np.float64]:
    """Return the chance of each specimen, shape (N,); they add up to 1.

    A class of weight ``w`` in all is drawn with a chance as ``w ** (1 - balance)``.
    """
    totals = np.bincount(class_ids, weights=weights)
    chances = weights * np.where(totals > 0, totals, 1.0)[class_ids] ** -balance
    return np.asarray(chances / chances.sum())


def varied(box: NDArray[np.float64], rng: np.random.Generator, options: AugmentOptions) -> View:
    """Return a view of a specimen by chance; a roundish one, which has no axis, is rotated by any angle.

    An axis has two ends and no direction, so a specimen stands either way up: its quarter turns are half turns.
    """
    most = math.radians(options.cutout_rotation_deg)
    if most and box[2] < ROUNDISH * box[3]:
        most = math.pi
    reach = math.log1p(options.cutout_scale)
    x, y = (options.cutout_translation * rng.uniform(-1, 1, 2)).tolist()
    turn, zoom = rng.uniform(-1, 1, 2).tolist()
    return View(turn * most, math.exp(zoom * reach), (x, y), mirrored_view(rng, options))


def mirrored_view(rng: np.random.Generator, options: AugmentOptions) -> tuple[bool, bool]:
    """Return whether a picture along a specimen's axis is mirrored, left to right and top to bottom; both turn it."""
    horizontal, vertical, half = flips_and_turn(
        rng, options.flip_horizontal, options.flip_vertical, options.quarter_turns, turns=2
    )
    return horizontal != bool(half), vertical != bool(half)


def naming_batch(pictures: Sequence[Picture]) -> dict[str, Any]:
    """Collate pictures: ``images`` of bytes (B, 3, side, side) and ``labels`` (B,)."""
    stack = np.stack([picture.pixels for picture in pictures]).transpose(0, 3, 1, 2)
    labels = torch.tensor([picture.class_id for picture in pictures])
    return {"images": torch.from_numpy(np.ascontiguousarray(stack)), "labels": labels}
