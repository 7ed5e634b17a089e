"""Which fields of a project other windows have open, so that nobody counts them twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from qtpy.QtCore import QObject, QTimer, Signal

from napari_diatom.project.project import Project

_LOOK_MS: Final = 10_000
"""How often it is looked."""


class OtherWindows(QObject):
    """Looks from time to time which fields are open in other windows.

    Parameters
    ----------
    parent : QObject
        Its owner.

    Attributes
    ----------
    project : Project or None
        The open project.
    fields : dict of str to str
        Who has which field open, by the ids of fields.
    """

    changed = Signal()
    """Other fields are open."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.project: Project | None = None
        self.fields: Mapping[str, str] = {}
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK_MS)
        self._timer.timeout.connect(self.look)

    def watch(self, project: Project | None) -> None:
        """Look at the windows of a project from now on, or at none."""
        self.project = project
        if project is None:
            self._timer.stop()
        else:
            self._timer.start()
        self.look()

    def look(self) -> None:
        """Look now."""
        session = None if self.project is None else self.project.session
        others = [] if session is None else [there for there in session.others() if not session.is_mine(there)]
        found = {there.image: there.annotator or "somebody" for there in others if there.image}
        if found != self.fields:
            self.fields = found
            self.changed.emit()
