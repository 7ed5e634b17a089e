"""What is known of the names of each taxon, as rows of a table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from qtpy.QtWidgets import QWidget

from napari_diatom.naming.learning_curve import ExpectedGain, TaxonAccuracy
from napari_diatom.review.taken_suggestions import TakenSuggestions, details_of
from napari_diatom.widgets.common.row_model import RowModel

_COLUMNS: Final = {
    "taxon": "The accepted name",
    "named": "How many specimens people have named so",
    "suggested": "For how many specimens without a name it is suggested first",
    "right so far": "How many of the named ones get their name from the others, in %",
    "of": "How many named ones were asked for",
    "95 % interval": "Of the share that is right",
    "taken": "For how many specimens that were named so the first suggestion was taken and still holds, in %",
}


@dataclass(frozen=True)
class NamesSoFar:
    """What is known of the names of one group.

    Attributes
    ----------
    group : str
        What the specimens are.
    accuracies : tuple of TaxonAccuracy
        How often each taxon is named rightly.
    curve : list of (int, float, float, float)
        Numbers of examples with the share of names that is right, and its interval.
    helped : tuple of ExpectedGain
        Of which taxa more examples would help, the most helped first.
    """

    group: str
    accuracies: tuple[TaxonAccuracy, ...]
    curve: list[tuple[int, float, float, float]]
    helped: tuple[ExpectedGain, ...]


@dataclass(frozen=True)
class TaxonRow:
    """A row of the table.

    Attributes
    ----------
    cells : tuple of str or int
        One for each column.
    details : str
        What people took of the suggestions; empty where they took none.
    """

    cells: tuple[str | int, ...]
    details: str


class NamedTaxa(RowModel[TaxonRow]):
    """The taxa of a project for a table.

    Parameters
    ----------
    parent : QWidget, optional
        Its owner.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(_COLUMNS, 1, parent)

    def key(self, row: TaxonRow) -> str:
        """Return the name of the taxon."""
        return str(row.cells[0])

    def cells(self, row: TaxonRow) -> tuple[str | int, ...]:
        """Return name, how many are named and suggested, how many of how many are right, and what was taken."""
        return row.cells

    def explained(self, row: TaxonRow) -> str:
        """Return what people took of the suggestions."""
        return row.details


def taxon_rows(
    found: Iterable[NamesSoFar], named: Mapping[str, int], suggested: Mapping[str, int], taken: TakenSuggestions
) -> list[TaxonRow]:
    """Return the rows of all taxa that are named or suggested.

    Parameters
    ----------
    found : iterable of NamesSoFar
        Of each group. Of a taxon that several have, that with most named specimens is shown.
    named, suggested : mapping of str to int
        Specimens of each taxon.
    taken : TakenSuggestions
        What people took.
    """
    answers = {one.name: one for one in taken.by_taxon}
    known: dict[str, TaxonAccuracy] = {}
    for part in found:
        for one in part.accuracies:
            if one.taxon not in known or known[one.taxon].named < one.named:
                known[one.taxon] = one
    rows = []
    for taxon in sorted({*named, *suggested, *known, *answers}):
        cells: list[str | int] = [taxon, named.get(taxon, 0), suggested.get(taxon, 0), "", "", ""]
        accuracy, answer = known.get(taxon), answers.get(taxon)
        if accuracy is not None and accuracy.asked:
            is_known = math.isfinite(accuracy.low)
            interval = f"{100 * accuracy.low:.0f} to {100 * accuracy.high:.0f} %" if is_known else ""
            cells[3:] = round(100 * accuracy.right / accuracy.asked), accuracy.asked, interval
        cells.append("" if answer is None else round(100 * answer.unchanged))
        rows.append(TaxonRow(tuple(cells), "" if answer is None else details_of(answer)))
    return rows
