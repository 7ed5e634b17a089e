"""*Show more like this*: one or several specimens rank all others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from qtpy.QtWidgets import QCheckBox, QLabel, QPushButton, QVBoxLayout

from napari_diatom.core.errors import DiatomError
from napari_diatom.core.text import many
from napari_diatom.project.gallery_order import Entry
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.pictured_specimens import PictureView
from napari_diatom.widgets.naming.names_page import NamesPage, control_row, keys_of
from napari_diatom.widgets.naming.naming_session import NamingSession

_RANKED: Final = 1000
"""Specimens that are shown at most."""
_NOTHING: Final = "Select a specimen in the image, in the gallery or here, and press Show more like this."


class SimilarPage(NamesPage):
    """Ranks specimens by their similarity to chosen ones.

    Parameters
    ----------
    session : NamingSession
        Knows the names of the project.
    selected : callable
        Returns the keys of the specimens that are selected in the image.
    """

    def __init__(self, session: NamingSession, selected: Callable[[], Sequence[str]]) -> None:
        super().__init__("similar_page", session)
        self._selected = selected
        self._like: list[str] = []
        self._more = named(
            QPushButton("Show more like this"),
            "more_like_this",
            "Rank all specimens by their similarity to those that are selected here, or in the image",
        )
        self._unnamed = named(QCheckBox("only without a name"), "similar_unnamed")
        self._unnamed.setChecked(True)
        self._proposals = named(
            QCheckBox("with proposals"), "similar_proposals", "Rank proposals of models too, whatever their score"
        )
        self._proposals.setChecked(True)
        self._up_to_here = named(
            QPushButton("Select all up to here"),
            "up_to_here",
            "Select all specimens from the first to the selected one. Name then names all of them",
        )
        self._text = named(QLabel(_NOTHING), "similar_text")
        self.view = PictureView("similar", "Specimens, the most similar first")
        self.view.opened.connect(self.go_to)
        self._more.clicked.connect(lambda *_: self.show_like())
        self._up_to_here.clicked.connect(lambda *_: self.select_up_to_here())
        for box in (self._unnamed, self._proposals):
            box.toggled.connect(lambda *_: self.refresh())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addLayout(control_row(self._text, self._more, self._unnamed, self._proposals, self._up_to_here))
        layout.addWidget(self.view, 1)

    def show_like(self, keys: Sequence[str] = ()) -> None:
        """Rank specimens by their similarity to some, by default to those that are selected here or in the image."""
        chosen = list(keys) or keys_of(self.view.selected()) or list(self._selected())
        if not chosen:
            self._text.setText(_NOTHING)
            return
        self._like = chosen
        self.view.clearSelection()
        self.refresh()
        self.view.scrollToTop()

    def select_up_to_here(self) -> None:
        """Select all specimens from the first to the last selected one."""
        rows = self.view.selected_rows()
        if rows:
            self.view.select(list(range(rows[-1] + 1)))

    def refresh(self) -> None:
        """Rank again: named ones go."""
        names = self.session.names
        if names is None or not self._like:
            return
        kept = set(keys_of(self.view.selected()))
        try:
            found = names.similar(
                self._like, _RANKED, without_name=self._unnamed.isChecked(), proposals=self._proposals.isChecked()
            )
        except DiatomError as error:
            self._text.setText(str(error))
            return
        entries, notes = [], []
        for key, cosine in found:
            for entry in self.entries([key]):
                entries.append(entry)
                notes.append(f"{cosine:.2f}{', proposed' if entry.proposed else ''}")
        self.view.specimens.set_entries(self.session.project, entries, notes)
        self.view.select([row for row, key in enumerate(keys_of(entries)) if key in kept])
        like = many(len(self._like), "specimen")
        self._text.setText(f"{many(len(entries), 'specimen')} by similarity to {like}.")

    def clear(self) -> None:
        """Show nothing: another project was opened."""
        self._like = []
        self.view.specimens.set_entries(None, ())
        self._text.setText(_NOTHING)

    def chosen(self) -> list[Entry]:
        """Return the selected specimens."""
        return self.view.selected()
