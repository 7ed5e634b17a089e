"""The page *Import*: annotations of other programs, looked at before they are taken."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from qtpy.QtWidgets import QFileDialog, QListWidget, QListWidgetItem, QPlainTextEdit, QWidget

from napari_diatom.core.errors import InputError
from napari_diatom.formats.registry import FORMATS
from napari_diatom.project.annotation_import import ImportReport
from napari_diatom.project.project_options import ImportOptions
from napari_diatom.widgets.common.closing import when_destroyed
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.forms.pydantic_adapter import options_form
from napari_diatom.widgets.project_settings.page_parts import in_rows, page_layout, push_button
from napari_diatom.widgets.project_settings.settings_session import SettingsSession

_GRACE_S: Final = 0.3
"""Time that an import may take to stop by itself: nothing of it counts before it writes."""
_EMPTY: Final = "Add the annotation files of another program, then press Look: nothing is changed by that."


class ImportPage(QWidget):
    """Imports annotation files of any format into the project, all of them or none.

    Parameters
    ----------
    session : SettingsSession
        The project, and the process that imports.
    """

    def __init__(self, session: SettingsSession) -> None:
        super().__init__()
        self._session = session
        self._paths: list[Path] = []
        self._kept = tempfile.TemporaryDirectory(prefix="napari-diatom-", ignore_cleanup_errors=True)
        when_destroyed(self, self._kept.cleanup)
        self._files = named(QListWidget(), "import_files")
        self._files.setAccessibleName("Files to import")
        self._files.setToolTip("Files and folders of annotations")
        self._files.setMaximumHeight(90)
        self._add = push_button("import_add", "Add files...", "Choose annotation files of any format")
        self._add_folder = push_button(
            "import_add_folder", "Add folder...", "Choose a folder with an annotation file for each image"
        )
        self._clear = push_button("import_clear", "Clear", "Forget these files; the files themselves stay")
        self._form = options_form(ImportOptions, choices={"source": [(known.title, known.name) for known in FORMATS]})
        self._look = push_button("import_look", "Look", "Report what would be imported, and change nothing")
        self._import = push_button("import_start", "Import", "Import everything, or nothing if something does not fit")
        self._report = named(QPlainTextEdit(), "import_report")
        self._report.setReadOnly(True)
        self._report.setAccessibleName("Report of the import")
        self._report.setToolTip("What the files hold, and what the project cannot keep of it")
        layout = page_layout(self)
        layout.addLayout(in_rows(self._add, self._add_folder, self._clear))
        layout.addWidget(self._files)
        layout.addWidget(self._form.native)
        layout.addLayout(in_rows(self._look, self._import))
        layout.addWidget(self._report, 1)
        self._add.clicked.connect(lambda *_: self._ask_for_files())
        self._add_folder.clicked.connect(lambda *_: self._ask_for_folder())
        self._clear.clicked.connect(lambda *_: self.set_files([]))
        self._look.clicked.connect(lambda *_: self._start(dry_run=True))
        self._import.clicked.connect(lambda *_: self._start(dry_run=False))
        self.set_files([])

    def set_files(self, paths: list[Path]) -> None:
        """Show files that are to be imported."""
        self._paths = list(dict.fromkeys(paths))
        self._files.clear()
        for path in self._paths:
            item = QListWidgetItem(path.name)
            item.setToolTip(str(path))
            self._files.addItem(item)
        self._report.setPlainText("" if self._paths else _EMPTY)
        self.refresh()

    def refresh(self) -> None:
        """Enable what can be done."""
        is_free = self._session.project is not None and not self._session.is_running
        for button in (self._add, self._add_folder):
            button.setEnabled(is_free)
        for button in (self._look, self._import, self._clear):
            button.setEnabled(is_free and bool(self._paths))

    def _ask_for_files(self) -> None:
        names, _ = QFileDialog.getOpenFileNames(self, "Choose annotation files", self._place())
        if names:
            self.set_files([*self._paths, *map(Path, names)])

    def _ask_for_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Choose a folder of annotation files", self._place())
        if name:
            self.set_files([*self._paths, Path(name)])

    def _place(self) -> str:
        project = self._session.project
        if project is None:
            return ""
        first = next((project.path(image.id).parent for image in project.images), project.folder)
        return str(first)

    def _start(self, dry_run: bool) -> None:
        try:
            options = self._form.value()
        except InputError as error:
            self._session.failed.emit(str(error))
            return
        self._report.setPlainText("Reading...")
        self._session.said.emit("")
        self._session.run(
            "import_annotation_files",
            self._show,
            changes=not dry_run,
            paths=tuple(self._paths),
            source=options.source,
            skip_absent=options.skip_absent,
            dry_run=dry_run,
            # What was looked at is not read again for the import.
            kept=Path(self._kept.name) / "read.pickle",
            grace_s=_GRACE_S,
            stopped="Stopped. Nothing was imported.",
        )

    def _show(self, report: ImportReport) -> None:
        lines = report.lines()
        if report.problems:
            lines += ["", "Nothing can be imported before this is put right:", *report.problems]
        self._report.setPlainText("\n".join(lines))
        if report.is_done:
            self._session.said.emit(f"{report.new:,} specimens were imported.")
