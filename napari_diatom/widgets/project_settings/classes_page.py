"""The page *Classes*: names, keys, codes and colours of the classes, and how many specimens have them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QFont, qGray
from qtpy.QtWidgets import QAbstractItemView, QColorDialog, QFileDialog, QInputDialog, QTableWidgetItem, QWidget
from superqt.utils import signals_blocked

from napari_diatom.core.text import many
from napari_diatom.project.class_editor import ClassUse
from napari_diatom.project.project import Project
from napari_diatom.project.taxon_list import read_taxon_list, write_taxon_list
from napari_diatom.widgets.common.asking import ask
from napari_diatom.widgets.project_settings.page_parts import (
    chosen_rows,
    fill_table,
    in_rows,
    page_layout,
    push_button,
    settings_table,
)
from napari_diatom.widgets.project_settings.settings_session import SettingsSession

_HEADS: Final = ("Class", "Key", "Code", "Colour", "Specimens")
_NAME, _KEY, _CODE, _COLOUR, _NUMBER = range(5)
_DARK: Final = 90
"""Grey value up to which white letters stand out more than black ones."""
_NOT_LISTED: Final = "Specimens have this class, and it is not in the list: add it, or merge it into another one."


class ClassesPage(QWidget):
    """Shows and changes the list of classes.

    Name, key and code are edited in the table; a double click on the colour opens a dialog.

    Parameters
    ----------
    session : SettingsSession
        The project, and changes to it.
    """

    def __init__(self, session: SettingsSession) -> None:
        super().__init__()
        self._session = session
        self._use: dict[str, ClassUse] = {}
        self._listed: set[str] = set()
        self._table = settings_table("classes_table", "Classes of the project", _HEADS, _NAME)
        self._table.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked | QAbstractItemView.EditTrigger.EditKeyPressed
        )
        for column, width in ((_KEY, 40), (_CODE, 60), (_COLOUR, 70), (_NUMBER, 75)):
            self._table.setColumnWidth(column, width)
        self._add = push_button("class_add", "Add...", "Add a class to the end of the list")
        self._rename = push_button("class_rename", "Rename...", "Rename the class and all its specimens")
        self._merge = push_button(
            "class_merge", "Merge...", "Give all specimens of the selected classes to another class, and remove these"
        )
        self._remove = push_button(
            "class_remove", "Remove...", "Remove the class; you choose what its specimens become"
        )
        self._up = push_button("class_up", "Up", "Move the class up in the list")
        self._down = push_button("class_down", "Down", "Move the class down in the list")
        self._read = push_button(
            "class_import", "Import list...", "Add the classes of a taxon list (CSV); nothing is removed"
        )
        self._write = push_button("class_export", "Export list...", "Write the classes as a taxon list (CSV)")
        layout = page_layout(self)
        layout.addWidget(self._table, 1)
        layout.addLayout(in_rows(self._add, self._rename, self._merge, self._remove))
        layout.addLayout(in_rows(self._up, self._down, self._read, self._write))
        self._table.itemChanged.connect(self._on_edited)
        self._table.itemSelectionChanged.connect(self._enable)
        self._table.cellDoubleClicked.connect(self._on_double_click)
        for button, act in (
            (self._add, self._ask_for_new),
            (self._rename, self._ask_for_name),
            (self._merge, self._ask_for_merging),
            (self._remove, self._ask_for_removal),
            (self._up, lambda: self._move(-1)),
            (self._down, lambda: self._move(1)),
            (self._read, self._ask_for_list),
            (self._write, self._ask_for_file),
        ):
            button.clicked.connect(lambda *_, act=act: act())

    def refresh(self) -> None:
        """Show the classes of the project; what was selected stays so."""
        project, chosen = self._session.project, set(self.chosen())
        self._use = {} if project is None else project.classes.use()
        classes = {} if project is None else {item.name: item for item in project.settings.classes}
        self._listed = set(classes)
        rows: list[tuple[object, ...]] = []
        for name, use in self._use.items():
            item = classes.get(name)
            rows.append((name, *(("", "", "") if item is None else (item.key, item.code, item.colour)), use.specimens))
        fill_table(self._table, rows)
        with signals_blocked(self._table):
            for row, cells in enumerate(rows):
                self._dress(row, str(cells[_NAME]), str(cells[_COLOUR]))
                if cells[_NAME] in chosen:
                    self._select(row)
        self._enable()

    def chosen(self) -> list[str]:
        """Return the names of the selected classes."""
        names = list(self._use)
        return [names[row] for row in chosen_rows(self._table) if row < len(names)]

    def rename(self, name: str, new_name: str) -> None:
        """Rename a class; where the new name is that of another class, merging is offered."""
        new_name = new_name.strip()
        if new_name == name:
            return
        if new_name in self._listed:
            self.merge([name], new_name, f"There is already a class {new_name}. ")
            return
        said = f"{name} is now {new_name}: {self._use[name].text()}."
        if self._session.apply(lambda project: project.classes.rename(name, new_name, None), said):
            self._settle()

    def merge(self, names: list[str], into: str, reason: str = "") -> None:
        """Merge classes into another one, if the user agrees."""
        specimens = sum(self._use[name].specimens for name in names)
        answer = ask(
            self,
            "Merge classes",
            f"{reason}Merge {', '.join(names)} into {into}?\n\n{many(specimens, 'specimen')} get the class {into}. "
            "Which class each had before is then only in the earlier versions of the files, in .history.",
            "Keep the classes",
            "Merge",
        )
        if answer != 1:
            self.refresh()
            return
        said = f"{', '.join(names)} merged into {into}: {many(specimens, 'specimen')}."
        if self._session.apply(lambda project: project.classes.merge(names, into, None), said):
            self._settle()

    def _dress(self, row: int, name: str, colour: str) -> None:
        """Show the colour of a row, and which of its cells can be edited."""
        listed = name in self._listed
        for column in range(len(_HEADS)):
            item = self._table.item(row, column)
            assert item is not None
            item.setData(Qt.ItemDataRole.UserRole, name)
            editable = listed and column in (_NAME, _KEY, _CODE)
            flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
            item.setFlags(flags | Qt.ItemFlag.ItemIsEditable if editable else flags)
            if not listed:
                font = QFont(item.font())
                font.setItalic(True)
                item.setFont(font)
                item.setToolTip(_NOT_LISTED)
        cell = self._table.item(row, _COLOUR)
        if colour and cell is not None:
            shade = QColor(colour)
            cell.setBackground(shade)
            cell.setForeground(QColor("black" if qGray(shade.rgb()) > _DARK else "white"))
            cell.setToolTip("Double-click to choose another colour")

    def _select(self, row: int) -> None:
        for column in range(len(_HEADS)):
            item = self._table.item(row, column)
            if item is not None:
                item.setSelected(True)

    def _enable(self) -> None:
        """Enable what can be done with the selected classes."""
        chosen = self.chosen()
        is_free = self._session.project is not None and not self._session.is_running
        one = len(chosen) == 1 and chosen[0] in self._listed
        for button in (self._add, self._read):
            button.setEnabled(is_free)
        self._write.setEnabled(self._session.project is not None and bool(self._listed))
        for button in (self._rename, self._remove, self._up, self._down):
            button.setEnabled(is_free and one)
        self._merge.setEnabled(is_free and bool(chosen) and bool(self._listed - set(chosen)))

    def _on_edited(self, item: QTableWidgetItem) -> None:
        """Take over what was typed into a cell."""
        column, text, name = item.column(), item.text().strip(), str(item.data(Qt.ItemDataRole.UserRole))
        if column == _NAME:
            self.rename(name, text)
        elif column in (_KEY, _CODE):
            field = "key" if column == _KEY else "code"
            self._session.apply(lambda project: project.classes.change(name, **{field: text}))
        self.refresh()

    def _on_double_click(self, row: int, column: int) -> None:
        if column != _COLOUR:
            return
        name = list(self._use)[row]
        project = self._session.project
        old = next((item for item in project.settings.classes if item.name == name), None) if project else None
        if old is None:
            return
        colour = QColorDialog.getColor(QColor(old.colour), self, f"Colour of {name}")
        if colour.isValid():
            self._session.apply(lambda project: project.classes.change(name, colour=colour.name()))

    def _ask_for_new(self) -> None:
        unlisted = [name for name in self.chosen() if name not in self._listed]
        name, ok = QInputDialog.getText(self, "Add a class", "Name of the class", text=unlisted[0] if unlisted else "")
        if not ok:
            return
        project = self._session.project
        former = project.settings.former_names.get(name.strip()) if project is not None else None
        if former is not None:
            question = (
                f"{name.strip()} is a former name of {former}. Make it a class of its own? Its former specimens stay "
                f"{former}."
            )
            if ask(self, "Add a class", question, f"Keep {former} only", "Make a class") != 1:
                return
        self._session.apply(lambda project: project.classes.add(name), f"The class {name.strip()} was added.")

    def _ask_for_name(self) -> None:
        [name] = self.chosen()
        new, ok = QInputDialog.getText(
            self, "Rename the class", f"New name of {name} ({self._use[name].text()})", text=name
        )
        if ok:
            self.rename(name, new)

    def _ask_for_merging(self) -> None:
        names = self.chosen()
        others = [name for name in self._use if name in self._listed and name not in names]
        into, ok = QInputDialog.getItem(self, "Merge classes", f"Merge {', '.join(names)} into", others, 0, False)
        if ok:
            self.merge(names, into)

    def _ask_for_removal(self) -> None:
        [name] = self.chosen()
        use = self._use[name]
        if not use.specimens:
            self._session.apply(lambda project: project.classes.remove(name), f"The class {name} was removed.")
            return
        answer = ask(
            self,
            "Remove the class",
            f"{name} has {use.text()}. What becomes of them?\n\nDeleted specimens are kept in the earlier versions of "
            "the files, in .history.",
            "Keep the class",
            "Give them another class...",
            f"Delete {many(use.specimens, 'specimen')}",
        )
        if answer == 1:
            self._ask_for_merging()
        elif answer == 2:
            self._session.run("delete_class", lambda number: self._on_deleted(name, number), name=name)

    def _on_deleted(self, name: str, number: int) -> None:
        self._session.said.emit(f"The class {name} was removed, and {many(number, 'specimen')} deleted.")

    def _move(self, step: int) -> None:
        project = self._session.project
        if project is None:
            return
        [name] = self.chosen()
        names = [item.name for item in project.settings.classes]
        self._session.apply(lambda project: project.classes.move(name, names.index(name) + 1 + step))

    def _ask_for_list(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Choose a taxon list", self._place(), "Tables (*.csv *.tsv *.txt)")
        if path:
            self._session.apply(lambda project: self._take_list(project, Path(path)))

    @staticmethod
    def _take_list(project: Project, path: Path) -> str:
        """Add the classes of a list, and return what was done."""
        taxa = read_taxon_list(path)
        number = project.classes.take_list(taxa.classes, taxa.given)
        known = len(taxa.classes) - number
        return f"{many(number, 'new class', 'new classes')} from {path.name}, {known} there already."

    def _ask_for_file(self) -> None:
        start = str(Path(self._place()) / "classes.csv")
        path, _ = QFileDialog.getSaveFileName(self, "Write the classes", start, "CSV (*.csv)")
        project = self._session.project
        if path and project is not None:
            target = Path(path) if Path(path).suffix else Path(path).with_suffix(".csv")
            self._session.apply(
                lambda project: write_taxon_list(target, project.settings.classes), f"Written to {target}."
            )

    def _place(self) -> str:
        project = self._session.project
        return "" if project is None else str(project.folder)

    def _settle(self) -> None:
        """Write the files that have the former name."""
        self._session.run("settle_class_names", lambda _: None)
