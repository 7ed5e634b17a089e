"""A field for the name of a specimen, which completes known names."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from qtpy.QtCore import QStringListModel, Qt, Signal
from qtpy.QtGui import QFocusEvent
from qtpy.QtWidgets import QCompleter, QLineEdit, QWidget

from napari_diatom.widgets.common.object_names import named


def completer(names: Iterable[str], parent: QWidget) -> QCompleter:
    """Return a completer that finds names by any part of them, in either case."""
    found = QCompleter(list(dict.fromkeys(names)), parent)
    found.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
    found.setFilterMode(Qt.MatchFlag.MatchContains)
    return found


class NameField(QLineEdit):
    """Takes a name that is typed, or chosen from those that contain what is typed.

    Parameters
    ----------
    known : callable
        Returns the known names. It is called when somebody begins to type.
    parent : QWidget, optional
        Its owner.
    """

    entered = Signal(str)
    """A name was typed or chosen, and Enter was pressed."""

    def __init__(self, known: Callable[[], Iterable[str]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        named(self, "name")
        self._known = known
        self._names = QStringListModel(self)
        self.setPlaceholderText("Type a name and press Enter")
        self.setAccessibleName("Name of the selected specimens")
        self.setToolTip(
            "Name the selected specimens. Type any part of a class or taxon to find it, or a new name, and press Enter"
        )
        self.setClearButtonEnabled(True)
        finder = completer((), self)
        finder.setModel(self._names)
        self.setCompleter(finder)
        self.returnPressed.connect(self._take)

    def focusInEvent(self, event: QFocusEvent | None) -> None:
        """List the names that are known now."""
        self.list_names()
        super().focusInEvent(event)

    def list_names(self) -> None:
        """List the names that are known now."""
        names = list(dict.fromkeys(self._known()))
        if names != self._names.stringList():
            self._names.setStringList(names)

    def _take(self) -> None:
        name = " ".join(self.text().split())
        if name:
            # The popup writes its choice after this signal.
            self.entered.emit(name)
            self.clear()
