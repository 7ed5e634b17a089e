"""The facts of a sample in a form, or those of all samples from a table."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_diatom.core.text import many
from napari_diatom.project.project import Project
from napari_diatom.samples.counting_files import change_facts, facts_of_project, take_samples
from napari_diatom.samples.sample_facts import COLUMNS, SampleFacts, read_samples, texts_of_facts
from napari_diatom.widgets.common.message_line import MessageLine
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.scrolled import Scrolled
from napari_diatom.widgets.common.text_labels import text_label

_UNITS: Final = {"_mm2": "mm²", "_cm2": "cm²", "_ml": "ml", "_mg_l": "mg/l"}
_HINTS: Final = {"date": "2026-05-31 or 31/05/2026", "dilution": "10 means 1 to 10", "chamber": "Sedgewick-Rafter"}
_WIDTH, _HEIGHT = 460, 560


class FactsDialog(QDialog):
    """Shows and changes what a project knows of a sample.

    Parameters
    ----------
    project : Project
        The open project.
    sample : str
        Code of the sample.
    parent : QWidget
        The window in front of which it appears.
    """

    taken = Signal(str)
    """What was changed."""

    def __init__(self, project: Project, sample: str, parent: QWidget) -> None:
        super().__init__(parent)
        named(self, "facts_dialog")
        self.setWindowTitle(f"Facts of {sample}")
        self._project = project
        self._sample = sample
        self._edits: dict[str, QLineEdit] = {}
        self._line = named(MessageLine(), "facts_message")
        content = QWidget()
        form = QFormLayout(content)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        with self._line.showing_errors():
            self._fill(form, facts_of_project(project.folder))
        table = named(
            QPushButton("From a table..."),
            "facts_from_table",
            "Take the facts of all samples from a CSV or XLSX file with a row for each. Images that it names join them",
        )
        table.setAutoDefault(False)
        table.clicked.connect(lambda *_: self._ask_for_table())
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Save | QDialogButtonBox.StandardButton.Cancel)
        buttons.addButton(table, QDialogButtonBox.ButtonRole.ActionRole)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        note = text_label("facts_note")
        note.setText("Volumes and areas give concentrations in the tally. What is not known stays empty.")
        layout = QVBoxLayout(self)
        layout.addWidget(note)
        layout.addWidget(Scrolled(content), 1)
        layout.addWidget(self._line)
        layout.addWidget(buttons)
        self.resize(_WIDTH, _HEIGHT)

    def accept(self) -> None:
        """Keep the facts, or say what is wrong with them."""
        with self._line.showing_errors():
            change_facts(self._project.folder, self._sample, {name: edit.text() for name, edit in self._edits.items()})
            self.taken.emit(f"The facts of {self._sample} are kept.")
            super().accept()

    def take_table(self, path: Path) -> None:
        """Take the facts of all samples from a table, or say what is wrong with it."""
        with self._line.showing_errors():
            table = read_samples(path)
            left = take_samples(self._project, table)
            are = f" No image belongs to {', '.join(left)} yet." if left else ""
            self.taken.emit(f"The facts of {many(len(table.samples), 'sample')} were taken from {path.name}.{are}")
            super().accept()

    def _fill(self, form: QFormLayout, known: dict[str, SampleFacts]) -> None:
        """Add a field for each fact, and for the free columns that any sample has."""
        own = known.get(self._sample)
        texts = {} if own is None else texts_of_facts(own)
        free = dict.fromkeys(name for facts in known.values() for name in facts.other)
        for name in (*(column for column in COLUMNS if column not in ("code", "images")), *free):
            edit = named(QLineEdit(texts.get(name, "")), f"fact_{name}")
            edit.setPlaceholderText(_HINTS.get(name, ""))
            self._edits[name] = edit
            form.addRow(name if name in free else _title(name), edit)

    def _ask_for_table(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Table of samples", "", "Tables (*.csv *.txt *.tsv *.xlsx)")
        if path:
            self.take_table(Path(path))


def _title(name: str) -> str:
    """Return what a fact is called in the form, such as "Scraped area (cm²)"."""
    for ending, unit in _UNITS.items():
        if name.endswith(ending):
            return f"{name.removesuffix(ending).replace('_', ' ').capitalize()} ({unit})"
    return name.replace("_", " ").capitalize()
