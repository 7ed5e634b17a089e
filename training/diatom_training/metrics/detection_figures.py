"""The figures of a model that finds specimens: what it finds, what it names them, how many and how long they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from diatom_training.metrics.bootstrap import Bootstrap, Figures
from diatom_training.metrics.coco_evaluator import Shape
from diatom_training.metrics.detection_metrics import angle_errors_deg
from diatom_training.metrics.matching import (
    Matched,
    Matches,
    average_precisions,
    match_cases,
    precision_at_recalls,
    together,
)
from diatom_training.metrics.paired_test import Difference, differences
from diatom_training.metrics.reliability import Calibration, calibration
from diatom_training.metrics.test_cases import Case, ClassNames, Units
from napari_diatom.core.detections import CUT_BY_EDGE
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor

NAN: Final = float("nan")

TITLES: Final = {
    "f1": "F1",
    "precision": "Precision",
    "recall": "Recall",
    "ap50": "AP50",
    "ap50_95": "AP50-95",
    "map50": "mAP50 of the classes",
    "map50_95": "mAP50-95 of the classes",
    "count_error": "Count error",
}
"""What the figures of :func:`figures_of` are called."""
ERRORS: Final = ("count_error",)
"""Those of them of which less is better."""


@dataclass(frozen=True, eq=False)
class Found:
    """How well specimens of a class, or of all, are found; NaN where there is nothing to tell.

    Attributes
    ----------
    name : str
        Of the class.
    specimens, found, right : int
        In the truth; detections at the threshold; those of them that are specimens, at IoU 0.5.
    precision, recall, f1 : float
        At the threshold and IoU 0.5.
    ap50, ap50_95 : float
        Average precision at IoU 0.5, and the mean over 0.5 to 0.95, over all scores.
    curve : ndarray, shape (101,)
        Best precision with at least each of :data:`~diatom_training.metrics.matching.RECALLS`, at IoU 0.5; its mean
        is ``ap50``.
    """

    name: str
    specimens: int
    found: int
    right: int
    precision: float
    recall: float
    f1: float
    ap50: float
    ap50_95: float
    curve: NDArray[np.float64]


@dataclass(frozen=True)
class Count:
    """Specimens on a slide, or an image.

    Attributes
    ----------
    name : str
        Of the slide or image.
    images : int
        How many it has.
    truth, found : int
        Specimens in the truth, and detections at the threshold.
    """

    name: str
    images: int
    truth: int
    found: int


@dataclass(frozen=True, eq=False)
class Sizes:
    """Lengths or widths of specimens that were found, beside the true ones; those cut by the image's edge are left out.

    Attributes
    ----------
    side : {"length", "width"}
        Of the oriented box.
    unit : {"µm", "px"}
        Pixels are those of images of unknown pixel size.
    truth, found : ndarray, shape (N,)
        In that unit.
    bias : float
        Mean of found less true; NaN of none, as all that follows.
    median_error, most_error : float
        Median and 95th percentile of how far they are off.
    relative_error : float
        Median of the same as a share of the true one.
    """

    side: Literal["length", "width"]
    unit: Literal["µm", "px"]
    truth: NDArray[np.float64]
    found: NDArray[np.float64]
    bias: float
    median_error: float
    most_error: float
    relative_error: float


@dataclass(frozen=True, eq=False)
class DetectionFigures:
    """All figures of a model that finds specimens.

    Attributes
    ----------
    shape : Shape
        What was compared.
    threshold : float
        Score from which detections count, for all but average precision, curves and calibration.
    images : int
        How many.
    names : ClassNames
        The classes.
    overall : Found
        Whatever the classes.
    classes : tuple of Found
        Of each class that the model knows, matched within the class.
    map50, map50_95 : float
        Means over the classes that the model knows and that occur.
    confusion : ndarray of int64, shape (1 + C, 1 + C)
        Specimens by true (rows) and found class (columns) of ``names.every``, matched whatever their classes. The first
        row is what was found where there is nothing, the first column what was missed.
    calibration : Calibration
        Of the scores: a detection is right that is a specimen of its class at IoU 0.5.
    counts : tuple of Count
        Per slide or, where there is but one, per image.
    count_error, relative_count_error, count_bias : float
        How far the counts are off, mean; the same over the mean true count; and mean of found less true.
    sizes : tuple of Sizes
        Length and width, in µm and in pixels as far as there are images of known and of unknown pixel size.
    angle_error_deg : float
        Median over the elongated specimens found, modulo 180.
    """

    shape: Shape
    threshold: float
    images: int
    names: ClassNames
    overall: Found
    classes: tuple[Found, ...]
    map50: float
    map50_95: float
    confusion: NDArray[np.int64]
    calibration: Calibration
    counts: tuple[Count, ...]
    count_error: float
    relative_count_error: float
    count_bias: float
    sizes: tuple[Sizes, ...]
    angle_error_deg: float

    @property
    def length_error(self) -> float:
        """Median of how far lengths are off as a share of the true ones, in whatever unit; NaN of none."""
        lengths = [sizes for sizes in self.sizes if sizes.side == "length"]
        return _quantile(np.concatenate([np.empty(0), *(np.abs(s.found - s.truth) / s.truth for s in lengths)]), 0.5)


def detection_figures(matched: Matched, threshold: float) -> DetectionFigures:
    """Return all figures of matched cases at a threshold.

    The threshold has to come from the validation set: one that is chosen on the test set makes the model look better
    than it is.
    """
    classes = tuple(
        _found(name, matches, threshold) for name, matches in zip(matched.names.known, matched.classes, strict=True)
    )
    counts = _counts(matched, threshold)
    off = np.array([count.found - count.truth for count in counts], dtype=np.float64)
    specimens = sum(count.truth for count in counts)
    hits = [np.stack([part.scores, part.hits[0]]) for part in matched.classes]
    scores, right = np.concatenate([np.empty((2, 0)), *hits], axis=1)
    pairs = [matched.kept(k, threshold) for k in range(len(matched.cases))]
    angles = [
        angle_errors_deg(case.truth[whose], case.found[which])
        for case, (which, whose) in zip(matched.cases, pairs, strict=True)
    ]
    return DetectionFigures(
        shape=matched.shape,
        threshold=threshold,
        images=len(matched.cases),
        names=matched.names,
        overall=_found("all", matched.overall, threshold),
        classes=classes,
        map50=mean([found.ap50 for found in classes]),
        map50_95=mean([found.ap50_95 for found in classes]),
        confusion=confusion_of(matched, threshold),
        calibration=calibration(scores, right > 0),
        counts=counts,
        count_error=float(np.abs(off).mean()),
        relative_count_error=share(np.abs(off).sum(), specimens),
        count_bias=float(off.mean()),
        sizes=_sizes(matched.cases, pairs),
        angle_error_deg=_quantile(np.concatenate(angles), 0.5),
    )


def confusion_of(matched: Matched, threshold: float) -> NDArray[np.int64]:
    """Return the confusion matrix of :class:`DetectionFigures`."""
    side = 1 + len(matched.names.every)
    table = np.zeros((side, side), dtype=np.int64)
    for k, case in enumerate(matched.cases):
        which, whose = matched.kept(k, threshold)
        true, named = 1 + case.truth.class_ids, 1 + case.found.class_ids
        alone = case.found.scores >= np.float32(threshold)
        alone[which] = False
        missed = np.ones(len(true), dtype=bool)
        missed[whose] = False
        np.add.at(table, (true[whose], named[which]), 1)
        np.add.at(table[0], named[alone], 1)
        np.add.at(table[:, 0], true[missed], 1)
    return table


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
        classes = [together(ours[name], theirs[name]) for name in ours if name in theirs]
    return _figures(
        together(first.overall, second.overall),
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


def share(part: float, whole: float) -> float:
    """Return a quotient, NaN where the divisor is 0."""
    return float(part) / float(whole) if whole else NAN


def mean(values: Sequence[float]) -> float:
    """Return the mean of the values that are no NaN, NaN of none."""
    told = [value for value in values if value == value]
    return float(np.mean(told)) if told else NAN


def _found(name: str, matches: Matches, threshold: float) -> Found:
    """Return the figures of one class."""
    found, right = (int(part.sum()) for part in matches.tallies(threshold))
    specimens = int(matches.truths.sum())
    curves = precision_at_recalls(matches)
    return Found(
        name=name,
        specimens=specimens,
        found=found,
        right=right,
        precision=share(right, found),
        recall=share(right, specimens),
        f1=share(2 * right, found + specimens),
        ap50=float(curves[0].mean()),
        ap50_95=float(curves.mean()),
        curve=curves[0],
    )


def _counts(matched: Matched, threshold: float) -> tuple[Count, ...]:
    """Return the counts per unit."""
    units, of = matched.units, matched.units.of
    found, _ = matched.overall.tallies(threshold)
    columns = [np.bincount(of, part, len(units)) for part in (np.ones(len(of)), matched.overall.truths, found)]
    return tuple(Count(name, *(int(column[k]) for column in columns)) for k, name in enumerate(units.names))


def _sizes(cases: Sequence[Case], pairs: Sequence[tuple[NDArray[np.intp], NDArray[np.intp]]]) -> tuple[Sizes, ...]:
    """Return the errors of lengths and widths, those in µm first."""
    units: tuple[Literal["µm", "px"], ...] = ("µm", "px")
    sides: tuple[tuple[Literal["length", "width"], int], ...] = (("length", 2), ("width", 3))
    rows: list[Sizes] = []
    for unit in units:
        those = [k for k, case in enumerate(cases) if (case.pixel_size_um is not None) == (unit == "µm")]
        if not those:
            continue
        for side, column in sides:
            truth, found = [np.empty(0)], [np.empty(0)]
            for k in those:
                case, (which, whose) = cases[k], pairs[k]
                whole = (case.truth.cut[whose] & CUT_BY_EDGE) == 0
                scale = case.pixel_size_um or 1.0
                truth.append(case.truth.boxes[whose[whole], column].astype(np.float64) * scale)
                found.append(case.found.boxes[which[whole], column].astype(np.float64) * scale)
            true, there = np.concatenate(truth), np.concatenate(found)
            off = there - true
            rows.append(
                Sizes(
                    side=side,
                    unit=unit,
                    truth=true,
                    found=there,
                    bias=float(off.mean()) if len(off) else NAN,
                    median_error=_quantile(np.abs(off), 0.5),
                    most_error=_quantile(np.abs(off), 0.95),
                    relative_error=_quantile(np.abs(off) / true, 0.5),
                )
            )
    return tuple(rows)


def _quantile(values: NDArray[np.float64], at: float) -> float:
    """Return a quantile, NaN of nothing."""
    return float(np.quantile(values, at)) if len(values) else NAN
