"""The line of a form that shows what was done, what went wrong, and how far a task is, with *Cancel*."""

from __future__ import annotations

from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QVBoxLayout, QWidget

from napari_diatom.core.progress import Progress
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.text_labels import text_label
from napari_diatom.widgets.common.text_tone import Tone, set_tone
from napari_diatom.widgets.project_settings.page_parts import push_button
from napari_diatom.widgets.project_settings.settings_session import SettingsSession


class TaskLine(QWidget):
    """Shows the messages and the tasks of a session.

    Parameters
    ----------
    session : SettingsSession
        Says what is done.
    """

    def __init__(self, session: SettingsSession) -> None:
        super().__init__()
        self._message = text_label("settings_message")
        self._bar = named(QProgressBar(), "settings_progress")
        self._bar.setAccessibleName("Progress")
        self._bar.setToolTip("How far the task is")
        self._cancel = push_button("settings_cancel", "Cancel", "Stop; what is already being written is finished")
        row = QHBoxLayout()
        row.addWidget(self._bar, 1)
        row.addWidget(self._cancel)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._message)
        layout.addLayout(row)
        session.said.connect(lambda text: self._show(text, "plain"))
        session.failed.connect(lambda text: self._show(text, "error"))
        session.progressed.connect(self._on_progress)
        session.running.connect(self._on_running)
        self._cancel.clicked.connect(lambda *_: session.cancel())
        self._on_running(False)

    def _show(self, text: str, tone: Tone) -> None:
        set_tone(self._message, tone)
        self._message.setText(text)

    def _on_progress(self, progress: Progress) -> None:
        self._bar.setMaximum(max(progress.total, 0))
        self._bar.setValue(min(progress.done, progress.total))
        self._bar.setFormat(f"{progress.stage}: {progress.done} of {progress.total}")

    def _on_running(self, is_running: bool) -> None:
        for part in (self._bar, self._cancel):
            part.setVisible(is_running)
        if is_running:
            self._bar.setRange(0, 0)
