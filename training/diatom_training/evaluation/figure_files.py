"""The figures and curves of an evaluation as tables for a spreadsheet or R: ``figures.csv`` and ``curves.csv``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from diatom_training.evaluation.chief_figures import chief_intervals
from diatom_training.evaluation.curve_plots import curve_plots
from diatom_training.evaluation.evaluation import Evaluation
from diatom_training.metrics.bootstrap import Interval
from napari_diatom.core.proportions import wilson
from napari_diatom.counting.tables import write_csv

FIGURES: Final = "figures.csv"
CURVES: Final = "curves.csv"
FIGURE_COLUMNS: Final = ("class", "figure", "value", "low", "high", "of", "title", "formula", "misleads")
CURVE_COLUMNS: Final = ("plot", "curve", "x", "y", "low", "high")

Row = tuple[str, str, Interval]
"""Class, name and value of a figure."""


def write_figure_files(evaluation: Evaluation, folder: Path) -> tuple[Path, Path]:
    """Write the two tables, each whole or not at all, and return their paths; unknown is an empty cell.

    Raises
    ------
    OutputError
        When a file cannot be written.
    """
    meanings = evaluation.definitions()
    rows = []
    for of_class, name, figure in figure_rows(evaluation):
        numbers = [_text(value) for value in (figure.value, figure.low, figure.high)]
        meant = meanings[name]
        of = "" if figure.of is None else str(figure.of)
        # What a mean of the classes is made of is not what a single class's figure is.
        words = ("", "") if of_class else (meant.formula, meant.misleads)
        rows.append((of_class, name, *numbers, of, meant.title, *words))
    points = [
        (plot.name, curve.name, *(_text(value) for value in point))
        for plot in curve_plots(evaluation)
        for curve in plot.curves
        for point in zip(
            curve.x,
            curve.y,
            *([float("nan")] * len(curve.x) if edge is None else edge for edge in (curve.low, curve.high)),
            strict=True,
        )
    ]
    paths = folder / FIGURES, folder / CURVES
    write_csv(paths[0], FIGURE_COLUMNS, rows)
    write_csv(paths[1], CURVE_COLUMNS, points)
    return paths


def figure_rows(evaluation: Evaluation) -> Iterator[Row]:
    """Yield the chief figures, of no class, and then those of each class; shares with Wilson's interval."""
    for name, figure in chief_intervals(evaluation).items():
        yield "", name, figure
    if evaluation.naming:
        yield "", "weighted_recall", _plain(evaluation.naming.weighted_recall, evaluation.naming.specimens)
        yield "", "calibration_error", _plain(evaluation.naming.calibration.error, evaluation.naming.specimens)
    level = evaluation.bootstrap.level
    for found in evaluation.detection.classes if evaluation.detection else ():
        yield found.name, "precision", share_interval(found.right, found.found, level)
        yield found.name, "recall", share_interval(found.right, found.specimens, level)
        for name in ("f1", "ap50", "ap50_95"):
            yield found.name, name, _plain(getattr(found, name), found.specimens)
    for pixels in evaluation.maps.classes if evaluation.maps else ():
        for name, value in (("pixel_accuracy", pixels.accuracy), ("iou", pixels.iou), ("dice", pixels.dice)):
            yield pixels.name, name, Interval(value, float("nan"), float("nan"))
    for number, part in enumerate(evaluation.naming.classes if evaluation.naming else ()):
        assert evaluation.naming is not None
        right = int(evaluation.naming.confusion[number, number])
        yield part.name, "precision", share_interval(right, part.named, level)
        yield part.name, "recall", share_interval(right, part.specimens, level)
        yield part.name, "f1", _plain(part.f1, part.specimens)
        yield part.name, "auc", _plain(part.ranking.auc, part.specimens)
        yield part.name, "average_precision", _plain(part.ranking.average_precision, part.specimens)


def share_interval(right: int, of: int, level: float) -> Interval:
    """Return a share with Wilson's interval and what it is of; NaN of nothing."""
    return Interval(right / of if of else float("nan"), *wilson(right, of, level), of)


def _plain(value: float, of: int) -> Interval:
    """Return a figure without an interval."""
    return Interval(value, float("nan"), float("nan"), of)


def _text(value: float) -> str:
    """Return a number as text, nothing where it is none."""
    return repr(round(float(value), 6)) if value == value and abs(value) != float("inf") else ""
