"""Asks who counts the fields of a sample a second time, and makes the project in which that person does."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.core.text import many
from napari_diatom.project.settings import ProjectImage, free_id
from napari_diatom.samples.second_count import start_second_count
from napari_diatom.widgets.common.message_line import MessageLine
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.text_labels import text_label
from napari_diatom.widgets.naming.background_work import BackgroundWork

_NOTE: Final = (
    "Another person counts the same fields in a project of their own. It has the images, taxa, protocol and facts of "
    "this one, and none of its specimens and names. Nothing in this project changes."
)
_WIDTH, _HEIGHT = 500, 290


class SecondCountDialog(QDialog):
    """Makes a project for the second count of a sample.

    Parameters
    ----------
    first : Path
        The project of the first count, whose edits are written.
    sample : str
        Code of the sample that is counted.
    parent : QWidget
        The window in front of which it appears.
    """

    made = Signal(Path, str)
    """The folder of the new project, and what was made."""

    def __init__(self, first: Path, sample: str, parent: QWidget) -> None:
        super().__init__(parent)
        named(self, "second_count_dialog")
        self.setWindowTitle("Second count")
        self._first, self._is_chosen = first, False
        self._work = BackgroundWork(self)
        self._line = named(MessageLine(), "second_count_message")
        self._person = named(QLineEdit(), "second_person", "Name of the person who counts", "Counted by")
        self._samples = named(QComboBox(), "second_samples", "What is counted again", "Samples")
        self._samples.addItem(sample, (sample,))
        self._samples.addItem("all samples", ())
        self._all = named(
            QCheckBox("Also fields that are not done"),
            "second_all_fields",
            "Take fields, too, that are not confirmed in this project yet",
        )
        self._folder = named(QLineEdit(), "second_folder", "Folder of the new project", "Folder")
        choose = named(QPushButton("Choose..."), "second_choose", "Choose another folder for the new project")
        choose.setAutoDefault(False)
        place = QHBoxLayout()
        place.addWidget(self._folder, 1)
        place.addWidget(choose)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Counted by", self._person)
        form.addRow("Sample", self._samples)
        form.addRow("", self._all)
        form.addRow("Folder", place)
        note = text_label("second_count_note")
        note.setText(_NOTE)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self._make = named(QPushButton("Make and open"), "second_make", "Make the project, and open it to be counted")
        buttons.addButton(self._make, QDialogButtonBox.ButtonRole.AcceptRole)
        layout = QVBoxLayout(self)
        layout.addWidget(note)
        layout.addLayout(form)
        layout.addWidget(self._line)
        layout.addWidget(buttons)
        self.resize(_WIDTH, _HEIGHT)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        choose.clicked.connect(lambda *_: self._choose())
        self._person.textChanged.connect(lambda *_: self._propose_folder())
        self._folder.textEdited.connect(lambda *_: self._on_folder())
        self._work.failed.connect(self._line.warn)
        self._propose_folder()

    def accept(self) -> None:
        """Make the project in a thread, or say what is wrong."""
        person, samples, all_fields = self._person.text(), self._samples.currentData(), self._all.isChecked()
        first, folder = self._first, Path(self._folder.text())
        self._make.setEnabled(False)

        def work(monitor: ProgressMonitor) -> tuple[ProjectImage, ...]:
            return start_second_count(first, folder, person, samples, all_fields, monitor)

        def take(fields: tuple[ProjectImage, ...]) -> None:
            self.made.emit(folder, f"{person.strip()} counts {many(len(fields), 'field')} of {first.name} in {folder}.")
            super(SecondCountDialog, self).accept()

        self._work.start(self, work, take, self._enable)

    def reject(self) -> None:
        """Make nothing."""
        self._work.stop()
        super().reject()

    def _propose_folder(self) -> None:
        """Propose a folder beside the first project that is called as it and the person, until another is chosen."""
        person = self._person.text().strip()
        if not self._is_chosen:
            ending = free_id(person.casefold().replace(" ", "-"), ()) if person else "second"
            self._folder.setText(str(self._first.parent / f"{self._first.name}-{ending}"))
        self._enable()

    def _on_folder(self) -> None:
        self._is_chosen = True
        self._enable()

    def _enable(self) -> None:
        self._make.setEnabled(bool(self._person.text().strip() and self._folder.text().strip()))

    def _choose(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of the new project", str(self._first.parent))
        if folder:
            self._is_chosen = True
            self._folder.setText(folder)
