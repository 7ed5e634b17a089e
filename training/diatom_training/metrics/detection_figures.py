"""The figures of a model that finds specimens: what it finds, what it names them, how many and how long they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diatom_training.metrics.averages import mean, quantile, share
from diatom_training.metrics.coco_evaluator import Shape
from diatom_training.metrics.detection_metrics import angle_errors_deg
from diatom_training.metrics.detection_sizes import Sizes, sizes_of
from diatom_training.metrics.matching import (
    Matched,
    Matches,
    precision_at_recalls,
)
from diatom_training.metrics.reliability import Calibration, calibration
from diatom_training.metrics.test_cases import ClassNames
from diatom_training.metrics.threshold_curve import ThresholdCurve, threshold_curve


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
    thresholds : ThresholdCurve
        Precision, recall and F1 at every threshold.
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
    thresholds: ThresholdCurve


@dataclass(frozen=True)
class ImageCount:
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
    counts : tuple of ImageCount
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
    counts: tuple[ImageCount, ...]
    count_error: float
    relative_count_error: float
    count_bias: float
    sizes: tuple[Sizes, ...]
    angle_error_deg: float

    @property
    def length_error(self) -> float:
        """Median of how far lengths are off as a share of the true ones, in whatever unit; NaN of none."""
        lengths = [sizes for sizes in self.sizes if sizes.side == "length"]
        return quantile(np.concatenate([np.empty(0), *(np.abs(s.found - s.truth) / s.truth for s in lengths)]), 0.5)


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
        sizes=sizes_of(matched.cases, pairs),
        angle_error_deg=quantile(np.concatenate(angles), 0.5),
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
        thresholds=threshold_curve(matches),
    )


def _counts(matched: Matched, threshold: float) -> tuple[ImageCount, ...]:
    """Return the counts per unit."""
    units, of = matched.units, matched.units.of
    found, _ = matched.overall.tallies(threshold)
    columns = [np.bincount(of, part, len(units)) for part in (np.ones(len(of)), matched.overall.truths, found)]
    return tuple(ImageCount(name, *(int(column[k]) for column in columns)) for k, name in enumerate(units.names))
