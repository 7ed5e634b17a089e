"""Inputs of lists, named entries and paths as text, and of several choices."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from napari_diatom.core.errors import InputError
from napari_diatom.core.text import quoted
from napari_diatom.widgets.common.object_names import named

_MOST_ROWS = 6
"""Rows of a list of choices; more of them scroll."""


class TextEdit(QLineEdit):
    """Edits text, where an empty line stands for None.

    Parameters
    ----------
    none : str
        Shown where there is no text.
    parent : QWidget, optional
        As of every widget.
    """

    edited = Signal(object)
    """The text has changed."""

    def __init__(self, none: str = "none", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setPlaceholderText(none)
        self.textChanged.connect(lambda _: self.edited.emit(None))

    def value(self) -> str | None:
        """Return the text, None where there is none."""
        return self.text().strip() or None

    def setValue(self, value: str | None) -> None:
        """Show a text."""
        self.setText(value or "")


class ListEdit(QLineEdit):
    """Edits names or numbers separated by commas; a name with a comma is put in double quotes.

    Parameters
    ----------
    item : type
        str, int or float.
    none : str, optional
        The text for None, which an empty line stands for; without it, an empty line is an empty list.
    parent : QWidget, optional
        As of every widget.
    """

    edited = Signal(object)
    """The text has changed."""

    def __init__(self, item: type = str, none: str | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._item, self._none = item, none
        self.setPlaceholderText("none" if none is None else none)
        self.textChanged.connect(lambda _: self.edited.emit(None))

    def value(self) -> tuple[Any, ...] | None:
        """Return the items.

        Raises
        ------
        InputError
            When an item is not a number that has to be one.
        """
        text = self.text().strip()
        if not text:
            return None if self._none is not None else ()
        row = next(csv.reader(io.StringIO(text), skipinitialspace=True), [])
        return tuple(self._read(item.strip()) for item in row if item.strip())

    def setValue(self, value: Sequence[Any] | None) -> None:
        """Show items."""
        self.setText(", ".join(_written(str(part)) for part in value or ()))

    def _read(self, text: str) -> Any:
        if self._item is str:
            return text
        try:
            return self._item(text)
        except ValueError:
            kind = "whole numbers" if self._item is int else "numbers"
            raise InputError(f"must be {kind} with commas between them, and {quoted(text)} is not one") from None


class EntriesEdit(QLineEdit):
    """Edits named entries as YAML writes them in one line, such as ``box: 7.5, cls: 0.5``.

    Parameters
    ----------
    parent : QWidget, optional
        As of every widget.
    """

    edited = Signal(object)
    """The text has changed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setPlaceholderText("none")
        self.textChanged.connect(lambda _: self.edited.emit(None))

    def value(self) -> dict[str, Any]:
        """Return the entries.

        Raises
        ------
        InputError
            When the text has no entries.
        """
        try:
            found = yaml.safe_load(f"{{{self.text()}}}")
        except yaml.YAMLError:
            found = None
        if not isinstance(found, dict) or any(value is None for value in found.values()):
            raise InputError("must be names and values, such as: first: 1, second: 2")
        return {str(name): tuple(value) if isinstance(value, list) else value for name, value in found.items()}

    def setValue(self, value: Mapping[str, Any] | None) -> None:
        """Show entries."""
        plain = {name: list(item) if isinstance(item, tuple) else item for name, item in (value or {}).items()}
        text = yaml.safe_dump(plain, default_flow_style=True, sort_keys=False, allow_unicode=True, width=math.inf)
        self.setText(text.strip().removeprefix("{").removesuffix("}"))


class PathEdit(QWidget):
    """Edits the path of a file or folder, typed or chosen.

    Parameters
    ----------
    what : {"any", "file", "folder", "new"}
        What is chosen: an existing file, a folder, either, or a file that may not exist yet.
    none : str
        Shown where there is no path.
    parent : QWidget, optional
        As of every widget.
    """

    edited = Signal(object)
    """The path has changed."""

    def __init__(self, what: str = "any", none: str = "none", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._what = what
        self._line = QLineEdit()
        self._line.setPlaceholderText(none)
        self._button = QPushButton("…")
        self._button.setMaximumWidth(40)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._line, 1)
        layout.addWidget(self._button)
        self._line.textChanged.connect(lambda _: self.edited.emit(None))
        if what == "any":
            menu = QMenu(self)
            menu.addAction("File…", lambda: self._choose("file"))
            menu.addAction("Folder…", lambda: self._choose("folder"))
            self._button.setMenu(menu)
        else:
            self._button.clicked.connect(lambda: self._choose(what))
        self.setFocusProxy(self._line)

    def value(self) -> Path | None:
        """Return the path, None where there is none."""
        text = self._line.text().strip()
        return Path(text) if text else None

    def setValue(self, value: Path | None) -> None:
        """Show a path."""
        self._line.setText("" if value is None else str(value))

    def name_parts(self, name: str, label: str, tip: str) -> None:
        """Name line and button for tests and screen readers."""
        named(self._line, f"{name}.path").setAccessibleName(label)
        named(self._button, f"{name}.choose").setAccessibleName(f"Choose: {label}")
        self._button.setToolTip("Choose a folder" if self._what == "folder" else "Choose a file or folder")
        self._line.setToolTip(tip)

    def _choose(self, what: str) -> None:
        start = self._line.text().strip()
        if what == "folder":
            chosen = QFileDialog.getExistingDirectory(self, "Choose a folder", start)
        elif what == "new":
            chosen, _ = QFileDialog.getSaveFileName(self, "Choose a file", start)
        else:
            chosen, _ = QFileDialog.getOpenFileName(self, "Choose a file", start)
        if chosen:
            self._line.setText(chosen)


class ChoicesEdit(QListWidget):
    """Edits which of some values are chosen, with a check box for each.

    Parameters
    ----------
    choices : sequence of (str, object)
        Texts and values.
    parent : QWidget, optional
        As of every widget.
    """

    edited = Signal(object)
    """Another value is chosen, or one is no longer."""

    def __init__(self, choices: Sequence[tuple[str, Any]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._given: tuple[Any, ...] = ()
        for title, value in choices:
            item = QListWidgetItem(title, self)
            item.setData(Qt.ItemDataRole.UserRole, value)
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(Qt.CheckState.Unchecked)
        rows = min(len(choices), _MOST_ROWS)
        self.setFixedHeight(rows * max(self.sizeHintForRow(0), 16) + 2 * self.frameWidth() + 4)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.itemChanged.connect(lambda _: self.edited.emit(None))

    def value(self) -> tuple[Any, ...]:
        """Return the chosen values in the order in which they are offered, or in that in which they were given."""
        items = [self.item(row) for row in range(self.count())]
        chosen = tuple(
            item.data(Qt.ItemDataRole.UserRole)
            for item in items
            if item is not None and item.checkState() == Qt.CheckState.Checked
        )
        return self._given if set(chosen) == set(self._given) else chosen

    def setValue(self, value: Sequence[Any] | None) -> None:
        """Choose values."""
        self._given = tuple(value or ())
        for row in range(self.count()):
            item = self.item(row)
            if item is not None:
                chosen = item.data(Qt.ItemDataRole.UserRole) in self._given
                item.setCheckState(Qt.CheckState.Checked if chosen else Qt.CheckState.Unchecked)


def _written(part: str) -> str:
    """Return an item as it is written, in quotes where it needs them."""
    if not any(letter in part for letter in ',"') and part == part.strip():
        return part
    doubled = part.replace('"', '""')
    return f'"{doubled}"'
