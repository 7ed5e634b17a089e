"""Cross-validation: k models, each tested on slides that it was not trained on; all figures, and their spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from diatom_training.evaluation import plots
from diatom_training.evaluation.chief_figures import definition_rows
from diatom_training.evaluation.report_files import HTML, to_json_value, write_both
from diatom_training.evaluation.summary_text import format_figure
from diatom_training.metrics.definitions import DEFINITIONS, TITLES, Work
from napari_diatom.core.errors import InputError
from napari_diatom.core.proportions import FEWEST
from napari_diatom.core.text import many
from napari_diatom.core.text_files import read_json
from napari_diatom.formats.shared.parsed_specimens import some_of
from napari_diatom.reports import html as page

UNDERSTATED: Final = (
    "The models of the folds share most of their training slides, so the deviation understates how much a model "
    "trained on entirely different slides would differ."
)
TUNED: Final = (
    "Each model's threshold was tuned on slides of the other folds that it was not trained on, never on its own fold."
)
METHOD: Final = (
    "The figures of a fold are those in its report; mean and deviation give the same weight to each fold that has a "
    "value."
)

_NO_SHARES: Final = ("count_error", "error_px")
"""What the names of figures end with that may be above 1."""

_WITHOUT: Final = {
    "precision": ", because the model found nothing",
    "matched_iou": ", because none of its detections is right",
}
"""Why a fold may lack a figure."""


@dataclass(frozen=True)
class Fold:
    """The results of a model on the fold that it was not trained on.

    Attributes
    ----------
    name : str
        Of the fold.
    slides : tuple of str
        Those of the fold.
    images, specimens : int
        How many they have.
    threshold : float
        Of the model, tuned on images out of the other folds; NaN of one that outlines, which has none.
    figures : mapping of str to float
        Its figures by name; NaN where there is nothing to tell.
    """

    name: str
    slides: tuple[str, ...]
    images: int
    specimens: int
    threshold: float
    figures: Mapping[str, float]

    @classmethod
    def read(cls, name: str, slides: Sequence[str], report: Path) -> Fold:
        """Read the report (JSON) of a fold's model.

        Raises
        ------
        InputError
            When it is not there, or damaged.
        """
        if not report.exists():
            raise InputError(f"{report} is missing: train this fold first.")
        data = read_json(report, "the report of a fold")
        try:
            found, naming, outlining = data["detection"], data["naming"], data.get("outlining")
            values = {figure: interval["value"] for figure, interval in data["intervals"].items()}
            if naming:
                values["auc"] = naming["auc"]
            figures = {figure: float("nan") if value is None else float(value) for figure, value in values.items()}
            whole = naming or outlining
            specimens = whole["specimens"] if whole else found["overall"]["specimens"]
            threshold = float("nan") if outlining else (naming or found)["threshold"]
            return cls(name, tuple(slides), int(data["images"]), int(specimens), float(threshold), figures)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise InputError(f"{report} is not the report of a fold: {error!r}.") from error


@dataclass(frozen=True)
class Spread:
    """A figure over the folds that have it.

    Attributes
    ----------
    values : tuple of float
        Of each fold; NaN where it has nothing to tell.
    mean, deviation : float
        Mean and standard deviation (of a sample) of those that are no NaN; the latter is NaN of fewer than two.
    """

    values: tuple[float, ...]
    mean: float
    deviation: float

    @property
    def folds(self) -> int:
        """Number of folds that have it."""
        return sum(value == value for value in self.values)

    def __str__(self) -> str:
        among = f" (of {self.folds} of {len(self.values)} folds)" if self.folds < len(self.values) else ""
        return f"{format_figure(self.mean)} ± {format_figure(self.deviation)}{among}"


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """What k folds say together.

    Attributes
    ----------
    model : str
        What the models are called.
    folds : tuple of Fold
        Each fold.
    spreads : dict of str to Spread
        Of the figures that all folds have. The folds' models share most of their training slides, so the deviation
        understates how much a model trained on other slides would differ.
    remarks : tuple of str
        Which figures some folds do not have; a sentence each.
    """

    model: str
    folds: tuple[Fold, ...]
    spreads: dict[str, Spread]
    remarks: tuple[str, ...] = ()


def cross_validation(model: str, folds: Sequence[Fold]) -> CrossValidation:
    """Return the figures of each fold, and how far they spread.

    Raises
    ------
    InputError
        When there are fewer than two folds, or a slide is in two of them.
    """
    if len(folds) < 2:
        raise InputError(f"A cross-validation needs at least 2 folds, not {len(folds)}.")
    for k, fold in enumerate(folds):
        others = {slide for other in folds[k + 1 :] for slide in other.slides}
        twice = sorted(others & set(fold.slides))
        if twice:
            raise InputError(
                f"Slide {twice[0]} is in two folds; a model would be tested on a slide that it was trained on."
            )
    names = [name for name in folds[0].figures if all(name in fold.figures for fold in folds)]
    spreads = {name: _spread([fold.figures[name] for fold in folds]) for name in names}
    return CrossValidation(model, tuple(folds), spreads, tuple(_remarks(folds, spreads)))


def write_cross_validation(result: CrossValidation, folder: Path) -> tuple[Path, Path]:
    """Write ``report.html`` and ``report.json``, and return their paths; the folds' own reports are linked.

    Raises
    ------
    OutputError
        When a file cannot be written.
    """
    return write_both(folder, _html(result), to_json_value(result))


def summarize(result: CrossValidation) -> str:
    """Return a summary of a cross-validation in one or two sentences."""
    slides = sum(len(fold.slides) for fold in result.folds)
    chief = next(name for name in ("f1", "accuracy", "outline_dice", *result.spreads) if name in result.spreads)
    lines = [
        f"{len(result.folds)} models were trained, each on all slides except those of one fold, and tested on that "
        f"fold: "
        f"{many(slides, 'slide')} with {many(sum(fold.specimens for fold in result.folds), 'specimen')} in all. "
        f"{TITLES[chief]} is {result.spreads[chief]} (mean and standard deviation over the folds).",
        *result.remarks,
    ]
    return " ".join(lines)


def _html(result: CrossValidation) -> str:
    """Return the page."""
    work = _work(result)
    meanings = DEFINITIONS[work]
    names = [fold.name for fold in result.folds]
    rows = [
        (
            TITLES[name],
            format_figure(s.mean),
            format_figure(s.deviation),
            str(s.folds),
            *map(format_figure, s.values),
            meanings[name].meaning,
        )
        for name, s in result.spreads.items()
    ]
    fold_rows = [
        (
            fold.name,
            f"{many(len(fold.slides), 'slide')}: {some_of(fold.slides)}",
            f"{fold.images:,}",
            f"{fold.specimens:,}",
            format_figure(fold.threshold, 2),
        )
        for fold in result.folds
    ]
    title = f"How good are models like {result.model}?"
    shares = {TITLES[name]: s.values for name, s in result.spreads.items() if not name.endswith(_NO_SHARES)}
    body = (
        page.heading(title, f"A cross-validation over {len(names)} folds of whole slides."),
        page.paragraphs([summarize(result)], "summary"),
        page.paragraphs([UNDERSTATED] if len(names) > 2 else [], "note"),
        page.section(
            "Figures",
            page.table(("", "mean", "deviation", "of folds", *names, "meaning"), rows, (0, 4 + len(names))),
            page.figure(plots.plot_fold_figures(shares), "A point per fold; the line is their mean.", 600),
        ),
        page.section(
            "How each figure is computed, and when it misleads",
            page.table(*definition_rows(list(result.spreads), work), (0, 1, 2)),
        ),
        page.section(
            "Folds",
            page.table(("fold", "tested on", "images", "specimens", "threshold"), fold_rows, (0, 1)),
            page.links([(f"The report of {name}", f"{name}/report/{HTML}") for name in names]),
        ),
        page.section(
            "How this was computed",
            page.paragraphs(
                [TUNED, METHOD] if any(fold.threshold == fold.threshold for fold in result.folds) else [METHOD]
            ),
        ),
    )
    return page.document(title, body)


def _work(result: CrossValidation) -> Work:
    """Return what the models do, by the figures that they have."""
    return "name" if "accuracy" in result.spreads else "outline" if "outline_dice" in result.spreads else "find"


def _remarks(folds: Sequence[Fold], spreads: Mapping[str, Spread]) -> list[str]:
    """Say which figures some folds do not have: their means are of the others."""
    few = [fold for fold in folds if fold.specimens < FEWEST]
    lines = []
    if few:
        sizes = ", ".join(f"{fold.name} with {fold.specimens}" for fold in few)
        lines.append(
            f"Folds of fewer than {FEWEST} specimens are too few to tell ({sizes}): use the mean, not single folds."
        )
    for name, spread in spreads.items():
        if spread.folds == len(folds):
            continue
        without = [fold.name for fold, value in zip(folds, spread.values, strict=True) if value != value]
        why = _WITHOUT.get(name, "")
        rest = (
            f"mean and deviation are over the other {spread.folds} of {len(folds)} folds" if spread.folds else "no mean"
        )
        lines.append(f"{TITLES[name]} has no value in {' and '.join(without)}{why}: {rest}.")
    return lines


def _spread(values: Sequence[float]) -> Spread:
    """Return mean and deviation of the values that are no NaN."""
    finite = [value for value in values if value == value]
    return Spread(
        tuple(values),
        float(np.mean(finite)) if finite else float("nan"),
        float(np.std(finite, ddof=1)) if len(finite) > 1 else float("nan"),
    )
