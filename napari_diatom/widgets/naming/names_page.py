"""What the pages of the dock *Names* have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtGui import QHideEvent, QKeySequence, QShortcut, QShowEvent
from qtpy.QtWidgets import QHBoxLayout, QLabel, QWidget

from napari_diatom.core.errors import DiatomError
from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.project.gallery_order import Entry
from napari_diatom.review.known_specimens import specimen_key
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.naming.naming_session import NamingSession

_REFRESH_MS = 150
"""Time without a change after which a page is shown anew."""


class NamesPage(QWidget):
    """A page, which is brought up to date while it can be seen.

    Parameters
    ----------
    name : str
        Object name.
    session : NamingSession
        Knows the names of the project.
    """

    slideRequested = Signal(str, str)
    """Ids of an image and of one of its specimens, to be shown on the slide."""
    said = Signal(str)
    """What happened."""
    offered = Signal(str)
    """A name for the specimens that are shown, to be taken or changed."""

    def __init__(self, name: str, session: NamingSession) -> None:
        super().__init__()
        named(self, name)
        self.session = session
        self._is_stale = True
        self._is_working = self._is_overtaken = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_REFRESH_MS)
        self._timer.timeout.connect(self._refresh)
        session.changed.connect(self._note_change)
        session.project_changed.connect(self.clear)

    def refresh(self) -> None:
        """Show what there is now."""
        raise NotImplementedError

    def clear(self) -> None:
        """Show nothing: another project was opened."""
        raise NotImplementedError

    def chosen(self) -> list[Entry]:
        """Return the specimens that are named together."""
        return []

    def after_naming(self) -> None:
        """Go on after the chosen specimens were named."""
        self._refresh()

    def showEvent(self, event: QShowEvent | None) -> None:
        """Bring the page up to date."""
        super().showEvent(event)
        if self._is_stale:
            self._timer.start(0)

    def hideEvent(self, event: QHideEvent | None) -> None:
        """Wait until the page is seen again."""
        super().hideEvent(event)
        self._timer.stop()

    def entries(self, keys: Iterable[str]) -> list[Entry]:
        """Return specimens by their keys, without those that are gone."""
        found = []
        for key in keys:
            try:
                found.append(self.session.entry(key))
            except DiatomError:
                continue
        return found

    @property
    def is_working(self) -> bool:
        """Whether something is worked out in the background."""
        return self._is_working

    def in_background(self, work: Callable[[ProgressMonitor], Any], take: Callable[[Any], None]) -> None:
        """Have a thread work, and take its result. Asked for once more meanwhile, the page is brought up to date then.

        Parameters
        ----------
        work, take : callable
            See :meth:`~napari_diatom.widgets.naming.background_work.BackgroundWork.start`.
        """
        if self._is_working:
            self._is_overtaken = True
            return
        self._is_working = True
        self.session.background.start(self, work, take, self._end_work)

    def go_to(self, entry: Entry) -> None:
        """Show a specimen on its slide."""
        self.slideRequested.emit(entry.image_id, entry.id)

    def _end_work(self) -> None:
        self._is_working = False
        if self._is_overtaken:
            self._is_overtaken = False
            self._note_change()

    def _note_change(self) -> None:
        self._is_stale = True
        if self.isVisible():
            self._timer.start()

    def _refresh(self) -> None:
        self._timer.stop()
        self._is_stale = False
        if self.session.names is not None:
            self.refresh()


def control_row(text: QLabel, *widgets: QWidget) -> QHBoxLayout:
    """Return a row of controls with a text behind them."""
    row = QHBoxLayout()
    for widget in widgets:
        row.addWidget(widget)
    text.setWordWrap(True)
    row.addWidget(text, 1)
    return row


def page_shortcut(key: str, page: QWidget, act: Callable[[], object]) -> None:
    """Have a key do something while the focus is on a page: elsewhere it keeps what it does."""
    shortcut = QShortcut(QKeySequence(key), page)
    shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
    shortcut.activated.connect(act)


def keys_of(entries: Iterable[Entry]) -> list[str]:
    """Return the keys of specimens."""
    return [specimen_key(entry.image_id, entry.id) for entry in entries]
