"""A field for the name of a specimen, which completes known names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from qtpy.QtCore import QModelIndex, Qt, Signal
from qtpy.QtGui import QFocusEvent, QStandardItem, QStandardItemModel
from qtpy.QtWidgets import QCompleter, QLineEdit, QWidget

from napari_diatom.widgets.common.object_names import named


def completer(names: Iterable[str], parent: QWidget) -> QCompleter:
    """Return a completer that finds names by any part of them, in either case."""
    found = QCompleter(list(dict.fromkeys(names)), parent)
    found.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
    found.setFilterMode(Qt.MatchFlag.MatchContains)
    return found


class _WordFinder(QCompleter):
    """Finds names by words that stand for them, and shows and completes the names."""

    def pathFromIndex(self, index: QModelIndex) -> str:
        """Return the name of a row, not the words that it was found by."""
        return str(index.data(Qt.ItemDataRole.DisplayRole) or "")


class NameField(QLineEdit):
    """Takes a name that is typed, or chosen from those that contain what is typed.

    Parameters
    ----------
    known : callable
        Returns the known names, each with all by which it is found. It is called when somebody begins to type.
    meant : callable
        Returns the name that is meant by what was typed, such as that of a code.
    parent : QWidget, optional
        Its owner.
    """

    entered = Signal(str)
    """A name was typed or chosen, and Enter was pressed."""

    def __init__(
        self, known: Callable[[], Mapping[str, str]], meant: Callable[[str], str], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        named(self, "name")
        self._known, self._meant = known, meant
        self._listed: dict[str, str] = {}
        self._names = QStandardItemModel(self)
        self.setPlaceholderText("Type a name and press Enter")
        self.setAccessibleName("Name of the selected specimens")
        self.setToolTip(
            "Name the selected specimens. Type any part of a class or taxon, its code or synonym to find it, or a new "
            "name, and press Enter"
        )
        self.setClearButtonEnabled(True)
        finder = _WordFinder(self._names, self)
        finder.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        finder.setFilterMode(Qt.MatchFlag.MatchContains)
        finder.setCompletionRole(Qt.ItemDataRole.UserRole)
        self.setCompleter(finder)
        self.returnPressed.connect(self._take)

    def focusInEvent(self, event: QFocusEvent | None) -> None:
        """List the names that are known now."""
        self.list_names()
        super().focusInEvent(event)

    def list_names(self) -> None:
        """List the names that are known now."""
        names = dict(self._known())
        if list(names.items()) == list(self._listed.items()):
            return
        self._listed = names
        self._names.clear()
        for name, words in names.items():
            item = QStandardItem(name)
            item.setData(words, Qt.ItemDataRole.UserRole)
            self._names.appendRow(item)

    def _take(self) -> None:
        name = " ".join(self.text().split())
        if name:
            # The popup writes its choice after this signal.
            self.entered.emit(self._meant(name))
            self.clear()
