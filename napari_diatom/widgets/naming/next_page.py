"""*Which to name next*: the specimens whose names teach most."""

from __future__ import annotations

from typing import Final

from qtpy.QtWidgets import QComboBox, QLabel, QSpinBox, QVBoxLayout

from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.naming.next_to_name import Reason
from napari_diatom.project.gallery_order import Entry
from napari_diatom.review.suggested_names import SuggestedNames
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.pictured_specimens import PictureView
from napari_diatom.widgets.naming.names_page import NamesPage, control_row
from napari_diatom.widgets.naming.naming_session import NamingSession

_SHOWN: Final = 20
_MOST: Final = 500
_TITLES: Final = {
    Reason.UNSURE: "unsure between two names",
    Reason.UNLIKE: "unlike anything named so far",
    Reason.TELLING: "most telling for taxa with few examples",
}


class NextPage(NamesPage):
    """Shows specimens that are worth a name, few of them alike.

    Parameters
    ----------
    session : NamingSession
        Knows the names of the project.
    """

    def __init__(self, session: NamingSession) -> None:
        super().__init__("next_page", session)
        self._reason = named(QComboBox(), "next_reason", "Why a specimen is worth a name", "Reason")
        for reason, title in _TITLES.items():
            self._reason.addItem(title, reason)
        self._number = named(QSpinBox(), "next_number", "How many specimens are shown", "Number of specimens")
        self._number.setRange(1, _MOST)
        self._number.setValue(_SHOWN)
        self._text = named(QLabel(), "next_text")
        self.view = PictureView("next", "Specimens to name next, the best first")
        self.view.opened.connect(self.go_to)
        self._reason.currentIndexChanged.connect(lambda *_: self.refresh())
        self._number.valueChanged.connect(lambda *_: self.refresh())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addLayout(control_row(self._text, self._reason, self._number))
        layout.addWidget(self.view, 1)

    def refresh(self) -> None:
        """Look again for what to name next."""
        names = self.session.names
        if names is None:
            return
        now, reason, number = names.copy(), Reason(self._reason.currentData()), self._number.value()

        def work(monitor: ProgressMonitor) -> list[SuggestedNames]:
            return now.suggest(now.next_to_name(reason, number), 1)

        self.in_background(work, self._take)

    def _take(self, found: list[SuggestedNames]) -> None:
        entries, notes = [], []
        for one in found:
            for entry in self.entries([one.key]):
                entries.append(entry)
                notes.append("".join(f"{taxon}? {100 * share:.0f} %" for taxon, share in one.names))
        self.view.specimens.set_entries(self.session.project, entries, notes)
        nothing = "Every specimen that has been looked at has a name."
        self._text.setText("The best first. Double-click shows one on its slide." if entries else nothing)

    def clear(self) -> None:
        """Show nothing: another project was opened."""
        self.view.specimens.set_entries(None, ())

    def chosen(self) -> list[Entry]:
        """Return the selected specimens."""
        return self.view.selected()
