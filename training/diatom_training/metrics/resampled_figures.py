"""The figures of one model or two that are resampled: functions of how often each slide is taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from diatom_training.metrics.averages import mean, share
from diatom_training.metrics.bootstrap import Bootstrap, Figures
from diatom_training.metrics.coco_evaluator import Shape
from diatom_training.metrics.definitions import TITLES
from diatom_training.metrics.matching import (
    Matched,
    Matches,
    average_precisions,
    concatenate,
    match_cases,
)
from diatom_training.metrics.paired_test import Difference, differences
from diatom_training.metrics.test_cases import Case, Units
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor

ERRORS: Final = ("count_error",)
"""Those of the figures of :func:`figures_of` that are better when they are lower."""


def figures_of(matched: Matched, threshold: float) -> Figures:
    """Return the figures that are resampled, as a function of how often each unit is taken.

    ``precision, recall, f1, ap50, ap50_95, count_error``, and ``map50, map50_95`` where there are several classes.
    """
    tallies = matched.overall.tallies(threshold)
    classes = matched.classes if len(matched.names.every) > 1 else ()
    return _figures(matched.overall, tallies, classes, matched.units)


def figures_of_two(first: Matched, second: Matched, thresholds: tuple[float, float]) -> Figures:
    """Return the figures of two models on the same images as a function of how often each of 2 U units is taken.

    The first U are those of the first model. ``map50, map50_95`` are over the classes that both know, and left out
    where there are none.
    """
    one, other = (each.overall.tallies(at) for each, at in zip((first, second), thresholds, strict=True))
    classes = []
    if min(len(each.names.every) for each in (first, second)) > 1:
        ours, theirs = (dict(zip(each.names.known, each.classes, strict=True)) for each in (first, second))
        classes = [concatenate(ours[name], theirs[name]) for name in ours if name in theirs]
    return _figures(
        concatenate(first.overall, second.overall),
        (np.concatenate([one[0], other[0]]), np.concatenate([one[1], other[1]])),
        classes,
        first.units.twice(),
    )


def _figures(
    overall: Matches,
    tallies: tuple[NDArray[np.int64], NDArray[np.int64]],
    classes: Sequence[Matches],
    units: Units,
) -> Figures:
    """Return the figures of :func:`figures_of`, given finds and right ones of each image."""
    found, right = tallies
    truths, of = overall.truths, units.of
    off = np.abs(np.bincount(of, found - truths, len(units)))

    def figures(taken: NDArray[np.int64]) -> dict[str, float]:
        weights = taken[of]
        all_found, all_right, all_true = int(weights @ found), int(weights @ right), int(weights @ truths)
        precisions = average_precisions(overall, weights)
        values = {
            "precision": share(all_right, all_found),
            "recall": share(all_right, all_true),
            "f1": share(2 * all_right, all_found + all_true),
            "ap50": float(precisions[0]),
            "ap50_95": float(precisions.mean()),
            "count_error": share(float(taken @ off), int(taken.sum())),
        }
        if classes:
            each = [average_precisions(matches, weights) for matches in classes]
            values["map50"] = mean([float(part[0]) for part in each])
            values["map50_95"] = mean([float(part.mean()) for part in each])
        return values

    return figures


def compare(
    first: Sequence[Case],
    second: Sequence[Case],
    shape: Shape,
    thresholds: tuple[float, float],
    names: tuple[str, str] = ("A", "B"),
    options: Bootstrap | None = None,
    monitor: ProgressMonitor = UNWATCHED,
) -> tuple[Difference, ...]:
    """Say which of two models is better on the same slides, and whether chance does as much.

    Parameters
    ----------
    first, second : sequence of Case
        What each model found on the same images, in any order.
    shape : Shape
        What is compared.
    thresholds : tuple of float
        Each model's own, tuned on the validation set.
    names : tuple of str
        Of the models.
    options : Bootstrap, optional
        How often, and at which level.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`.

    Raises
    ------
    InputError
        When the images, or the specimens on them, are not the same.
    Stopped
        When a stop was asked for.
    """
    by_name = {case.image: case for case in second}
    ours = {case.image for case in first}
    if ours != set(by_name):
        odd = sorted(ours ^ set(by_name))
        raise InputError(f"Two models can only be compared on the same images; only one of them saw {odd[0]}.")
    others = [by_name[case.image] for case in first]
    for one, other in zip(first, others, strict=True):
        if len(one.truth) != len(other.truth) or not np.array_equal(one.truth.boxes, other.truth.boxes):
            raise InputError(f"The annotations of {one.image} differ between the two models.")
    a, b = match_cases(first, shape), match_cases(others, shape)
    return differences(figures_of_two(a, b, thresholds), a.units, names, TITLES, ERRORS, options, monitor)
