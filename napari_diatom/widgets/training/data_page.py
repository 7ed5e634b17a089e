"""The first page of *Fine-tune a model*: the slides, their specimens, and warnings about your data."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari.qt.threading import create_worker
from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_diatom.core.errors import DiatomError
from napari_diatom.core.progress import Progress
from napari_diatom.core.text import sentence
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.table_filling import filling
from napari_diatom.widgets.common.text_labels import text_label
from napari_diatom.widgets.common.text_tone import set_tone
from napari_diatom.widgets.common.worker import ReportingWorker
from napari_diatom.widgets.forms.folded_section import FoldedSection

if TYPE_CHECKING:
    from diatom_training.finetune.dataset import Dataset

_LATER_MS: Final = 600
"""Time from the last key press to reading the slides."""
_SHARES: Final = ("70-15-15", "80-10-10")
_COLUMNS: Final = ("", "Training", "Validation", "Test")
_PARTS: Final = {"train": "Training", "validation": "Validation", "test": "Test"}
"""The titles of the parts, by their names in the file of a training."""
_COMMAS: Final = 'Put a name that has a comma in "quotation marks".'


class SlidesPage(QWidget):
    """Chooses annotated slides, and shows the number of specimens of each class in each part.

    Why the slides cannot be used, :meth:`problem` says, for those who show what follows from it.
    """

    changed = Signal()
    """The choice has changed, or the slides were read."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._dataset: Dataset | None = None
        self._problem = "Choose the annotated slides first: a project, or a file of annotations."
        self._running: list[ReportingWorker] = []
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_LATER_MS)
        self._timer.timeout.connect(self.look)
        self._build()

    def entries(self) -> dict[str, Any]:
        """Return the entries of :class:`~diatom_training.finetune.config.TrainConfig` on this page."""
        images = self._images.text().strip()
        return {
            "data": Path(self._data.text().strip()),
            "images": Path(images) if images else None,
            "group": "" if self._each.isChecked() else self._group.text().strip(),
            "classes": listed_names(self._classes.text()),
            "without": listed_names(self._without.text()),
            "one_class": self._one_name.text().strip() if self._one.isChecked() else "",
            "split": {
                "shares": self._shares.currentText(),
                "by": "image" if self._each.isChecked() else self._by.currentData(),
                "seed": self._seed.value(),
                "own": self._own.isChecked(),
                "parts": {part: names for part, edit in self._parts.items() if (names := listed_names(edit.text()))},
            },
        }

    def take(self, entries: Mapping[str, Any]) -> None:
        """Show new values of ``split.shares`` and ``split.seed``; all other entries stay as they are."""
        if "split.shares" in entries:
            self._shares.setCurrentText(entries["split.shares"])
        if "split.seed" in entries:
            self._seed.setValue(entries["split.seed"])

    def set_data(self, path: Path) -> None:
        """Choose a project, or a file or folder of annotations, and read it."""
        self._data.setText(str(path))
        self.look()

    def dataset(self) -> Dataset | None:
        """Return the slides, None while they are not read or if they cannot be read."""
        return self._dataset

    def problem(self) -> str | None:
        """Return why these slides cannot be used for training, None if they can."""
        return self._problem or None

    def look(self) -> None:
        """Read the slides in a thread."""
        self._timer.stop()
        self.stop()
        self._dataset = None
        if not self._data.text().strip():
            self._show("Choose the annotated slides first: a project, or a file of annotations.")
            return
        from diatom_training.finetune import dataset
        from diatom_training.finetune.config import TrainConfig

        try:
            config = TrainConfig.of(**self.entries())
        except DiatomError as error:
            self._show(str(error))
            return
        self._show("Reading the slides")
        worker = create_worker(dataset.read, config, _worker_class=ReportingWorker, _ignore_errors=True)
        worker.progressed.connect(self._on_progress)
        worker.returned.connect(self._on_read)
        worker.errored.connect(self._on_error)
        worker.finished.connect(lambda: self._running.remove(worker) if worker in self._running else None)
        self._running.append(worker)
        worker.start()

    def stop(self) -> None:
        """Stop reading."""
        for worker in self._running:
            worker.returned.disconnect()
            worker.errored.disconnect()
            worker.quit()
        self._running.clear()

    def _build(self) -> None:
        self._data = named(QLineEdit(), "data", "A project, or a file or folder of annotations", "Annotated slides")
        self._data.setPlaceholderText("Project folder or annotations")
        self._project_button = named(QPushButton("Project…"), "choose_project", "Choose the folder of a project")
        self._file_button = named(QPushButton("File…"), "choose_file", "Choose a file of annotations")
        self._images = named(QLineEdit(), "images")
        self._images.setPlaceholderText("Beside the annotations")
        self._images.setToolTip("Folder of the images, if they are not beside the annotations")
        self._group = named(QLineEdit(), "group")
        self._group.setPlaceholderText("The image's folder, or each image")
        self._group.setToolTip(
            "Regular expression whose part in parentheses is the name of the slide in the name of an image, such as "
            "^(S\\d+)_. Only for annotations without slide names."
        )
        self._classes = named(QLineEdit(), "chosen_classes", spoken="Classes to learn")
        self._classes.setPlaceholderText("All")
        self._classes.setToolTip(
            f"Classes to learn, in this order, separated by commas; specimens of others are left out. {_COMMAS}"
        )
        self._without = named(QLineEdit(), "without")
        self._without.setPlaceholderText("None")
        self._without.setToolTip(f"Classes to leave out, separated by commas. {_COMMAS}")
        self._one = named(
            QCheckBox("Treat all classes as one"), "one_class", "The model then finds diatoms without naming them"
        )
        self._one_name = named(QLineEdit("diatom"), "one_class_name", "Name of the one class", "Name of the one class")
        self._one_name.setEnabled(False)
        self._each = named(QCheckBox("Each image is a slide"), "each_image")
        self._each.setToolTip(
            "Divide image by image. Only for images that show different specimens: a model looks too good if it is "
            "tested on specimens that it was trained on."
        )
        self._shares = named(QComboBox(), "shares")
        self._shares.setEditable(True)
        self._shares.addItems(_SHARES)
        self._shares.setToolTip(
            "Percentage of training, validation and test slides; the images of a slide stay together"
        )
        self._by = named(QComboBox(), "by", "What stays together in one part", "What stays together")
        self._by.addItem("Keep slides together", "slide")
        self._by.addItem("Keep samples together", "sample")
        self._own = named(
            QCheckBox("Use the project's own split"),
            "own_split",
            "Take training, validation and test slides as the project or the YOLO dataset has divided them",
        )
        self._own.setChecked(True)
        self._parts = {part: _part_edit(part, title) for part, title in _PARTS.items()}
        self._seed = named(QSpinBox(), "split_seed")
        self._seed.setToolTip("Change the seed for a different split")
        self._table = named(
            QTableWidget(0, len(_COLUMNS)),
            "classes",
            "Specimens of each class in each part",
            "Specimens by class and part",
        )
        self._table.setHorizontalHeaderLabels(_COLUMNS)
        self._table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self._table.setMinimumHeight(120)
        # Otherwise Tab goes from cell to cell, and never out of the table.
        self._table.setTabKeyNavigation(False)
        header, rows = self._table.horizontalHeader(), self._table.verticalHeader()
        assert header is not None
        assert rows is not None
        rows.hide()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self._message = text_label("slides_message")

        row = QHBoxLayout()
        row.addWidget(self._data, 1)
        row.addWidget(self._project_button)
        row.addWidget(self._file_button)
        one = QHBoxLayout()
        one.addWidget(self._one)
        one.addWidget(self._one_name)
        more = QWidget()
        form = QFormLayout(more)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Learn", self._classes)
        form.addRow("Leave out", self._without)
        form.addRow("Images", self._images)
        form.addRow("Slide name", self._group)
        form.addRow("Shares", self._shares)
        form.addRow("", self._by)
        form.addRow("Seed", self._seed)
        form.addRow("", self._own)
        for name, edit in self._parts.items():
            form.addRow(f"{_PARTS[name]} slides", edit)
        layout = QVBoxLayout(self)
        layout.addLayout(row)
        layout.addLayout(one)
        layout.addWidget(self._each)
        layout.addWidget(FoldedSection("Classes, images, split", "more_slides", more))
        layout.addWidget(self._table, 1)
        layout.addWidget(self._message)
        self._show(self._problem)

        self._project_button.clicked.connect(self._ask_for_project)
        self._file_button.clicked.connect(self._ask_for_file)
        self._one.toggled.connect(self._one_name.setEnabled)
        for part in (self._group, self._by):
            self._each.toggled.connect(part.setDisabled)
        texts = (self._data, self._images, self._group, self._classes, self._without, self._one_name)
        for edit in (*texts, *self._parts.values()):
            edit.textEdited.connect(self._look_later)
        self._shares.currentTextChanged.connect(self._look_later)
        for signal in (
            self._by.currentIndexChanged,
            self._seed.valueChanged,
            self._own.toggled,
            self._one.toggled,
            self._each.toggled,
        ):
            signal.connect(self._look_later)

    def _look_later(self) -> None:
        """Read the slides when nothing was changed for a moment; until then they cannot be used."""
        self.stop()
        self._dataset = None
        self._problem = "Reading the slides"
        self._timer.start()
        self.changed.emit()

    def _ask_for_project(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Choose a project or annotations folder")
        if folder:
            self.set_data(Path(folder))

    def _ask_for_file(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Annotations")
        if name:
            self.set_data(Path(name))

    def _on_progress(self, progress: Progress) -> None:
        self._message.setText(f"Reading image {progress.done + 1} of {progress.total}: {progress.message}")

    def _on_read(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._show("")

    def _on_error(self, error: Exception) -> None:
        self._show(" ".join(str(error).split()) or type(error).__name__)

    def _show(self, problem: str) -> None:
        """Show the slides, and take down why they cannot be used."""
        self._problem = problem
        dataset = self._dataset
        rows: list[tuple[str, list[int]]] = []
        if dataset is not None:
            parts = tuple(dataset.parts)
            rows = [(name, [dataset.count(part)[name] for part in parts]) for name in dataset.classes]
            rows.append(("specimens", [dataset.count(part).total() for part in parts]))
            rows.append(("images", [len(dataset.parts[part]) for part in parts]))
            rows.append(("slides", [len({slide.group for slide in dataset.parts[part]}) for part in parts]))
        with filling(self._table):
            self._table.setRowCount(len(rows))
            for row, (name, numbers) in enumerate(rows):
                for column, text in enumerate((name, *map(str, numbers))):
                    item = QTableWidgetItem(text)
                    if column:
                        item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                    if dataset is not None and row >= len(dataset.classes):
                        font = item.font()
                        font.setBold(True)
                        item.setFont(font)
                    self._table.setItem(row, column, item)
        warnings = () if dataset is None else dataset.warnings
        # A problem stands beside the button that it disables.
        self._message.setText("\n".join(f"• {sentence(line)}" for line in warnings))
        set_tone(self._message, "warning" if warnings else "plain")
        self.changed.emit()


def listed_names(text: str) -> tuple[str, ...]:
    """Return the names in a text, which are separated by commas. A name in quotation marks may have commas."""
    rows = csv.reader([text], skipinitialspace=True)
    return tuple(name.strip() for row in rows for name in row if name.strip())


def _part_edit(part: str, title: str) -> QLineEdit:
    """Return the field for the slides of a part."""
    edit = named(QLineEdit(), f"part_{part}", spoken=f"{title} slides")
    edit.setPlaceholderText("By the shares")
    edit.setToolTip(
        f"Slides (or samples) and single images of the part {title.lower()} by their names, separated by commas, in "
        f"place of shares and of a project's split. What is in no part is left out. {_COMMAS}"
    )
    return edit
