"""The third page of *Fine-tune a model*: follow a run, stop it, resume it, use its model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QVBoxLayout, QWidget
from superqt.utils import signals_blocked

from napari_diatom.core.errors import DiatomError
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.text_labels import text_label
from napari_diatom.widgets.training.epoch_view import EpochView
from napari_diatom.widgets.training.run_actions import RunActions
from napari_diatom.widgets.training.run_monitor import RunMonitor, run_state
from napari_diatom.widgets.training.run_status import RunStatus
from napari_diatom.widgets.training.tested_model import figures_text, trained_model

if TYPE_CHECKING:
    from diatom_training.finetune.run_folder import RunFolder, State
    from napari_diatom.core.progress import Progress


class ProgressPage(QWidget):
    """Shows one run, and starts and stops it."""

    wanted = Signal(object)
    """A :class:`~napari_diatom.models.library.ModelFolder` that the user wants to use."""
    changed = Signal()
    """A run began or ended."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.monitor = RunMonitor(self)
        self._build()
        self._connect()
        self.list_runs()
        self._refresh()

    def show_run(self, folder: RunFolder) -> None:
        """Show a run, and follow it while it goes on."""
        self._begin(folder)
        self.monitor.show(folder)
        self._show_all()

    def start(self, folder: RunFolder) -> None:
        """Start a run, or continue it; show the error if that fails."""
        self._begin(folder)
        try:
            folder.keep_going(self._actions.keeps_going())
            self.monitor.start(folder)
        except DiatomError as error:
            self._status.say(str(error), error=True)
            return
        self.list_runs()
        self._show_all()
        self._status.say("Starting")

    def list_runs(self) -> None:
        """Offer the runs of this user, the latest first."""
        from diatom_training.finetune import recent_runs

        with signals_blocked(self._runs):
            self._runs.clear()
            for run in recent_runs.list_runs():
                self._runs.addItem(f"{run.path.name}: {run_state(run).stage}", str(run.path))
                self._runs.setItemData(self._runs.count() - 1, str(run.path), Qt.ItemDataRole.ToolTipRole)
            self._select_run()

    def leave(self) -> None:
        """Stop what must end with the window."""
        self._actions.close_server()
        self.monitor.leave()

    def _build(self) -> None:
        self._runs = named(QComboBox(), "runs")
        self._runs.setPlaceholderText("No training yet")
        self._runs.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._status = RunStatus()
        self._actions = RunActions(self.monitor)
        self._figures = text_label("test_figures")
        self._epochs = EpochView()
        layout = QVBoxLayout(self)
        for part in (self._runs, self._status, self._actions, self._figures, self._epochs):
            layout.addWidget(part)
        layout.addStretch(1)

    def _connect(self) -> None:
        self.monitor.progressed.connect(self._on_progress)
        self.monitor.ended.connect(self._on_ended)
        self._runs.activated.connect(self._on_run)
        self._actions.resumed.connect(self._on_resume)
        self._actions.wanted.connect(self.wanted)
        self._actions.said.connect(self._status.say)
        self._actions.failed.connect(lambda why: self._status.say(why, error=True))

    def _begin(self, folder: RunFolder) -> None:
        """Forget the run before."""
        try:
            batch = folder.config().learning.batch
        except DiatomError:
            batch = None
        self._status.restart(batch)
        self._epochs.follow_latest()

    def _select_run(self) -> None:
        folder = self.monitor.folder
        self._runs.setCurrentIndex(-1 if folder is None else self._runs.findData(str(folder.path.absolute())))

    def _show_all(self) -> None:
        folder = self.monitor.folder
        assert folder is not None
        with signals_blocked(self._runs):
            self._select_run()
        self._actions.show_keep_going()
        if not self.monitor.is_running:
            self._status.show_end(run_state(folder))
        self._epochs.show_run(folder)
        self._refresh()
        self.changed.emit()

    def _refresh(self) -> None:
        """Enable what can be done, and show the test figures of a run that has ended."""
        folder, running = self.monitor.folder, self.monitor.is_running
        model = None if folder is None or running else trained_model(folder)
        self._runs.setEnabled(not running)
        self._status.setRunning(running)
        self._actions.refresh(model)
        self._figures.setText("" if folder is None or model is None else figures_text(folder, model))

    def _on_progress(self, progress: Progress) -> None:
        if progress.stage == "warning":
            self._status.warn(progress.message)
        elif progress.stage == "epoch":
            self._epochs.show_run(self.monitor.folder)
            self._refresh()
        elif progress.stage == "start":
            self.list_runs()
        if self.monitor.is_running:
            self._status.show_progress(progress, self.monitor)

    def _on_ended(self, state: State) -> None:
        self.list_runs()
        self._epochs.show_run(self.monitor.folder)
        self._refresh()
        self._status.show_end(state)
        self.changed.emit()

    def _on_run(self) -> None:
        from diatom_training.finetune.run_folder import RunFolder

        if self._runs.currentData():
            self.show_run(RunFolder(Path(self._runs.currentData())))

    def _on_resume(self) -> None:
        if self.monitor.folder is not None:
            self.start(self.monitor.folder)
