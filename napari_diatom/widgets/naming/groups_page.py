"""*Group what has no name*: similar specimens lie together, and a group is named at once."""

from __future__ import annotations

from typing import Any, Final

from qtpy.QtWidgets import QAbstractItemView, QComboBox, QLabel, QPushButton, QSpinBox, QVBoxLayout

from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.naming.grouping import GroupingMethod
from napari_diatom.project.gallery_order import Entry
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.pictured_specimens import PictureView
from napari_diatom.widgets.naming.names_page import NamesPage, control_row, keys_of, page_shortcut
from napari_diatom.widgets.naming.naming_session import NamingSession

_USUAL: Final = 10
_MOST: Final = 200
_LETTERS: Final = 14
_METHODS: Final = {
    GroupingMethod.AGGLOMERATIVE: "all in groups",
    GroupingMethod.HDBSCAN: "only what is dense",
}


class GroupsPage(NamesPage):
    """Shows one group of specimens without a name at a time.

    Parameters
    ----------
    session : NamingSession
        Knows the names of the project.
    """

    def __init__(self, session: NamingSession) -> None:
        super().__init__("groups_page", session)
        self._groups: list[list[str]] = []
        self._group = named(QComboBox(), "group", "The group that is shown, the largest first", "Group")
        self._group.setMinimumContentsLength(_LETTERS)
        self._before = named(QPushButton("Previous"), "previous_group", "Show the previous group (PageUp)")
        self._after = named(QPushButton("Next"), "next_group", "Show the next group (PageDown)")
        self._size = named(QSpinBox(), "group_size", "Specimens of a group, on average", "Specimens of a group")
        self._size.setRange(2, _MOST)
        self._size.setValue(_USUAL)
        self._size.setPrefix("about ")
        self._method = named(QComboBox(), "group_method", "How groups are found", "Grouping")
        for method, title in _METHODS.items():
            self._method.addItem(title, method)
        self._again = named(QPushButton("Group"), "make_groups", "Group all specimens without a name again")
        self._text = named(QLabel(), "groups_text")
        self.view = PictureView("group_view", "Specimens of the group")
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.MultiSelection)
        self.view.opened.connect(self.go_to)
        self._group.currentIndexChanged.connect(lambda *_: self._show())
        self._before.clicked.connect(lambda *_: self.step(-1))
        self._after.clicked.connect(lambda *_: self.step(1))
        self._again.clicked.connect(lambda *_: self.make())
        page_shortcut("PgUp", self, lambda: self.step(-1))
        page_shortcut("PgDown", self, lambda: self.step(1))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        row = control_row(self._text, self._group, self._before, self._after, self._size, self._method, self._again)
        layout.addLayout(row)
        layout.addWidget(self.view, 1)

    def make(self) -> None:
        """Group the specimens without a name, in the background."""
        names = self.session.names
        if names is None:
            return
        now = names.copy()
        size, method = self._size.value(), GroupingMethod(self._method.currentData())
        self._again.setEnabled(False)
        self._text.setText("Grouping the specimens without a name")

        def work(monitor: ProgressMonitor) -> list[list[str]]:
            return now.groups(method=method, usual_size=size, monitor=monitor)

        def take(found: Any) -> None:
            self._groups = found
            self._list()

        self.in_background(work, take)

    def refresh(self) -> None:
        """Make groups the first time; later on, leave out what has got a name."""
        names = self.session.names
        if names is None:
            return
        if not self._groups:
            if not self.is_working:
                self.make()
            return
        unnamed = set(names.list_keys(without_name=True))
        left = [[key for key in group if key in unnamed] for group in self._groups]
        if left != self._groups:
            self._groups = [group for group in left if group]
            self._list()

    def step(self, by: int) -> None:
        """Show another group."""
        if self._groups:
            self._group.setCurrentIndex((self._group.currentIndex() + by) % len(self._groups))

    def clear(self) -> None:
        """Show nothing: another project was opened."""
        self._groups = []
        self._list()

    def chosen(self) -> list[Entry]:
        """Return the specimens that were not picked out."""
        return self.view.selected()

    def _end_work(self) -> None:
        self._again.setEnabled(True)
        super()._end_work()

    def _list(self) -> None:
        """List the groups; the one at the place of the present one is shown next."""
        at = max(self._group.currentIndex(), 0)
        self._group.blockSignals(True)
        self._group.clear()
        self._group.addItems([f"group {number}: {len(group)}" for number, group in enumerate(self._groups, 1)])
        self._group.setCurrentIndex(min(at, len(self._groups) - 1))
        self._group.blockSignals(False)
        self._show()

    def _show(self) -> None:
        """Show a group, all of it selected, and offer the name that fits most of it."""
        names, at = self.session.names, self._group.currentIndex()
        keys = self._groups[at] if names is not None and 0 <= at < len(self._groups) else []
        entries = self.entries(keys)
        self.view.specimens.set_entries(self.session.project, entries)
        self.view.select(list(range(len(entries))))
        if names is None or not entries:
            self._text.setText("Every specimen that has been looked at has a name." if self._groups == [] else "")
            self.offered.emit("")
            return
        self._text.setText("Click what does not belong to the group, then name the rest.")
        firsts = [one.names[0][0] for one in names.suggest(keys_of(entries), 1) if one.names]
        self.offered.emit(max(set(firsts), key=firsts.count) if firsts else "")
