"""The dock widget *About and help*: what to paste into a bug report, and what is known to go wrong."""

from __future__ import annotations

from typing import Final

from napari.qt.threading import create_worker
from qtpy.QtGui import QFontDatabase, QGuiApplication
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from napari_diatom import __version__
from napari_diatom.diagnostics import checkup
from napari_diatom.diagnostics.checkup import Checkup
from napari_diatom.widgets.common.dock_keys import ButtonKey, DockKeys
from napari_diatom.widgets.common.dock_tabs import share_area
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.worker import QuietWorker

_LOOKING: Final = "Checking the installation..."


class AboutWidget(QWidget):
    """Shows versions, devices, models, folders, and notes and problems with their remedies."""

    def __init__(self) -> None:
        super().__init__()
        self._worker: QuietWorker | None = None
        title = QLabel(
            f"napari-diatom {__version__}: finds, outlines, measures and counts diatoms in microscope images."
        )
        title.setWordWrap(True)
        self._state = named(QLabel(), "state")
        self._state.setWordWrap(True)
        self._text = named(QPlainTextEdit(), "text", "Versions, devices, models, folders and problems", "Installation")
        self._text.setReadOnly(True)
        self._text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self._text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self._copy = named(QPushButton("Copy"), "copy", "Copy all of it, to paste into a bug report")
        self._copy.clicked.connect(self._copy_text)
        self._again = named(QPushButton("Check again"), "again", "Look at the installation again")
        self._again.clicked.connect(self._look)
        buttons = QHBoxLayout()
        buttons.addWidget(self._copy)
        buttons.addWidget(self._again)
        buttons.addStretch()
        layout = QVBoxLayout(self)
        for part in (title, self._state, self._text):
            layout.addWidget(part)
        layout.addLayout(buttons)
        DockKeys(self, None, [ButtonKey("Alt+C", "copy", "copy the text")])
        share_area(self, "About")
        self._look()

    def _look(self) -> None:
        """Look at the installation in a thread."""
        self._state.setText(_LOOKING)
        self._copy.setEnabled(False)
        self._again.setEnabled(False)
        worker = create_worker(checkup.examine, _worker_class=QuietWorker, _ignore_errors=True)
        worker.returned.connect(self._show)
        worker.errored.connect(self._fail)
        worker.finished.connect(self._rest)
        self._worker = worker
        worker.start()

    def _show(self, found: Checkup) -> None:
        """Show what was found."""
        self._state.setText(found.verdict() + (" See the end of the text." if found.advice else ""))
        self._text.setPlainText(found.text())
        self._copy.setEnabled(True)

    def _fail(self, error: Exception) -> None:
        """Say why nothing can be shown."""
        self._state.setText(f"The installation cannot be checked: {error}")

    def _rest(self) -> None:
        """Allow another look."""
        self._worker = None
        self._again.setEnabled(True)

    def _copy_text(self) -> None:
        """Put the text on the clipboard."""
        clipboard = QGuiApplication.clipboard()
        assert clipboard is not None
        clipboard.setText(self._text.toPlainText())
        self._state.setText("Copied. Paste it into your bug report.")
