"""By what the images of a training are standardized."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from diatom_training.data.crops import read_pixels
from diatom_training.data.examples import Example
from diatom_training.data.pixel_statistics import IMAGENET_STANDARD, UNCHANGED, Standard, standard_of
from diatom_training.learning.classifier_crops import specimens_of
from diatom_training.learning.options import LearningOptions
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor
from napari_diatom.core.text import many
from napari_diatom.engines.classifier_net import side_of
from napari_diatom.images.slide_image import from_array
from napari_diatom.images.specimen_crops import upright_cutout


def standard(
    examples: Sequence[Example],
    options: LearningOptions,
    monitor: ProgressMonitor = UNWATCHED,
    usual: Standard | None = None,
) -> Standard:
    """Return mean and deviation of each channel that the options ask for, of values scaled to 0..1.

    Of a training set each pixel of each image counts once. For a classifier these are the pixels of its cut-outs, one
    a specimen, unvaried, without what is filled with background. Where the options name nothing, it is ``usual`` where
    that is given.

    Raises
    ------
    InputError
        When an image cannot be read.
    Stopped
        When a stop was asked for.
    """
    if options.task == "outlines" or options.standardization == "0 to 1":
        return UNCHANGED
    if usual is not None and options.standardize is None:
        return usual
    if options.standardization == "imagenet":
        return IMAGENET_STANDARD
    if options.task == "classes":
        number = many(len(specimens_of(examples)), "cut-out")
        return standard_of(_cutouts(examples, options, monitor), f"{number} of the training set")
    images = {example.image: example for example in examples}
    return standard_of(_whole(list(images.values()), monitor), f"{many(len(images), 'image')} of the training set")


def _whole(examples: Sequence[Example], monitor: ProgressMonitor) -> Iterator[tuple[NDArray[np.uint8], None]]:
    """Yield the pixels of each image."""
    for example in examples:
        monitor.check()
        yield read_pixels(example), None


def _cutouts(
    examples: Sequence[Example], options: LearningOptions, monitor: ProgressMonitor
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.bool_]]]:
    """Yield each specimen's cut-out as it is, and what of it is neither filled nor outside of the image."""
    side = side_of(options.architecture)
    for specimen in specimens_of(examples):
        monitor.check()
        image = from_array(read_pixels(specimen.example), specimen.example.image.name)
        cutout = upright_cutout(image, specimen.box, side, specimen.outline)
        yield cutout.pixels, cutout.shown() if options.masked else cutout.inside
