"""*New project*: one form, and a preview of what was found for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QDialog, QHBoxLayout, QPlainTextEdit, QVBoxLayout, QWidget

from napari_diatom.core.errors import InputError
from napari_diatom.project.annotation_import import ImportReport
from napari_diatom.project.new_project import FoundData, place_beside
from napari_diatom.project.project import OWN_ENTRIES
from napari_diatom.project.project_options import NewProjectOptions
from napari_diatom.project.project_place import remark_on_place
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.text_labels import text_label
from napari_diatom.widgets.common.text_tone import set_tone
from napari_diatom.widgets.forms.pydantic_adapter import options_form
from napari_diatom.widgets.project_settings.page_parts import push_button
from napari_diatom.widgets.project_settings.settings_session import SettingsSession
from napari_diatom.widgets.project_settings.task_line import TaskLine

if TYPE_CHECKING:
    from napari.viewer import Viewer

_TYPING_MS: Final = 500
"""Time without typing after which a folder is looked at."""
_EMPTY: Final = "Choose the folder of your images. What is found there is listed here before anything is made."
_DEFAULT_CLASSES: Final = ("diatom",)


class NewProjectDialog(QDialog):
    """Makes a project where its images are.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer; the form starts in the folder of an image that is open in it.
    parent : QWidget, optional
        Its owner.
    """

    made = Signal(Path)
    """The folder of the project that was made."""

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("New project")
        named(self, "new_project_dialog")
        self._session = SettingsSession(viewer, self)
        self._found: FoundData | None = None
        self._looked_at: Path | None = None
        self._proposed: Path | None = None
        self._form = options_form(NewProjectOptions)
        self._preview = named(QPlainTextEdit(), "new_project_preview")
        self._preview.setReadOnly(True)
        self._preview.setAccessibleName("What was found")
        self._preview.setToolTip("Images, slides, pixel sizes, and annotations beside the images")
        self._preview.setPlainText(_EMPTY)
        self._place = text_label("new_project_place")
        set_tone(self._place, "warning")
        self._own_folder = push_button("new_project_own_folder", "", "Put the project into a folder of its own")
        self._create = push_button("new_project_create", "Create", "Make the project, and open it")
        self._leave = push_button("new_project_cancel", "Close", "Make no project")
        self._line = TaskLine(self._session)
        buttons = QHBoxLayout()
        buttons.addStretch()
        buttons.addWidget(self._leave)
        buttons.addWidget(self._create)
        layout = QVBoxLayout(self)
        layout.addWidget(self._form.native)
        layout.addWidget(self._place)
        layout.addWidget(self._own_folder)
        layout.addWidget(self._preview, 1)
        layout.addWidget(self._line)
        layout.addLayout(buttons)
        self.resize(520, 480)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_TYPING_MS)
        self._timer.timeout.connect(self._look)
        self._form.changed.connect(self._on_changed)
        self._session.running.connect(lambda *_: self._enable())
        self._own_folder.clicked.connect(lambda *_: self._take_own_folder())
        self._create.clicked.connect(lambda *_: self._make())
        self._leave.clicked.connect(self.reject)
        start = _folder_of_layers(viewer)
        if start is not None:
            self._form.control("images").value = start
        self._remark_on_place()
        self._enable()

    def reject(self) -> None:
        """Stop what is going on, and close."""
        self._session.stop()
        super().reject()

    def _on_changed(self) -> None:
        """Propose a folder for the project, and look at the images when the user has finished typing."""
        images = self._form.control("images").value
        folder = self._form.control("folder")
        if images is not None and Path(images) != self._looked_at:
            self._found = None
            self._timer.start()
            if folder.value in (None, self._proposed) and Path(images).is_dir():
                self._proposed = place_beside([str(images)])
                if self._proposed is not None:
                    folder.value = self._proposed
        self._remark_on_place()
        self._enable()

    def _remark_on_place(self) -> None:
        """Say that the files of the project would lie among images, and offer a folder in that one."""
        folder = self._form.control("folder").value
        remark = "" if folder is None else remark_on_place(Path(folder), OWN_ENTRIES)
        own = place_beside([str(folder)]) if remark else None
        self._place.setText(remark)
        self._place.setVisible(bool(remark))
        self._own_folder.setText("" if own is None else f"Use {Path(folder).name}/{own.name}")
        self._own_folder.setVisible(own is not None)

    def _take_own_folder(self) -> None:
        """Choose a folder of its own in the chosen one."""
        self._form.control("folder").value = self._proposed = place_beside([str(self._form.control("folder").value)])

    def _enable(self) -> None:
        is_ready = self._found is not None and self._found.images > 0 and not self._session.is_running
        self._create.setEnabled(is_ready and not self._form.errors())

    def _look(self) -> None:
        images = self._form.control("images").value
        if images is None or self._session.is_running:
            # What is looked at now is finished first.
            self._timer.start()
            return
        self._looked_at = Path(images)
        self._preview.setPlainText("Looking...")
        self._session.run("look_for_data", self._show, changes=False, open_first=False, images=(str(self._looked_at),))

    def _show(self, found: FoundData) -> None:
        self._found = found
        self._preview.setPlainText("\n".join(found.lines()))

    def _make(self) -> None:
        try:
            options = self._form.value()
        except InputError as error:
            self._session.failed.emit(str(error))
            return
        beside = () if self._found is None else tuple(item.path for item in self._found.annotations)
        self._session.run(
            "make_project",
            lambda report: self._on_made(options.folder, report),
            changes=False,
            open_first=False,
            folder=options.folder,
            images=(str(options.images),),
            classes=options.classes,
            annotations=beside if options.annotations else (),
            default_classes=_DEFAULT_CLASSES,
        )

    def _on_made(self, folder: Path, report: ImportReport | None) -> None:
        del report
        self.made.emit(folder)
        self.accept()


def _folder_of_layers(viewer: Viewer) -> Path | None:
    """Return the folder of the first open image that has a file, None where there is none."""
    for layer in viewer.layers:
        path = getattr(layer.source, "path", None)
        if path and Path(path).is_file():
            return Path(path).absolute().parent
    return None
