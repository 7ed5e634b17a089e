"""The dialog *Send to a project*."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from napari_diatom.core.text import first_few, many
from napari_diatom.review.sending import SendOptions
from napari_diatom.review.sent_image import AS_SPECIMENS
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.review.send_form import ResultToSend, SendForm, What

_BECOMES: Final = {
    "reviewed": (
        "What you drew or changed; the rest become proposals",
        "Specimens that you have drawn, changed or looked at become specimens of the project. What only the model "
        "found becomes proposals, to accept or reject in Annotate",
    ),
    "all": ("All of them", "All become specimens of the project. Choose this if you have looked at all of them"),
}
_CLASSES_SHOWN: Final = 6


class SendDialog(QDialog):
    """Asks which results go to which project.

    Parameters
    ----------
    parent : QWidget or None
        The window in front of which it appears.
    results : sequence of ResultToSend
        The results of the viewer, the shown one first.
    project : Path, optional
        The project that is open in the viewer.
    count_folder : Path, optional
        The results folder of the run that the viewer shows.
    folder_first : bool
        Whether that folder is chosen at first, rather than the shown result.
    """

    def __init__(
        self,
        parent: QWidget | None,
        results: Sequence[ResultToSend],
        project: Path | None = None,
        count_folder: Path | None = None,
        folder_first: bool = False,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Send to a project")
        self._results = tuple(results)
        self._project, self._is_new = project, False
        self._count_folder = count_folder
        self._build()
        if folder_first and count_folder is not None:
            self._whats["folder"].setChecked(True)
        self._refresh()

    def value(self) -> SendForm:
        """Return the form."""
        return SendForm(
            project=self._project,
            is_new=self._is_new,
            what=self._chosen_what(),
            results=self._results,
            count_folder=self._count_folder,
            save_images=self._save.isChecked(),
            options=SendOptions(
                as_specimens=AS_SPECIMENS[max(self._becomes.checkedId(), 0)],
                add_classes=self._add.isChecked(),
                skip_rejected=self._skip.isChecked(),
            ),
        )

    def set_project(self, folder: Path, is_new: bool = False) -> None:
        """Choose the project."""
        self._project, self._is_new = folder, is_new
        self._refresh()

    def set_count_folder(self, folder: Path) -> None:
        """Choose a results folder of ``count``, in place of the results of the viewer."""
        self._count_folder = folder
        self._whats["folder"].setChecked(True)
        self._refresh()

    def _build(self) -> None:
        self._place = named(QLabel(), "send_project")
        self._place.setWordWrap(True)
        self._place.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        opens = self._button("send_open", "Open project...", "Choose the folder of a project")
        opens.clicked.connect(lambda: self._ask_for_project(is_new=False))
        news = self._button("send_new", "New project...", "Choose a folder for a new project")
        news.clicked.connect(lambda: self._ask_for_project(is_new=True))
        projects = QHBoxLayout()
        projects.addWidget(opens)
        projects.addWidget(news)
        projects.addStretch()

        self._whats: dict[What, QRadioButton] = {}
        whats = QVBoxLayout()
        texts = self._what_texts()
        for what, text in texts.items():
            button = named(QRadioButton(text), f"send_{what}")
            button.setToolTip("What is sent")
            self._whats[what] = button
            whats.addWidget(button)
        self._whats["shown"].setEnabled(bool(self._results))
        self._whats["all"].setEnabled(len(self._results) > 1)
        self._whats["shown" if self._results else "folder"].setChecked(True)
        self._choose_folder = self._button(
            "send_choose_folder", "Choose folder...", "Choose the results folder of napari-diatom count"
        )
        self._choose_folder.clicked.connect(self._ask_for_folder)
        whats.addWidget(self._choose_folder)

        self._becomes = QButtonGroup(self)
        becomes = QVBoxLayout()
        for number, way in enumerate(AS_SPECIMENS):
            title, tip = _BECOMES[way]
            button = named(QRadioButton(title), f"send_as_{way}")
            button.setToolTip(tip)
            button.setChecked(number == 0)
            self._becomes.addButton(button, number)
            becomes.addWidget(button)

        self._skip = named(QCheckBox("Leave out what was rejected or deleted in the project"), "send_skip_rejected")
        self._skip.setChecked(True)
        self._skip.setToolTip("Otherwise proposals that you rejected before come back")
        becomes.addWidget(self._skip)
        self._add = named(QCheckBox(), "send_add_classes")
        self._add.setChecked(True)
        self._add.setToolTip("Otherwise specimens of these classes stay proposals; accept them as another class")
        self._save = named(QCheckBox("Save images without a file in the project"), "send_save_images")
        self._save.setChecked(True)
        self._save.setToolTip("As TIFF files in the folder images of the project")
        self._problem = named(QLabel(), "send_problem")
        self._problem.setWordWrap(True)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        send = buttons.addButton("Send", QDialogButtonBox.ButtonRole.AcceptRole)
        assert send is not None
        self._send = named(send, "send_send")
        self._send.setDefault(True)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)

        for choice in (*self._whats.values(), self._save):
            choice.toggled.connect(self._refresh)

        form = QFormLayout()
        form.addRow("Project", self._place)
        form.addRow("", projects)
        form.addRow("Results", whats)
        form.addRow("Specimens", becomes)
        form.addRow("Classes", self._add)
        form.addRow("Images", self._save)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self._problem)
        layout.addWidget(buttons)
        self.setMinimumWidth(460)

    def _button(self, name: str, title: str, tip: str) -> QPushButton:
        button = named(QPushButton(title), name)
        button.setToolTip(tip)
        button.setAutoDefault(False)
        return button

    def _what_texts(self) -> dict[What, str]:
        total = sum(item.specimens for item in self._results)
        shown = f"The shown result ({_described(self._results[0])})" if self._results else "The shown result"
        of_all = f"All results ({many(len(self._results), 'image')}, {many(total, 'specimen')})"
        return {"shown": shown, "all": of_all, "folder": "A folder of results"}

    def _chosen_what(self) -> What:
        return next((what for what, button in self._whats.items() if button.isChecked()), "shown")

    def _refresh(self, *_: object) -> None:
        """Show the choices, and why nothing can be sent yet."""
        form = self.value()
        new = " (new)" if self._is_new else ""
        self._place.setText("No project is chosen." if self._project is None else f"{self._project}{new}")
        self._choose_folder.setEnabled(form.what == "folder")
        folder = "" if self._count_folder is None else f": {self._count_folder}"
        number = len(form.corrections)
        corrected = f", with your corrections in {many(number, 'open image')}" if number else ""
        self._whats["folder"].setText(f"A folder of results{folder}{corrected}")
        classes = form.new_classes()
        which = f": {first_few(classes, _CLASSES_SHOWN)}" if classes else ""
        self._add.setText(f"Add classes that the project does not have{which}")
        self._add.setEnabled(form.what == "folder" or bool(classes))
        self._save.setEnabled(any(not item.has_file for item in form.sent))
        problem = form.validation_error()
        self._problem.setText(problem or "")
        self._send.setEnabled(problem is None)
        self._send.setToolTip(problem or "Send, and go on in Annotate diatoms")

    def _ask_for_project(self, is_new: bool) -> None:
        title = "Choose a folder for the new project" if is_new else "Open a project folder"
        folder = QFileDialog.getExistingDirectory(self, title, str(self._project or ""))
        if folder:
            self.set_project(Path(folder), is_new)

    def _ask_for_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Choose a folder of results")
        if folder:
            self.set_count_folder(Path(folder))


def _described(result: ResultToSend) -> str:
    return f"{result.image.name}, {many(result.specimens, 'specimen')}"
