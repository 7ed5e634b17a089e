"""The report of an evaluation: an HTML file for people, a JSON file for programs; same figures, same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diatom_training.evaluation.chief_figures import chief_figures, chief_intervals, few_figures
from diatom_training.evaluation.curve_plots import curve_plots
from diatom_training.evaluation.evaluation import Evaluation
from diatom_training.evaluation.figure_files import write_figure_files
from diatom_training.evaluation.method_text import method, resampling, swapping
from diatom_training.evaluation.report_files import to_json_value, write_both
from diatom_training.evaluation.report_sections import (
    definition_section,
    detection_sections,
    map_section,
    mistake_section,
    naming_sections,
    training_section,
)
from diatom_training.evaluation.summary_text import format_figure, span, summary
from diatom_training.metrics.definitions import TITLES
from diatom_training.metrics.froc import RATES
from diatom_training.metrics.paired_test import Comparison, chance_text
from napari_diatom.reports import html as page


def write_report(evaluation: Evaluation, folder: Path) -> tuple[Path, Path]:
    """Write ``report.html`` and ``report.json``, each whole or not at all, and return their paths.

    Beside them lie ``figures.csv`` and ``curves.csv``.

    Raises
    ------
    OutputError
        When a file cannot be written.
    """
    written = write_both(folder, html(evaluation), to_json(evaluation))
    write_figure_files(evaluation, folder)
    return written


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
        page.section("How this was computed", page.paragraphs([resampling(units, options), *swapping(units, options)])),
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
        for part in (data["detection"]["overall"], *data["detection"]["classes"]):
            del part["thresholds"]
    if evaluation.froc:
        data["froc"] = {name: data["froc"][name] for name in ("fields", "at", "score")} | {"rates": list(RATES)}
    if evaluation.naming:
        for part in data["naming"]["classes"]:
            ranking = part.pop("ranking")
            part |= {name: ranking[name] for name in ("auc", "average_precision")}
    data["curves"] = to_json_value(curve_plots(evaluation))
    meanings = evaluation.definitions()
    data["definitions"] = {name: to_json_value(meanings[name]) for name in chief_intervals(evaluation)}
    return data


def html(evaluation: Evaluation) -> str:
    """Return an evaluation as one page."""
    about = evaluation.about
    title = f"How good is {about.title}?"
    parts = [
        page.heading(title, "An evaluation on annotated images."),
        page.paragraphs(summary(evaluation), "summary"),
        page.paragraphs(evaluation.remarks, "note"),
        page.section(
            "Figures", page.table(*chief_figures(evaluation), (0, 4)), page.paragraphs(few_figures(evaluation))
        ),
        definition_section(evaluation),
    ]
    if evaluation.detection:
        parts += detection_sections(evaluation, evaluation.detection)
    if evaluation.maps:
        parts.append(map_section(evaluation.maps))
    if evaluation.naming:
        parts += naming_sections(evaluation, evaluation.naming)
    parts.append(mistake_section(evaluation))
    if evaluation.training:
        parts.append(training_section(evaluation.training))
    parts.append(page.section("How this was computed", page.paragraphs(method(evaluation))))
    return page.document(title, parts)
