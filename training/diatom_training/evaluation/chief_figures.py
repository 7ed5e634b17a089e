"""The chief figures of an evaluation as rows of a table, and what they mean."""

from __future__ import annotations

from collections.abc import Sequence

from diatom_training.evaluation.evaluation import Evaluation
from diatom_training.evaluation.summary_text import amount, format_figure, span
from diatom_training.metrics.bootstrap import Interval
from diatom_training.metrics.definitions import DEFINITIONS, Work
from napari_diatom.core.proportions import few_note, wilson
from napari_diatom.core.taxa import genus_of


def chief_intervals(evaluation: Evaluation) -> dict[str, Interval]:
    """Return the chief figures by their names, with their intervals and how many specimens or finds they are of."""
    found = dict(evaluation.intervals)
    if evaluation.froc:
        found["froc"] = evaluation.froc.score
    naming = evaluation.naming
    if naming:
        every = naming.specimens
        of_genera = sum(part.specimens for part in naming.classes if genus_of(part.name))
        named = round(naming.named * every) if naming.named == naming.named else 0
        shares = (
            ("top3", naming.top3, every),
            ("genus_accuracy", naming.genus_accuracy, of_genera),
            ("named", naming.named, every),
            ("precision_named", naming.precision_named, named),
        )
        for name, value, of in shares:
            if value == value:
                found[name] = Interval(value, *wilson(round(value * of), of, evaluation.bootstrap.level), of)
    return found


def chief_figures(evaluation: Evaluation) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return header and rows of the chief figures.

    Of each what it is called, its value, its interval, how many specimens or finds it is of, and what it says.
    """
    meanings = evaluation.definitions()
    rows: list[tuple[str, ...]] = [
        (meanings[name].title, format_figure(figure.value), span(figure), amount(figure), meanings[name].meaning)
        for name, figure in chief_intervals(evaluation).items()
    ]
    return ("", "value", f"{100 * evaluation.bootstrap.level:g} % interval", "of", "meaning"), rows


def few_figures(evaluation: Evaluation) -> list[str]:
    """Return a remark for the table of chief figures if some are of too few specimens or finds, else none."""
    note = few_note(figure.of for figure in chief_intervals(evaluation).values())
    return [note] if note else []


def definition_rows(names: Sequence[str], work: Work) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return header and rows of what figures mean: what each is called, its formula, and when it misleads."""
    given = dict.fromkeys(DEFINITIONS[work][name] for name in names)
    rows = {one.title.removesuffix(", true boxes"): (one.formula, one.misleads) for one in given}
    return ("figure", "formula", "when it misleads"), [(title, *cells) for title, cells in rows.items()]
