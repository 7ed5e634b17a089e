"""The report of an evaluation: an HTML file for people, a JSON file for programs; same figures, same bytes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from markupsafe import Markup

from diatom_training.evaluation import plots
from diatom_training.evaluation.evaluation import Evaluation
from diatom_training.evaluation.mistakes import Kind
from diatom_training.evaluation.summary_text import amount, format_figure, percent, span, summary
from diatom_training.evaluation.training_curves import TrainingCurves, drawn_curves
from diatom_training.metrics.bootstrap import Bootstrap, Interval
from diatom_training.metrics.class_map_figures import MapFigures
from diatom_training.metrics.coco_evaluator import Shape
from diatom_training.metrics.detection_figures import TITLES as FOUND_TITLES
from diatom_training.metrics.detection_figures import DetectionFigures, Found
from diatom_training.metrics.naming_figures import NamingFigures
from diatom_training.metrics.paired_test import EXACT, Comparison, chance_text
from diatom_training.metrics.proportions import FEWEST, wilson
from diatom_training.metrics.reliability import Calibration
from diatom_training.metrics.test_cases import Units
from napari_diatom.core.atomic_files import reason, write_atomically
from napari_diatom.core.errors import OutputError
from napari_diatom.core.taxa import genus_of
from napari_diatom.reports import html as page

HTML: Final = "report.html"
JSON: Final = "report.json"

_SHAPES: Final[Mapping[Shape, str]] = {
    "boxes": "upright boxes, by their coordinates",
    "oriented-boxes": "oriented boxes, by the pixels that they cover",
    "masks": "masks, by their pixels",
}
MEANINGS: Final = {
    "precision": "share of the detections that are specimens",
    "recall": "share of the specimens that are found",
    "f1": "precision and recall in one number: 1 is perfect",
    "ap50": "average precision over all thresholds, at an overlap of 0.5",
    "ap50_95": "the same, mean over overlaps of 0.5 to 0.95: how exact the outlines are",
    "map50": "mean of the classes' AP50: the name must be right, too",
    "map50_95": "the same, mean over overlaps of 0.5 to 0.95",
    "count_error": "mean error of the count of a slide (or image)",
    "iou": "pixels that are diatom in both annotation and map, divided by pixels that are diatom in either",
    "dice": "twice the pixels that are diatom in both, divided by the sum of the two",
    "miou": "mean IoU of the classes, background included",
    "pixel_accuracy": "share of the pixels that are right",
    "accuracy": "share of the specimens with the right name",
    "auc": "how well a class is separated from the others; 0.5 is chance",
}
"""What they say."""
TITLES: Final = FOUND_TITLES | {
    "iou": "IoU of diatoms",
    "dice": "Dice of diatoms",
    "miou": "mIoU",
    "pixel_accuracy": "Pixel accuracy",
    "accuracy": "Accuracy",
    "auc": "AUC-ROC",
}
"""What all figures with intervals are called."""
NAMING_MEANINGS: Final = {
    "precision": "share of the names given that are right; mean of the classes",
    "recall": "share of a class that gets the right name; mean of the classes",
    "f1": "precision and recall in one number; mean of the classes",
}
"""The same of names."""
_MISTAKES: Final[Mapping[Kind, str]] = {
    "missed": "Missed specimens, the longest first",
    "false": "False detections, the most confident first",
    "misnamed": "Wrong names, the most confident first",
    "size": "Wrong lengths, the worst first",
}


def write_report(evaluation: Evaluation, folder: Path) -> tuple[Path, Path]:
    """Write ``report.html`` and ``report.json``, each whole or not at all, and return their paths.

    Raises
    ------
    OutputError
        When a file cannot be written.
    """
    return write_both(folder, html(evaluation), to_json(evaluation))


@contextlib.contextmanager
def ready(folder: Path) -> Iterator[None]:
    """Make the folder of a report and try to write there, before long work and not after it.

    Folders that were made are taken away again where the work comes to nothing.

    Raises
    ------
    OutputError
        When the folder cannot be made, or not be written into.
    """
    made = [part for part in (folder, *folder.parents) if not part.exists()]
    probe = folder / f".{HTML}.part"
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise OutputError(f"The report cannot be written to {folder}: {reason(error)}") from error
        taken = [path for path in (folder / HTML, folder / JSON) if path.is_dir()]
        if taken:
            raise OutputError(f"The report cannot be written: {taken[0]} is a folder.")
        yield
    except BaseException:
        for part in made:
            with contextlib.suppress(OSError):
                part.rmdir()
        raise


def write_both(folder: Path, text: str, data: Mapping[str, Any]) -> tuple[Path, Path]:
    """Write a page and the same as data, and return their paths. Raises OutputError when a file cannot be written."""
    paths = folder / HTML, folder / JSON
    write_atomically(paths[0], text)
    write_atomically(paths[1], json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    return paths


def write_comparison(comparison: Comparison, folder: Path) -> tuple[Path, Path]:
    """Write the comparison of two models as ``report.html`` and ``report.json``, and return their paths.

    Raises
    ------
    OutputError
        When a file cannot be written.
    """
    rows = [
        (
            TITLES.get(row.figure, row.figure),
            format_figure(row.first),
            format_figure(row.second),
            format_figure(row.difference.value),
            span(row.difference),
            chance_text(row.p),
            chance_text(row.p_corrected),
            "-" if row.p != row.p else "yes" if row.real else "no",
        )
        for row in comparison.differences
    ]
    names, units, options = comparison.names, comparison.units, comparison.bootstrap
    interval = f"{100 * options.level:g} % interval"
    header = ("", *names, "difference", interval, "p", "p, corrected", "more than chance")
    title = f"{names[0]} and {names[1]} on the same {units.description}"
    body = (
        page.heading(title, "Which of two models is better, and whether the difference is more than chance."),
        page.paragraphs([row.words for row in comparison.differences], "summary"),
        page.paragraphs(comparison.remarks, "note"),
        page.table(header, rows),
        page.section("How this was computed", page.paragraphs([_resampled(units, options), *_swapped(units, options)])),
    )
    data = {
        "models": list(names),
        "units": {"kind": units.kind, "number": len(units)},
        "bootstrap": to_json_value(options),
        "differences": to_json_value(comparison.differences),
        "remarks": list(comparison.remarks),
    }
    return write_both(folder, page.document(title, body), data)


def to_json(evaluation: Evaluation) -> dict[str, Any]:
    """Return an evaluation as plain data, without the pictures and the single sizes; NaN becomes None."""
    data: dict[str, Any] = to_json_value(evaluation)
    data["units"] = {"kind": evaluation.units.kind, "number": len(evaluation.units)}
    data["summary"] = summary(evaluation)
    for shown in data["mistakes"]:
        del shown["jpeg"]
    if evaluation.detection:
        for sizes in data["detection"]["sizes"]:
            sizes["specimens"] = len(sizes.pop("truth"))
            del sizes["found"]
    if evaluation.naming:
        for part in data["naming"]["classes"]:
            del part["false_alarms"], part["hits"]
    return data


def to_json_value(value: Any) -> Any:
    """Return dataclasses and arrays as values for :func:`json.dumps`; NaN and infinity become None."""
    if is_dataclass(value):
        return {part.name: to_json_value(getattr(value, part.name)) for part in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): to_json_value(item) for name, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return to_json_value(value.tolist())
    if isinstance(value, list | tuple):
        return [to_json_value(item) for item in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def html(evaluation: Evaluation) -> str:
    """Return an evaluation as one page."""
    about = evaluation.about
    title = f"How good is {about.title}?"
    parts = [
        page.heading(title, "An evaluation on annotated images."),
        page.paragraphs(summary(evaluation), "summary"),
        page.paragraphs(evaluation.remarks, "note"),
        page.section("Figures", page.table(*chief_figures(evaluation), (0, 4))),
    ]
    if evaluation.detection:
        parts += _of_detection(evaluation, evaluation.detection)
    if evaluation.maps:
        parts.append(_of_maps(evaluation.maps))
    if evaluation.naming:
        parts += _of_naming(evaluation.naming)
    parts.append(_of_mistakes(evaluation))
    if evaluation.training:
        parts.append(_of_training(evaluation.training))
    parts.append(page.section("How this was computed", page.paragraphs(_method(evaluation))))
    return page.document(title, parts)


def chief_figures(evaluation: Evaluation) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return header and rows of the chief figures.

    Of each what it is called, its value, its interval, how many specimens or finds it is of, and what it says.
    """
    meanings = MEANINGS | (NAMING_MEANINGS if evaluation.naming else {})
    rows: list[tuple[str, ...]] = [
        (TITLES[name], format_figure(interval.value), span(interval), amount(interval), meanings[name])
        for name, interval in evaluation.intervals.items()
    ]
    naming = evaluation.naming
    if naming:
        every = naming.specimens
        of_genera = sum(part.specimens for part in naming.classes if genus_of(part.name))
        named = round(naming.named * every) if naming.named == naming.named else 0
        sure = f"share that gets a name: probability of at least {naming.threshold:.2f}"
        cells = (
            ("Top 3", naming.top3, every, "share with the right name among the three most probable"),
            ("Right genera", naming.genus_accuracy, of_genera, "share of the specimens with the right genus"),
            ("Named", naming.named, every, sure),
            ("Right when named", naming.precision_named, named, "share of the given names that are right"),
        )
        if naming.auc == naming.auc:
            rows.append((TITLES["auc"], format_figure(naming.auc), "-", f"{every:,}", MEANINGS["auc"]))
        for title, value, of, meaning in cells:
            if value == value:
                interval = Interval(value, *wilson(round(value * of), of, evaluation.bootstrap.level), of)
                rows.append((title, format_figure(value), span(interval), amount(interval), meaning))
    return ("", "value", f"{100 * evaluation.bootstrap.level:g} % interval", "of", "meaning"), rows


def _of_detection(evaluation: Evaluation, figures: DetectionFigures) -> list[Markup]:
    """Return the sections of a model that finds specimens."""
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
            *(format_figure(value) for value in (part.precision, part.recall, part.f1, part.ap50, part.ap50_95)),
        )
        for name, part in zip(names, parts, strict=True)
    ]
    several = figures.classes if len(figures.names.every) > 1 else ()
    unit = evaluation.units.kind.removesuffix("s")
    return [
        page.section(
            "By class" if several else "Specimens",
            page.table(header, rows),
            page.figure(
                plots.precision_recall(figures.overall, several),
                "Precision against recall at an overlap of 0.5, from the strictest threshold on the left to the "
                "loosest on the right. The area below a curve is its AP50.",
                600,
            ),
        ),
        page.section("Confusion matrix", _confusion(figures)),
        page.section("Counts and sizes", _counts(figures, unit), _sizes(figures)),
        page.section("Are the scores reliable?", _calibrated(figures.calibration)),
    ]


def _confusion(figures: DetectionFigures) -> Markup:
    """Return the confusion matrix of specimens, those of classes that play no part left out."""
    table, names = figures.confusion, figures.names
    rows = np.flatnonzero((table.sum(axis=0) + table.sum(axis=1) > 0) | (np.arange(len(table)) == 0))
    # What the model does not know it cannot find.
    columns = rows[rows <= len(names.known)]
    picture = plots.confusion_matrix(
        table[np.ix_(rows, columns)],
        [("nothing", *names.every)[k] for k in rows],
        [("missed", *names.every)[k] for k in columns],
    )
    return page.figure(
        picture,
        "Rows: what there is; columns: what it was found as, at the threshold. The first column is what was missed, "
        "the first row what was found where there is nothing. The darker, the larger the share of the row.",
        min(80 * len(columns) + 260, 900),
    )


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


def _calibrated(calibration: Calibration) -> Markup:
    """Return the reliability diagram with its error."""
    if calibration.error != calibration.error:
        return page.paragraphs(["Nothing was found, so there are no scores."])
    return page.figure(
        plots.reliability(calibration),
        "How often detections with a given score are right. On the dashed line a score of 0.8 is right in 8 of 10 "
        "cases; below it "
        f"the model is overconfident. The two are {format_figure(calibration.error)} apart on average (the expected "
        "calibration error).",
        430,
    )


def _of_maps(maps: MapFigures) -> Markup:
    """Return the section of class maps."""
    rows = [(part.name, f"{part.pixels:,}", format_figure(part.iou), format_figure(part.dice)) for part in maps.classes]
    rows.append(("mean", "", format_figure(maps.miou), format_figure(maps.mean_dice)))
    return page.section("Pixels", page.table(("class", "annotated pixels", "IoU", "Dice"), rows))


def _of_naming(naming: NamingFigures) -> list[Markup]:
    """Return the sections of a model that names cut-outs."""
    rows = [
        (
            part.name,
            f"{part.specimens:,}",
            f"{part.named:,}",
            *(format_figure(value) for value in (part.precision, part.recall, part.f1, part.auc)),
        )
        for part in sorted(naming.classes, key=lambda part: -part.specimens)
    ]
    names = [part.name for part in naming.classes]
    curves = [part for part in naming.classes if len(part.hits)]
    picture = page.figure(
        plots.roc(curves),
        "ROC curves: how many of the other specimens would get a name too, were the least probability lowered until "
        "that share of its class gets it.",
        600,
    )
    return [
        page.section(
            "By class",
            page.table(("class", "specimens", "given this name", "precision", "recall", "F1", "AUC"), rows),
            picture if curves else "",
        ),
        page.section(
            "Confusion matrix",
            page.figure(
                plots.confusion_matrix(naming.confusion, names, names),
                "Rows: what there is; columns: what it was named. The darker, the larger the share of the row.",
                min(80 * len(names) + 260, 900),
            ),
        ),
        page.section("Are the probabilities reliable?", _calibrated(naming.calibration)),
    ]


def _of_mistakes(evaluation: Evaluation) -> Markup:
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
        parts.insert(0, page.legend(with_found=evaluation.detection is not None))
    return page.section("The worst mistakes", *parts)


def _of_training(training: TrainingCurves) -> Markup:
    """Return the section of the training that the model comes from, with its curves and what they say."""
    lowest = " The dotted line is the epoch of the lowest validation loss." if training.reading.best_epoch else ""
    return page.section(
        "How the training went",
        page.paragraphs([training.reading.text]),
        page.figure(
            drawn_curves(training.history, training.reading),
            "Left: the loss on the training and the validation images, epoch by epoch; the lower, the better. Right: "
            f"the figures on the validation images.{lowest}",
            900,
        ),
    )


def _method(evaluation: Evaluation) -> list[str]:
    """Say how the figures came about."""
    about = evaluation.about
    lines = [
        _resampled(evaluation.units, evaluation.bootstrap),
        "The interval of a share of specimens or detections is at least as wide as Wilson's score interval (1927), "
        "which "
        f"treats them as independent. Figures from fewer than {FEWEST} are marked as too few to tell.",
    ]
    if evaluation.detection:
        figures = evaluation.detection
        lines += [
            f"The threshold is {about.threshold_from}: {figures.threshold:.2f}. A threshold tuned on the images of a "
            f"report makes a model look better than it is.",
            f"The evaluation compares {_SHAPES[figures.shape]}. Detections are matched with the annotations by COCO's "
            f"evaluator, best score first: a detection is right if it shares at least half of the union of both with "
            f"a specimen that no better detection has matched. Average precision is COCO's, with 101 recalls; other "
            f"programs, such as Ultralytics, "
            "interpolate in other ways, and differ in the third digit. Sizes leave out specimens cut by the "
            "image's edge.",
        ]
    if evaluation.naming:
        lines.append(
            "Accuracy, precision, recall, F1, AUC-ROC and calibration error are those of torchmetrics; means over "
            "classes give each class the same weight. A specimen counts as the likeliest name, however unsure; below "
            f"{format_figure(evaluation.naming.threshold, 2)} no name is given when the model is used. That "
            f"threshold is {about.threshold_from}."
        )
    if about.sha256:
        lines.append(f"SHA-256 of the model's weights: {about.sha256}")
    return lines


def _resampled(units: Units, options: Bootstrap) -> str:
    """Say where the intervals come from."""
    if len(units) < 2:
        return "There are no bootstrap intervals: they need at least two images."
    return (
        f"The intervals are {100 * options.level:g} % bootstrap intervals: {options.resamples:,} times, "
        f"{units.description} were drawn with replacement and all figures computed again "
        f"(seed {options.seed})."
    )


def _swapped(units: Units, options: Bootstrap) -> list[str]:
    """Say where the p values of a comparison come from."""
    if len(units) < 2:
        return []
    ways = f"in all {2 ** len(units):,} ways" if len(units) <= EXACT else f"{options.resamples:,} times by chance"
    return [
        f"p is the share of the cases with as large a difference when the two models are swapped on some of the "
        f"{units.kind}, {ways} (sign-flip permutation test; Fisher 1935, Good 2005).",
        "Among many figures some look better by chance. So p is corrected for their number by Holm's method (1979), "
        f"and a difference is called real if the corrected p is at most {1 - options.level:.2g}.",
        "Means over classes include only the classes that both models know.",
    ]
