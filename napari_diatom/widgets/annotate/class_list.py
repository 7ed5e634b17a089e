"""The list of a project's classes, with keys for the first nine and a search field."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from napari_diatom.project.settings import ProjectClass
from napari_diatom.project.taxon_codes import is_like, taxa_meant
from napari_diatom.widgets.common.enter_field import EnterField
from napari_diatom.widgets.common.object_names import named

_SQUARE: Final = 12


class ClassList(QWidget):
    """Chooses a class. A double-click gives it to the selected specimens.

    Parameters
    ----------
    parent : QWidget, optional
        Its owner.
    """

    valueChanged = Signal(str)
    """The class of new specimens."""
    applied = Signal(str)
    """A class for the selected specimens."""
    newClassEntered = Signal(str)
    """The name of a class that the project does not have yet."""
    entered = Signal()
    """Enter was pressed in the search field."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._classes: tuple[ProjectClass, ...] = ()
        self._counts: Counter[str] = Counter()
        tip = "Find a class by name, code or synonym, or type a new one and press Enter"
        self._search = named(EnterField(), "class_search", tip, "Find or add a class")
        self._search.setPlaceholderText(tip)
        self._search.setClearButtonEnabled(True)
        self._search.textChanged.connect(self._filter)
        self._search.returnPressed.connect(self._take_first)
        tip = "The class of the next specimen. Double-click gives it to the selected specimens"
        self._list = named(QListWidget(), "classes", tip, "Classes")
        self._list.setUniformItemSizes(True)
        self._list.currentItemChanged.connect(lambda *_: self.valueChanged.emit(self.value()))
        self._list.itemDoubleClicked.connect(lambda item: self.applied.emit(_name(item)))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._search)
        layout.addWidget(self._list, 1)

    def value(self) -> str:
        """Return the chosen class, empty if there is none."""
        item = self._list.currentItem()
        return "" if item is None else _name(item)

    def setValue(self, name: str) -> None:
        """Choose a class."""
        for row, entry in enumerate(self._classes):
            if entry.name == name:
                self._list.setCurrentRow(row)

    def set_classes(self, classes: Sequence[ProjectClass], former_names: Mapping[str, str] | None = None) -> None:
        """List these classes. The chosen class stays chosen if it is one of them, also under another name.

        ``former_names`` has the present names of classes by their former ones.
        """
        chosen = self.value()
        chosen = (former_names or {}).get(chosen, chosen)
        self._classes = tuple(classes)
        self._list.clear()
        for entry in classes:
            item = QListWidgetItem(_square(entry.colour), "")
            item.setData(Qt.ItemDataRole.UserRole, entry.name)
            self._list.addItem(item)
        self._write()
        self.setValue(chosen)
        if self._list.currentRow() < 0 and classes:
            self._list.setCurrentRow(0)
        self._filter()

    def set_counts(self, counts: Counter[str]) -> None:
        """Show how many specimens each class has."""
        if counts != self._counts:
            self._counts = counts
            self._write()
            # Lay out the list now: in a later turn of the event loop, the whole window would be painted again.
            self._list.visualRect(self._list.currentIndex())

    def clear_search(self) -> None:
        """Show all classes again."""
        self._search.clear()

    def by_key(self, key: str) -> str | None:
        """Return the class of a key ``1`` to ``9``."""
        return next((entry.name for entry in self._classes if entry.key == key), None)

    def _items(self) -> list[QListWidgetItem]:
        items = (self._list.item(row) for row in range(self._list.count()))
        return [item for item in items if item is not None]

    def _write(self) -> None:
        for item, entry in zip(self._items(), self._classes, strict=True):
            key = f"{entry.key}  " if entry.key else "    "
            code = f" [{entry.code}]" if entry.code else ""
            number = self._counts[entry.name]
            item.setText(f"{key}{entry.name}{code}{f'   {number}' if number else ''}")

    def _filter(self, *_: object) -> None:
        text = self._search.text().strip()
        for item, entry in zip(self._items(), self._classes, strict=True):
            item.setHidden(bool(text) and not is_like(entry, text))

    def _take_first(self) -> None:
        shown = [item for item in self._items() if not item.isHidden()]
        meant = taxa_meant(self._classes, self._search.text())
        first = next((item for item in shown if not meant or _name(item) == meant[0]), None)
        if first is not None:
            self._list.setCurrentItem(first)
            self.applied.emit(self.value())
            self._search.clear()
        elif text := self._search.text().strip():
            self.newClassEntered.emit(text)
        self.entered.emit()


def _name(item: QListWidgetItem) -> str:
    return str(item.data(Qt.ItemDataRole.UserRole))


def _square(colour: str) -> QIcon:
    picture = QPixmap(_SQUARE, _SQUARE)
    picture.fill(QColor(colour))
    return QIcon(picture)
