"""How much each class counts in a loss, by how often it occurs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diatom_training.data.crops import read_pixels
from diatom_training.data.examples import Example
from diatom_training.learning.options import LearningOptions, LossOptions
from napari_diatom.core import geometry
from napari_diatom.core.errors import InputError


def class_counts(examples: Sequence[Example], options: LearningOptions) -> NDArray[np.float64]:
    """Return how often each class occurs in training images.

    For names, shape (C,), in specimens. For maps, shape (1 + C,), in pixels, the background first: the areas of the
    outlines, and what they leave of the images.
    """
    counts = np.zeros(len(options.classes))
    if options.task == "classes":
        for example in examples:
            np.add.at(counts, list(example.class_ids), 1)
        return counts
    pixels = 0
    for example in examples:
        height, width = read_pixels(example).shape[:2]
        pixels += height * width
        np.add.at(counts, list(example.class_ids), [geometry.polygon_area(ring) for ring in example.outlines])
    return np.append(max(pixels - counts.sum(), 0), counts)


def weights_by(options: LossOptions, counts: ArrayLike) -> NDArray[np.float64]:
    """Return the weight of each class, by the options' ``weighting``.

    ``frequency`` is the inverse of a class's share, ``N / (C n)`` for n of N specimens in C classes. ``effective
    number`` (Cui et al. 2019, "Class-balanced loss based on effective number of samples") is in proportion to
    ``(1 - beta) / (1 - beta ** n)``; the weights add up to C.

    Parameters
    ----------
    options : LossOptions
        How to weigh.
    counts : array-like, shape (C,)
        How often each class occurs.

    Raises
    ------
    InputError
        When a class does not occur.
    """
    often = np.asarray(counts, dtype=np.float64)
    if not (often > 0).all():
        raise InputError("A class that does not occur in the training images cannot be weighed by how often it does.")
    if options.weighting == "frequency":
        return np.asarray(often.sum() / (len(often) * often))
    beta = options.weighting_beta
    inverse = (1 - beta) / -np.expm1(often * np.log(beta))
    return np.asarray(len(often) * inverse / inverse.sum())
