"""*Check names*: those that may be wrong are accepted or corrected by a key."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QLabel, QPushButton, QSlider, QVBoxLayout
from superqt.utils import signals_blocked

from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.core.text import many
from napari_diatom.naming.doubtful_names import Doubt, DoubtfulName, MixedPair
from napari_diatom.project.gallery_order import Entry
from napari_diatom.review.name_checks import NameChecks
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.pictured_specimens import PictureView
from napari_diatom.widgets.naming.names_page import NamesPage, control_row, keys_of, page_shortcut
from napari_diatom.widgets.naming.naming_session import NamingSession

_USUAL: Final = 50
_SLIDER: Final = 160
_LETTERS: Final = 26
_ALL: Final = "all doubtful names"
_ONLY: Final = {
    "": _ALL,
    Doubt.NEIGHBOURS: "neighbours bear another name",
    Doubt.UNTYPICAL: "least typical of their taxon",
}


class CheckPage(NamesPage):
    """Shows names that may be wrong, the most doubtful first, with the name that a specimen may have instead.

    Parameters
    ----------
    session : NamingSession
        Knows the names of the project.
    """

    def __init__(self, session: NamingSession) -> None:
        super().__init__("check_page", session)
        self._doubtful: list[DoubtfulName] = []
        self._pairs: list[MixedPair] = []
        self._shown: list[DoubtfulName] = []
        self._accepted: set[tuple[str, str]] = set()
        self._only = named(QComboBox(), "check_only", "Why names are doubted, or two taxa that are mixed up", "Doubts")
        self._slider = named(QSlider(Qt.Orientation.Horizontal), "check_slider", spoken="Least doubt")
        self._slider.setRange(0, 100)
        self._slider.setValue(_USUAL)
        self._slider.setFixedWidth(_SLIDER)
        self._only.setMinimumContentsLength(_LETTERS)
        tip = "How doubtful a name is at least: to the left more names are shown"
        self._slider.setToolTip(tip)
        self._accept = named(QPushButton("Keep (A)"), "check_accept", "The names of the selected specimens are right")
        self._correct = named(
            QPushButton("Correct (X)"), "check_correct", "Give the selected specimens the name below them"
        )
        self._text = named(QLabel(), "check_text")
        self.view = PictureView("check", "Specimens whose names may be wrong")
        self.view.opened.connect(self.go_to)
        self._only.currentIndexChanged.connect(lambda *_: self._show())
        self._slider.valueChanged.connect(lambda *_: self._show())
        self._accept.clicked.connect(lambda *_: self.accept())
        self._correct.clicked.connect(lambda *_: self.correct())
        page_shortcut("A", self, self.accept)
        page_shortcut("X", self, self.correct)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addLayout(control_row(self._text, self._only, self._slider, self._accept, self._correct))
        layout.addWidget(self.view, 1)

    def refresh(self) -> None:
        """Check all names in the background."""
        names = self.session.names
        if names is None:
            return
        now = names.copy()
        self._text.setText("Checking the names")
        self.in_background(lambda monitor: _checked(now.checks().values(), monitor), self._take)

    def accept(self) -> None:
        """Keep the names of the selected specimens: they are not doubted again while they have them."""
        rows = self.view.selected_rows()
        self._accepted |= {(self._shown[row].key, self._shown[row].taxon) for row in rows}
        self._show(rows[0] if rows else 0)

    def correct(self) -> None:
        """Give the selected specimens the names that they may have instead."""
        rows = self.view.selected_rows()
        self.session.name_each((self.view.specimens.entry(row), self._shown[row].offered) for row in rows)
        corrected = {self._shown[row].key for row in rows}
        self._doubtful = [one for one in self._doubtful if one.key not in corrected]
        self._show(rows[0] if rows else 0)

    def clear(self) -> None:
        """Show nothing: another project was opened."""
        self._accepted = set()
        self._take(([], []))

    def chosen(self) -> list[Entry]:
        """Return the selected specimens."""
        return self.view.selected()

    def _take(self, found: Any) -> None:
        # The next key must mean the specimen that was selected, not the one that lies at its place now.
        kept = keys_of(self.view.selected())
        self._doubtful, self._pairs = found
        chosen = self._only.currentText()
        with signals_blocked(self._only):
            self._only.clear()
            for doubt, title in _ONLY.items():
                self._only.addItem(title, doubt)
            for pair in self._pairs:
                share = f"{pair.mixed} of {pair.of}, {100 * pair.low:.0f} to {100 * pair.high:.0f} %"
                self._only.addItem(f"{pair.first} or {pair.second}: {share}", pair)
            self._only.setCurrentIndex(max(self._only.findText(chosen), 0))
        self._show(kept=kept)

    def _show(self, row: int = 0, kept: Collection[str] = ()) -> None:
        """Show the doubtful names, and select those that are kept, else one, so that a key answers for it."""
        wanted, least = self._only.currentData(), self._slider.value() / 100
        found = [
            one
            for one in self._doubtful
            if (one.key, one.taxon) not in self._accepted and _is_of(one, wanted) and one.doubt >= least
        ]
        entries = {key: entry for entry in self.entries(one.key for one in found) for key in keys_of([entry])}
        # A name may have been changed since the names were checked.
        self._shown = [one for one in found if one.key in entries]
        notes = [f"{one.offered}? {100 * one.doubt:.0f} %" for one in self._shown]
        self.view.specimens.set_entries(self.session.project, [entries[one.key] for one in self._shown], notes)
        if self._shown:
            rows = [k for k, one in enumerate(self._shown) if one.key in kept]
            first = rows[0] if rows else min(row, len(self._shown) - 1)
            self.view.setCurrentIndex(self.view.specimens.index(first))
            self.view.select(rows)
            self._text.setText(f"{many(len(self._shown), 'name')} may be wrong. Below each is what it may be instead.")
        else:
            self._text.setText("No name is that doubtful.")


def _is_of(one: DoubtfulName, wanted: Any) -> bool:
    """Return whether a doubt is of a kind, or about a pair of taxa."""
    if isinstance(wanted, MixedPair):
        return {one.taxon, one.offered} == {wanted.first, wanted.second}
    return not wanted or one.reason == wanted


def _checked(checks: Iterable[NameChecks], monitor: ProgressMonitor) -> tuple[list[DoubtfulName], list[MixedPair]]:
    """Return doubtful names and mixed-up pairs of all groups. Runs in a thread."""
    doubtful: list[DoubtfulName] = []
    pairs: list[MixedPair] = []
    for one in checks:
        monitor.check()
        doubtful += one.doubtful
        pairs += one.mixed_up
    return sorted(doubtful, key=lambda one: -one.doubt), pairs
