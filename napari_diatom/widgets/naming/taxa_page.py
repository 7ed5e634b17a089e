"""How many specimens of each taxon are named, how well the others would be, and what would help most."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Final

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QHBoxLayout,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
)

from napari_diatom.core.errors import DiatomError
from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.core.text import many
from napari_diatom.naming.learning_curve import ExpectedGain, TaxonAccuracy
from napari_diatom.project.settings import Settings
from napari_diatom.review.project_names import ProjectNames
from napari_diatom.review.project_specimens import VectorTable
from napari_diatom.review.taken_suggestions import TakenSuggestions, details_of
from napari_diatom.widgets.common.curve_canvas import CurvePlace, OnThemeChange, ink_of, keep_margins
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.text_labels import text_label
from napari_diatom.widgets.naming.names_page import NamesPage, control_row
from napari_diatom.widgets.naming.naming_session import NamingSession

_COLUMNS: Final = {
    "taxon": "The accepted name",
    "named": "How many specimens people have named so",
    "suggested": "For how many specimens without a name it is suggested first",
    "right so far": "How many of the named ones get their name from the others, in %",
    "of": "How many named ones were asked for",
    "95 % interval": "Of the share that is right",
    "taken": "For how many specimens that were named so the first suggestion was taken and still holds, in %",
}
_CURVE_WIDTH, _CURVE_HEIGHT = 340, 120
_CURVE_MARGINS: Final = (64, 48, 12, 10)
"""Left, bottom, right and top of the axes, in pixels."""
_MORE: Final = 10
_TOLD: Final = 3
"""Taxa of which it is said that more of them would help, and remarks on names."""
_MOST_SUGGESTED: Final = 20_000
"""Specimens without a name above which suggestions are not counted."""


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


class TaxaPage(NamesPage):
    """A table of the taxa, and the learning curve.

    Parameters
    ----------
    session : NamingSession
        Knows the names of the project.
    """

    def __init__(self, session: NamingSession) -> None:
        super().__init__("taxa_page", session)
        self._found: list[NamesSoFar] = []
        self.table = named(QTableWidget(0, len(_COLUMNS)), "taxa", spoken="Taxa")
        for column, (title, tip) in enumerate(_COLUMNS.items()):
            item = QTableWidgetItem(title)
            item.setToolTip(tip)
            self.table.setHorizontalHeaderItem(column, item)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSortingEnabled(True)
        self.table.sortItems(0)
        rows, header = self.table.verticalHeader(), self.table.horizontalHeader()
        assert rows is not None
        assert header is not None
        rows.hide()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self._plot = CurvePlace("learning_curve", "Learning curve", _CURVE_HEIGHT, None)
        self._plot.setFixedWidth(_CURVE_WIDTH)
        self._plot.made.connect(self._draw)
        self._text = text_label("taxa_text")
        tip = "Suggest taxa that are common in the sample before rare ones. Otherwise all are taken as equally common"
        self._by_counts = named(QCheckBox("Weigh suggestions by the counts of the sample"), "by_counts", tip)
        self._by_counts.toggled.connect(session.weigh_by_counts)
        row = QHBoxLayout()
        row.addWidget(self.table, 1)
        row.addWidget(self._plot)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addLayout(control_row(self._text, self._by_counts))
        layout.addLayout(row, 1)
        OnThemeChange(self, self._draw)

    def refresh(self) -> None:
        """Work all figures out again, in the background."""
        names, project = self.session.names, self.session.project
        if names is None or project is None:
            return
        now, folder, settings = names.copy(), project.folder, project.settings
        self._text.setText("Working out how good the names are so far")

        def work(monitor: ProgressMonitor) -> Any:
            return *_names_so_far(now, monitor), *_taken(folder, settings, now.specimens.table), now.remarks()

        self.in_background(work, self._take)

    def clear(self) -> None:
        """Show nothing: another project was opened."""
        self._take(([], Counter(), TakenSuggestions(), "", []))

    def _take(self, result: Any) -> None:
        found, suggested, taken, said, remarks = result
        self._found = found
        answers = {one.name: one for one in taken.by_taxon}
        counts = Counter() if self.session.names is None else self.session.names.counts()
        rows: dict[str, TaxonAccuracy] = {}
        for part in found:
            for one in part.accuracies:
                if one.taxon not in rows or rows[one.taxon].named < one.named:
                    rows[one.taxon] = one
        taxa = sorted({*counts, *suggested, *rows, *answers})
        self.table.setSortingEnabled(False)
        self.table.setRowCount(len(taxa))
        for row, taxon in enumerate(taxa):
            one = rows.get(taxon)
            cells: list[str | int] = [taxon, counts[taxon], suggested[taxon], "", "", ""]
            if one is not None and one.asked:
                interval = f"{100 * one.low:.0f} to {100 * one.high:.0f} %" if math.isfinite(one.low) else ""
                cells[3:] = round(100 * one.right / one.asked), one.asked, interval
            answer = answers.get(taxon)
            cells.append("" if answer is None else round(100 * answer.unchanged))
            for column, value in enumerate(cells):
                item = QTableWidgetItem()
                item.setData(Qt.ItemDataRole.DisplayRole, value)
                self.table.setItem(row, column, item)
                if answer is not None:
                    item.setToolTip(details_of(answer))
        self.table.setSortingEnabled(True)
        more = [f"{many(len(remarks) - _TOLD, 'more remark')}: point here."] if len(remarks) > _TOLD else []
        self._text.setText(" ".join(filter(None, [_sentences(found), said, *remarks[:_TOLD], *more])))
        details = (f"{one.name}: {details_of(one)}" for one in taken.by_annotator)
        self._text.setToolTip("<br>".join(map(escape, [*details, *remarks])))
        self._draw()

    def _draw(self) -> None:
        """Draw the learning curve of the largest group."""
        if self._plot.canvas is None:
            if self._found:
                self._plot.load()
            return
        figure, ink = self._plot.canvas.figure, ink_of(self)
        figure.clear()
        found = max(self._found, key=lambda one: sum(a.named for a in one.accuracies), default=None)
        if found is not None and found.curve:
            axes = figure.add_subplot()
            keep_margins(axes, *_CURVE_MARGINS)
            axes.patch.set_alpha(0)
            examples, share, low, high = (list(column) for column in zip(*found.curve, strict=True))
            axes.fill_between(examples, [100 * v for v in low], [100 * v for v in high], color="#56b4e9", alpha=0.25)
            axes.plot(examples, [100 * v for v in share], "o-", color="#56b4e9", markersize=4)
            axes.set(xlabel="examples of each taxon", ylabel="right (%)", ylim=(0, 102), xscale="log")
            axes.set_xticks(examples, [str(number) for number in examples])
            axes.minorticks_off()
            for text in (axes.xaxis.label, axes.yaxis.label):
                text.set_color(ink)
            axes.tick_params(colors=ink)
            for side, line in axes.spines.items():
                line.set_visible(side in ("left", "bottom"))
                line.set_color(ink)
        self._plot.canvas.draw_idle()


def _names_so_far(names: ProjectNames, monitor: ProgressMonitor) -> tuple[list[NamesSoFar], Counter[str]]:
    """Work out the figures of all groups, and count what is suggested. Runs in a thread."""
    shares: dict[str, float] = {}
    suggested: Counter[str] = Counter()
    keys, _ = names.unnamed()
    if len(keys) <= _MOST_SUGGESTED and len(names.named()):
        ranking = names.rank(keys)
        shares = dict(zip(ranking.taxa, ranking.shares.sum(axis=0).tolist(), strict=True))
        # Of the view of some specimens, nothing may be named.
        offered = ranking.shares.max(axis=1, initial=0) > 0
        suggested.update(ranking.taxa[k] for k in ranking.top(1)[offered, 0].tolist())
    found = []
    for one in names.checks(monitor).values():
        monitor.check()
        helped = one.most_helped(shares or None, _MORE)
        found.append(NamesSoFar(one.group, one.right_so_far, one.curve.shares(), helped))
    return found, suggested


def _taken(folder: Path, settings: Settings, table: VectorTable) -> tuple[TakenSuggestions, str]:
    """Return what people took of the suggestions, with a sentence, which may be why that is not known.

    Runs in a thread.
    """
    try:
        taken = TakenSuggestions.of(folder, settings, table)
    except DiatomError as error:
        return TakenSuggestions(), str(error)
    return taken, taken.sentence()


def _sentences(found: Iterable[NamesSoFar]) -> str:
    """Return how many names are right so far, and what would help most."""
    said = []
    for part in sorted(found, key=lambda one: -sum(each.named for each in one.accuracies)):
        right, asked = (sum(getattr(one, name) for one in part.accuracies) for name in ("right", "asked"))
        if asked:
            said.append(f"{part.group}: {100 * right / asked:.0f} % of {asked} are named rightly by the others.")
        gains = [gain for gain in part.helped[:_TOLD] if gain.gain > 0]
        if gains:
            said.append(f"Ten more specimens of {' or '.join(gain.taxon for gain in gains)} would help most.")
    return " ".join(said) or "Nothing is named yet."
