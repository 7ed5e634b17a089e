"""How many specimens of each taxon are named, how well the others would be, and what would help most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any, Final

from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QTableView, QVBoxLayout

from napari_diatom.core.errors import DiatomError
from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.core.text import many
from napari_diatom.project.settings import Settings
from napari_diatom.review.project_names import ProjectNames
from napari_diatom.review.project_specimens import VectorTable
from napari_diatom.review.taken_suggestions import TakenSuggestions, details_of
from napari_diatom.widgets.common.curve_canvas import CurvePlace, OnThemeChange, ink_of, keep_margins
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.row_model import show_rows
from napari_diatom.widgets.common.text_labels import text_label
from napari_diatom.widgets.naming.names_page import NamesPage, control_row
from napari_diatom.widgets.naming.naming_session import NamingSession
from napari_diatom.widgets.naming.taxa_rows import NamedTaxa, NamesSoFar, taxon_rows

_CURVE_WIDTH, _CURVE_HEIGHT = 340, 120
_CURVE_MARGINS: Final = (64, 48, 12, 10)
"""Left, bottom, right and top of the axes, in pixels."""
_MORE: Final = 10
_TOLD: Final = 3
"""Taxa of which it is said that more of them would help, and remarks on names."""
_MOST_SUGGESTED: Final = 20_000
"""Specimens without a name above which suggestions are not counted."""


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
        self.rows = NamedTaxa(self)
        self.table = named(QTableView(), "taxa", spoken="Taxa")
        show_rows(self.table, self.rows, 0, is_sorted=True)
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
        counts = Counter() if self.session.names is None else self.session.names.counts()
        self.rows.set_rows(taxon_rows(found, counts, suggested, taken))
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
