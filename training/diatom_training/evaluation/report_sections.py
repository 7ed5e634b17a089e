"""The sections of a report on a model: what it found, its maps, its names, its mistakes, its training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from markupsafe import Markup

from diatom_training.evaluation import plots
from diatom_training.evaluation.chief_figures import definition_rows
from diatom_training.evaluation.confusion import TITLE, ConfusionMatrix, confusion_of_finds, confusion_of_names
from diatom_training.evaluation.curve_drawing import drawn_curve_plot
from diatom_training.evaluation.curve_plots import CurvePlot, curve_plots
from diatom_training.evaluation.evaluation import Evaluation
from diatom_training.evaluation.mistakes import Kind
from diatom_training.evaluation.summary_text import amount, format_figure, percent, span
from diatom_training.evaluation.training_curves import TrainingCurves, drawn_curves
from diatom_training.metrics.class_map_figures import MapFigures
from diatom_training.metrics.definitions import FOUND_SIZES, NAMES
from diatom_training.metrics.detection_figures import DetectionFigures, Found
from diatom_training.metrics.froc import RATES
from diatom_training.metrics.naming_figures import NamingFigures
from diatom_training.metrics.reliability import Calibration
from napari_diatom.core.proportions import few_note, wilson
from napari_diatom.core.text import many
from napari_diatom.reports import html as page

_MISTAKES: Final[Mapping[Kind, str]] = {
    "missed": "Missed specimens, the longest first",
    "false": "False detections, the most confident first",
    "misnamed": "Wrong names, the most confident first",
    "size": "Wrong lengths, the worst first",
    "outline": "Wrong outlines, the worst first",
}

_WILSON: Final = "In brackets: {:g} % intervals after Wilson (1927), which treat specimens as independent."
LETTERS: Final = (
    "TP, FP and FN: right detections (or names), false ones, and specimens that are missed (or get another name). TN: "
    "others that rightly do not get a name. A and B: the pixels of truth and result."
)
"""What the letters in formulae stand for."""


def detection_sections(evaluation: Evaluation, figures: DetectionFigures) -> list[Markup]:
    """Return the sections of a model that finds specimens."""
    level = evaluation.bootstrap.level
    header = ("class", "specimens", "found", "right", "precision", "recall", "F1", "AP50", "AP50-95")
    parts: tuple[Found, ...] = (figures.overall,)
    if len(figures.names.every) > 1:
        parts = (*sorted(figures.classes, key=lambda part: -part.specimens), figures.overall)
    names = [part.name if part is not figures.overall else "any class" for part in parts]
    rows = [
        (
            name,
            f"{part.specimens:,}",
            f"{part.found:,}",
            f"{part.right:,}",
            _sure(part.precision, part.right, part.found, level),
            _sure(part.recall, part.right, part.specimens, level),
            *(format_figure(value) for value in (part.f1, part.ap50, part.ap50_95)),
        )
        for name, part in zip(names, parts, strict=True)
    ]
    several = len(figures.names.every) > 1
    curves = [_curves(plot) for plot in curve_plots(evaluation) if plot.name != "calibration"]
    unit = evaluation.units.kind.removesuffix("s")
    return [
        page.section(
            "By class" if several else "Specimens",
            page.table(header, rows),
            page.paragraphs([_WILSON.format(100 * level)]),
        ),
        page.section("Curves", page.side_by_side(*curves), _found_at(evaluation)),
        page.section(TITLE, _confusion(figures)),
        page.section("Counts and sizes", _counts(figures, unit), _sizes(figures)),
        page.section("Are the scores reliable?", _calibrated(figures.calibration, "detections")),
    ]


def _confusion(figures: DetectionFigures) -> Markup:
    """Return the confusion matrix of specimens, those of classes that play no part left out."""
    return _drawn_confusion(confusion_of_finds(figures.confusion, figures.names.known, figures.names.unknown))


def _drawn_confusion(matrix: ConfusionMatrix) -> Markup:
    """Return a confusion matrix with its caption."""
    return page.figure(plots.drawn_confusion(matrix), matrix.caption, min(80 * len(matrix.columns) + 260, 900))


def _counts(figures: DetectionFigures, unit: str) -> Markup:
    """Return counts as a plot beside a table, of many only the worst."""
    worst = sorted(figures.counts, key=lambda count: (-abs(count.found - count.truth), count.name))[:15]
    off = [f"{c.found - c.truth:+,}" if c.found != c.truth else "0" for c in worst]
    rows = [(c.name, str(c.images), f"{c.truth:,}", f"{c.found:,}", by) for c, by in zip(worst, off, strict=True)]
    heading = "" if len(worst) == len(figures.counts) else f"The {len(worst)} worst of {len(figures.counts)}"
    return page.side_by_side(
        page.figure(plots.plot_counts(figures.counts, unit), f"Counts, a point per {unit}.", 430),
        page.subsection(heading, page.table((unit, "images", "truth", "found", "off by"), rows)),
    )


def _sizes(figures: DetectionFigures) -> Markup:
    """Return sizes as a table, and lengths as plots."""
    rows = [
        (
            f"{sizes.side} ({sizes.unit})",
            f"{len(sizes.truth):,}",
            format_figure(sizes.bias, 2),
            format_figure(sizes.median_error, 2),
            format_figure(sizes.most_error, 2),
            percent(sizes.relative_error),
        )
        for sizes in figures.sizes
    ]
    lengths = [
        page.figure(plots.plot_sizes(sizes), f"Lengths in {sizes.unit}, a point per specimen found.", 430)
        for sizes in figures.sizes
        if sizes.side == "length" and len(sizes.truth)
    ]
    header = ("", "specimens", "bias", "median error", "95 % are within", "median error, share")
    return page.subsection("", page.table(header, rows), *([page.side_by_side(*lengths)] if lengths else []))


def _calibrated(calibration: Calibration, what: str) -> Markup:
    """Return the reliability diagram with its error; ``what`` has the scores."""
    if calibration.error != calibration.error:
        return page.paragraphs(["Nothing was found, so there are no scores."])
    return page.figure(
        plots.reliability(calibration),
        f"How often {what} with a given score are right. On the dashed line a score of 0.8 is right in 8 of 10 cases; "
        f"below it the model is overconfident. The two are {format_figure(calibration.error)} apart on average (the "
        "expected calibration error).",
        430,
    )


def map_section(maps: MapFigures) -> Markup:
    """Return the section of class maps."""
    rows = [
        (part.name, f"{part.pixels:,}", *map(format_figure, (part.accuracy, part.iou, part.dice)))
        for part in maps.classes
    ]
    rows.append(("mean", "", *map(format_figure, (maps.mean_accuracy, maps.miou, maps.mean_dice))))
    return page.section(
        "Pixels",
        page.table(("class", "annotated pixels", "pixel accuracy", "IoU", "Dice"), rows),
        page.paragraphs(
            [
                "Pixels of a specimen are right or wrong together, so they are not counted as independent: the "
                "intervals above come from whole slides or images."
            ]
        ),
    )


def naming_sections(evaluation: Evaluation, naming: NamingFigures) -> list[Markup]:
    """Return the sections of a model that names cut-outs."""
    level = evaluation.bootstrap.level
    right = naming.confusion.diagonal().tolist()
    rows = [
        (
            part.name,
            f"{part.specimens:,}",
            f"{part.named:,}",
            _sure(part.precision, hits, part.named, level),
            _sure(part.recall, hits, part.specimens, level),
            *(format_figure(value) for value in (part.f1, part.ranking.auc, part.ranking.average_precision)),
        )
        for part, hits in sorted(zip(naming.classes, right, strict=True), key=lambda pair: -pair[0].specimens)
    ]
    means = (naming.precision, naming.recall, naming.f1, naming.auc, naming.average_precision)
    weighted = (naming.weighted_precision, naming.weighted_recall, naming.weighted_f1)
    rows.append(("mean of the classes (macro)", "", "", *map(format_figure, means)))
    rows.append(("weighted by specimens", "", "", *map(format_figure, weighted), "", ""))
    header = ("class", "specimens", "given this name", "precision", "recall", "F1", "AUC", "average precision")
    names = [part.name for part in naming.classes]
    curves = [_curves(plot) for plot in curve_plots(evaluation) if plot.name != "calibration"]
    return [
        page.section("By class", page.table(header, rows), page.paragraphs([_WILSON.format(100 * level)])),
        page.section("Curves", page.side_by_side(*curves) if curves else ""),
        page.section(TITLE, _drawn_confusion(confusion_of_names(naming.confusion, names))),
        page.section("Are the probabilities reliable?", _calibrated(naming.calibration, "names")),
    ]


def definition_section(evaluation: Evaluation) -> Markup:
    """Return how each figure is computed, and when it misleads."""
    names = [*evaluation.intervals]
    if evaluation.froc:
        names.append("froc")
    if evaluation.detection:
        names += list(FOUND_SIZES)
    if evaluation.naming:
        names = list(NAMES)
    return page.section(
        "How each figure is computed, and when it misleads",
        page.table(*definition_rows(names, evaluation.work), (0, 1, 2)),
        page.paragraphs([LETTERS]),
    )


def _curves(plot: CurvePlot) -> Markup:
    """Return a plot of curves with its caption."""
    return page.figure(drawn_curve_plot(plot), plot.caption, 470)


def _found_at(evaluation: Evaluation) -> Markup:
    """Return the share found at some numbers of false detections per field."""
    curve = evaluation.froc
    if curve is None:
        return Markup("")
    rows = [
        (f"{rate:g}", format_figure(found.value), span(found), amount(found))
        for rate, found in zip(RATES, curve.at, strict=True)
    ]
    header = ("false detections per field", "found", f"{100 * evaluation.bootstrap.level:g} % interval", "of")
    title = f"Found at a number of false detections ({many(curve.fields, 'field')})"
    note = few_note(found.of for found in curve.at)
    return page.subsection(title, page.table(header, rows), page.paragraphs([note] if note else []))


def _sure(value: float, right: int, of: int, level: float) -> str:
    """Return a share with Wilson's interval."""
    low, high = wilson(right, of, level)
    return format_figure(value) if low != low else f"{format_figure(value)} ({low:.2f} to {high:.2f})"


def mistake_section(evaluation: Evaluation) -> Markup:
    """Return the section of the worst mistakes."""
    parts = []
    for kind, heading in _MISTAKES.items():
        some = [shown for shown in evaluation.mistakes if shown.mistake.kind == kind]
        if not some:
            continue
        words = [f"{s.mistake.words} ({s.image}, {s.x_px:.0f}, {s.y_px:.0f})" for s in some]
        if any(shown.jpeg for shown in some):
            shown_as = page.grid(
                [page.figure(s.jpeg, text, mime="image/jpeg") for s, text in zip(some, words, strict=True) if s.jpeg]
            )
        else:
            shown_as = page.paragraphs(words)
        parts.append(page.subsection(heading, shown_as))
    if any(shown.jpeg for shown in evaluation.mistakes):
        parts.insert(0, page.legend(with_found=evaluation.naming is None))
    return page.section("The worst mistakes", *parts)


def training_section(training: TrainingCurves) -> Markup:
    """Return the section of the training that the model comes from, with its curves and what they say."""
    lowest = " The dotted line is the best epoch on the validation images." if training.reading.best_epoch else ""
    return page.section(
        "How the training went",
        page.paragraphs([training.reading.text]),
        page.figure(
            drawn_curves(training.history, training.reading),
            "Left: the loss on the training and the validation images, epoch by epoch; the lower, the better. The "
            "dashed line is the loss of an answer that is the same for every picture. Right: the figures on the "
            f"validation images.{lowest}",
            900,
        ),
    )
