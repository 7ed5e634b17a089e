"""The third page of *Fine-tune a model*: follow a run, stop it, resume it, use its model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_diatom.core.errors import DiatomError
from napari_diatom.widgets.common.text_labels import text_label
from napari_diatom.widgets.training.epoch_view import EpochView
from napari_diatom.widgets.training.run_actions import RunActions
from napari_diatom.widgets.training.run_comparison import RunComparison
from napari_diatom.widgets.training.run_monitor import RunMonitor, run_state
from napari_diatom.widgets.training.run_status import RunStatus
from napari_diatom.widgets.training.run_table import RunTable
from napari_diatom.widgets.training.tested_model import figures_help, figures_text, trained_model

if TYPE_CHECKING:
    from diatom_training.finetune.run_folder import RunFolder, State
    from napari_diatom.core.progress import Progress


class ProgressPage(QWidget):
    """Shows one run, and starts and stops it.

    Parameters
    ----------
    may_continue : callable, optional
        Tells whether the user wants a run to continue, with its own settings; always by default.
    parent : QWidget, optional
        The parent widget.
    """

    wanted = Signal(object)
    """A :class:`~napari_diatom.models.library.ModelFolder` that the user wants to use."""
    changed = Signal()
    """A run began or ended."""
    remedied = Signal(object)
    """A :class:`~diatom_training.finetune.remedies.SettingsChange` that the user wants."""

    def __init__(
        self, may_continue: Callable[[RunFolder], bool] = lambda run: True, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._may_continue = may_continue
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
        from diatom_training.finetune.run_folder import RunFolder

        self._begin(folder)
        try:
            # Another window may have deleted it; nothing is written into the folder then.
            RunFolder.open(folder.path)
            folder.keep_going(self._actions.keeps_going())
            self.monitor.start(folder)
        except DiatomError as error:
            self._status.say(str(error), error=True)
            return
        self.list_runs()
        self._show_all()
        self._status.say("Starting")

    def list_runs(self) -> None:
        """List the runs of this user, the latest first."""
        self._runs.list_runs()
        if not self._runs.selected():
            self._runs.select(self.monitor.folder)

    def leave(self) -> None:
        """Stop what must end with the window."""
        self._runs.stop()
        self._actions.close_server()
        self.monitor.leave()

    def _build(self) -> None:
        self._runs = RunTable()
        self._status = RunStatus()
        self._actions = RunActions(self.monitor)
        self._figures = text_label("test_figures", is_html=True)
        self._epochs = EpochView()
        self._comparison = RunComparison()
        layout = QVBoxLayout(self)
        for part in (self._runs, self._comparison, self._status, self._actions, self._figures, self._epochs):
            layout.addWidget(part)
        layout.addStretch(1)

    def _connect(self) -> None:
        self.monitor.progressed.connect(self._on_progress)
        self.monitor.ended.connect(self._on_ended)
        self._runs.chosen.connect(self._on_chosen)
        self._actions.resumed.connect(self._on_resume)
        self._actions.wanted.connect(self.wanted)
        self._actions.moved.connect(self._on_moved)
        self._actions.deleted.connect(self._on_deleted)
        self._actions.said.connect(self._status.say)
        self._actions.failed.connect(self._on_failed)
        self._epochs.reading.changed.connect(self.remedied)
        self._epochs.reading.continued.connect(self._on_more)

    def _begin(self, folder: RunFolder) -> None:
        """Forget the run before."""
        from diatom_training.finetune.added_epochs import epochs_of

        epochs = 0
        try:
            config = folder.config()
            epochs = epochs_of(folder, config)
        except DiatomError:
            config = None
        self._status.restart(config, epochs)
        self._epochs.follow_latest()

    def _show_all(self) -> None:
        folder = self.monitor.folder
        assert folder is not None
        if folder.path not in _paths(self._runs.selected()):
            self._runs.select(folder)
        self._compare(None)
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
        self._status.setRunning(running)
        self._actions.refresh(model)
        self._figures.setText("" if folder is None or model is None else figures_text(folder, model))
        self._figures.setToolTip("" if model is None else figures_help(model))

    def _on_progress(self, progress: Progress) -> None:
        if progress.stage == "warning":
            self._status.warn(progress.message)
        elif progress.stage == "epoch":
            self._epochs.show_run(self.monitor.folder)
            self._comparison.refresh()
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

    def _on_chosen(self, runs: list[RunFolder]) -> None:
        """Show the selected run, or compare two. A training in progress stays shown."""
        gone = [run.path.name for run in runs if not _is_there(run)]
        if gone:
            self.list_runs()
            self._status.say(f"{', '.join(gone)} was deleted or moved by another program.", error=True)
        if gone or not runs:
            return
        shown = self.monitor.folder
        if not self.monitor.is_running and (len(runs) == 1 or shown is None or shown.path not in _paths(runs)):
            shown = runs[0]
            self.show_run(shown)
        others = [run for run in runs if shown is not None and run.path != shown.path]
        self._compare(others[0] if others else None)

    def _compare(self, other: RunFolder | None) -> None:
        """Show another run beside the shown one, or the shown one alone."""
        shown = self.monitor.folder
        if shown is not None and other is not None:
            self._comparison.show_runs(shown, other)
        else:
            self._comparison.close_runs()
        self._epochs.setVisible(self._comparison.isHidden())

    def _on_moved(self, moved: RunFolder) -> None:
        self.list_runs()
        self.show_run(moved)
        self._status.say(f"The training and its model are now called {moved.path.name}.")

    def _on_deleted(self, left: tuple[str, ...]) -> None:
        folder = self.monitor.folder
        self.monitor.forget()
        self.list_runs()
        self._compare(None)
        self._epochs.show_run(None)
        self._refresh()
        self.changed.emit()
        stays = (
            f" These files are not of the training, and stay in {folder and folder.path}: {', '.join(left)}."
            if left
            else ""
        )
        self._status.say(f"The training is deleted.{stays}")

    def _on_failed(self, why: str) -> None:
        self.list_runs()
        self._status.say(why, error=True)

    def _on_more(self, epochs: int, rate: float) -> None:
        """Add epochs to the run, and train them."""
        from diatom_training.finetune.added_epochs import add_epochs

        folder = self.monitor.folder
        if folder is None or not self._may_continue(folder):
            return
        try:
            add_epochs(folder, epochs, rate)
        except DiatomError as error:
            self._status.say(str(error), error=True)
            return
        self.start(folder)

    def _on_resume(self) -> None:
        folder = self.monitor.folder
        if folder is not None and self._may_continue(folder):
            self.start(folder)


def _is_there(run: RunFolder) -> bool:
    from diatom_training.finetune.run_folder import CONFIG

    return (run / CONFIG).is_file()


def _paths(runs: list[RunFolder]) -> set[Path]:
    """Return the folders of runs."""
    return {run.path for run in runs}
