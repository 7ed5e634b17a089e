"""The curves of an evaluation as data: for the report, its files and the window, which all draw the same ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from diatom_training.evaluation.evaluation import Evaluation
from diatom_training.metrics.detection_figures import DetectionFigures, Found
from diatom_training.metrics.froc import Froc, read_froc
from diatom_training.metrics.matching import RECALLS
from diatom_training.metrics.naming_figures import NamingFigures
from diatom_training.metrics.reliability import Calibration


@dataclass(frozen=True, eq=False)
class Curve:
    """A line.

    Attributes
    ----------
    name : str
        What it is of.
    x, y : ndarray, shape (K,)
        Its points; NaN where it has none.
    low, high : ndarray, shape (K,), or None
        A band around it.
    specimens : int
        Of its class: the commonest classes are named and have a colour; 0 of a line that is about all.
    """

    name: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    low: NDArray[np.float64] | None = None
    high: NDArray[np.float64] | None = None
    specimens: int = 0


@dataclass(frozen=True, eq=False)
class CurvePlot:
    """Lines in one plot, whose y axis goes from 0 to 1.

    Attributes
    ----------
    name : str
        For programs.
    title : str
        What it shows.
    x_label, y_label : str
        Of the axes.
    caption : str
        How it is read, and when it misleads.
    curves : tuple of Curve
        The lines.
    mark : tuple of float or None
        Where the threshold is.
    reference : str
        What the diagonal from (0, 0) to (1, 1) stands for; empty without one.
    """

    name: str
    title: str
    x_label: str
    y_label: str
    caption: str
    curves: tuple[Curve, ...]
    mark: tuple[float, float] | None = None
    reference: str = ""


_RECALL: Final = "recall: share of the specimens found"
_PRECISION: Final = "precision: share of the detections that are right"


def curve_plots(evaluation: Evaluation) -> tuple[CurvePlot, ...]:
    """Return the curves of an evaluation; of maps and outlines there are none."""
    plots: list[CurvePlot] = []
    if evaluation.detection:
        plots += _found(evaluation.detection)
    if evaluation.froc and evaluation.detection:
        kind, level = evaluation.units.kind, evaluation.bootstrap.level
        plots.append(_froc(evaluation.froc, evaluation.detection.overall, kind, level))
    if evaluation.naming:
        plots += _named(evaluation.naming)
    for figures in (evaluation.detection, evaluation.naming):
        if figures and figures.calibration.error == figures.calibration.error:
            plots.append(_calibrated(figures.calibration))
    return tuple(plots)


def turning_points(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return which points of a line are needed: those at which it changes its direction, and its ends."""
    if len(x) < 3:
        return np.arange(len(x))
    dx, dy = np.diff(x), np.diff(y)
    turns = dx[:-1] * dy[1:] != dy[:-1] * dx[1:]
    return np.flatnonzero(np.concatenate([[True], turns, [True]]))


def _found(figures: DetectionFigures) -> list[CurvePlot]:
    """Return precision against recall, and both and F1 over the threshold."""
    overall, at = figures.overall, figures.threshold
    several = [part for part in figures.classes if part.specimens] if len(figures.names.every) > 1 else []
    curves = [
        Curve(f"{part.name} (AP {part.ap50:.2f})", RECALLS, part.curve, specimens=part.specimens) for part in several
    ]
    plots = [
        CurvePlot(
            "precision_recall",
            "Precision against recall",
            _RECALL,
            _PRECISION,
            "Precision against recall at an overlap of 0.5, from the strictest threshold on the left to the loosest on "
            "the right. The area below a curve is its AP50. Most of a curve belongs to thresholds that nobody would "
            "use: what counts is the point of yours.",
            (*curves, Curve(f"any class (AP {overall.ap50:.2f})", RECALLS, overall.curve)),
            (overall.recall, overall.precision) if overall.found else None,
        ),
        CurvePlot(
            "threshold",
            "Precision, recall and F1 over the threshold",
            "threshold",
            "share",
            "The figures at each threshold, at an overlap of 0.5. Where F1 is flat, the threshold hardly matters. Do "
            "not choose a threshold from this plot: one that is chosen on the test images makes the model look better "
            "than it is.",
            tuple(
                Curve(title, overall.thresholds.thresholds, getattr(overall.thresholds, name))
                for title, name in (("precision", "precision"), ("recall", "recall"), ("F1", "f1"))
            ),
            (at, overall.f1),
        ),
    ]
    if several:
        plots.append(_class_f1(several, overall, at))
    return plots


def _class_f1(several: Sequence[Found], overall: Found, threshold: float) -> CurvePlot:
    """Return the F1 of each class over the threshold."""
    return CurvePlot(
        "class_f1",
        "F1 of each class over the threshold",
        "threshold",
        "F1",
        "F1 at each threshold, the name of a class being right too. Classes that have their best F1 at different "
        "thresholds gain from a threshold each. The curve of a class with few specimens has large steps: each is one "
        "specimen.",
        (
            *(
                Curve(part.name, part.thresholds.thresholds, part.thresholds.f1, specimens=part.specimens)
                for part in several
            ),
            Curve("any class", overall.thresholds.thresholds, overall.thresholds.f1),
        ),
        (threshold, overall.f1),
    )


def _froc(curve: Froc, overall: Found, kind: str, level: float) -> CurvePlot:
    """Return the FROC curve with its band."""
    points = turning_points(curve.false_finds, curve.found)
    lines = [Curve("this model", curve.false_finds[points], curve.found[points])]
    sure = bool(np.isfinite(curve.low).any())
    if sure:
        read = read_froc(curve.false_finds, curve.found, curve.places)
        lines.insert(0, Curve(f"{100 * level:g} % of the resamples", curve.places, read, curve.low, curve.high))
    text = f"The band comes from resampling {kind}. " if sure else ""
    wrong = (overall.found - overall.right) / curve.fields
    return CurvePlot(
        "froc",
        "FROC: specimens found against false detections",
        "false detections per field",
        "share of the specimens found",
        "The ROC curve of detection: how many specimens are found if so many false detections per field are accepted, "
        f"at an overlap of 0.5. {text}It depends on the size of a field and on how many specimens it has: compare "
        "models on the same fields only.",
        tuple(lines),
        (wrong, overall.recall) if overall.found else None,
    )


def _named(naming: NamingFigures) -> list[CurvePlot]:
    """Return the ROC and the precision-recall curves of classes, each against the rest."""
    parts = [part for part in naming.classes if len(part.ranking.hits)]
    if not parts:
        return []
    roc, precision = [], []
    for part in parts:
        ranking = part.ranking
        kept = turning_points(ranking.false_alarms, ranking.hits)
        title = f"{part.name} (AUC {ranking.auc:.3f})"
        roc.append(Curve(title, ranking.false_alarms[kept], ranking.hits[kept], specimens=part.specimens))
        kept = turning_points(ranking.recalls, ranking.precisions)
        title = f"{part.name} (AP {ranking.average_precision:.3f})"
        precision.append(Curve(title, ranking.recalls[kept], ranking.precisions[kept], specimens=part.specimens))
    return [
        CurvePlot(
            "roc",
            "ROC curves",
            "share of the other specimens that would get the name",
            "share of the class that gets the name",
            "ROC curves, each class against the rest: how many of the other specimens would get a name too, were the "
            "least probability lowered until that share of its class gets it. A rare class looks good here: 1 % of "
            "many others are many wrong names.",
            tuple(roc),
            reference="by chance",
        ),
        CurvePlot(
            "precision_recall",
            "Precision against recall",
            "recall: share of the class that gets the name",
            "precision: share of the names that are right",
            "Precision against recall, each class against the rest. The area below a curve is its average precision. "
            "By chance alone a curve lies at the share of its class, so curves of classes of unequal size cannot be "
            "compared.",
            tuple(precision),
        ),
    ]


def _calibrated(calibration: Calibration) -> CurvePlot:
    """Return how often scores are right."""
    full = calibration.number > 0
    return CurvePlot(
        "calibration",
        "Are the scores reliable?",
        "score",
        "share that is right",
        "How often a given score is right. On the dashed line a score of 0.8 is right in 8 of 10 cases; below it the "
        "model is overconfident. A point of few specimens says little.",
        (Curve("this model", calibration.score[full], calibration.right[full]),),
        reference="perfectly calibrated",
    )
