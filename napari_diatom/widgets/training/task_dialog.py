"""Long work that belongs to a training, in a window of its own: progress, a message, a start, and Cancel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from napari.qt.threading import create_worker
from qtpy.QtCore import Qt
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QDialog, QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_diatom.core.errors import DiatomError
from napari_diatom.core.progress import Progress, ProgressMonitor
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.text_labels import text_label
from napari_diatom.widgets.common.text_tone import set_tone
from napari_diatom.widgets.common.worker import ReportingWorker

if TYPE_CHECKING:
    from diatom_training.finetune.config import TrainConfig

MOST_FOLDS: Final = 100
"""Of a cross-validation."""
_BAR_PX: Final = 6
_STAGES: Final[Mapping[str, str]] = {
    "images": "Reading the slides",
    "rate": "Trying learning rates",
    "step": "Training",
    "epoch": "Training",
    "composed-step": "Training on composed slides",
    "composed-epoch": "Training on composed slides",
    "validation": "Tuning the threshold on the validation slides",
    "test": "Testing on the test slides",
}
"""What the user reads while work is at a stage."""


class TaskDialog(QDialog):
    """A window that does one thing for long, and shows what comes of it.

    Parameters
    ----------
    name : str
        What the object names of its parts begin with.
    title : str
        Title of the window.
    action : str
        Text of the button that starts the work.
    config : callable
        Gives the settings of the training, or raises InputError.
    parent : QWidget
        The widget that it belongs to; it closes with it, and the work is stopped.

    Attributes
    ----------
    config : callable
        As it was given.
    body : QVBoxLayout
        For what is above the progress.
    buttons : QHBoxLayout
        For more buttons, to the right of the start.
    """

    def __init__(self, name: str, title: str, action: str, config: Callable[[], TrainConfig], parent: QWidget) -> None:
        super().__init__(parent)
        self.config = config
        named(self, name, spoken=title)
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._worker: ReportingWorker | None = None
        self.body = QVBoxLayout()
        self._bar = named(QProgressBar(), f"{name}_progress", spoken="Progress")
        self._bar.setTextVisible(False)
        self._bar.setMaximumHeight(_BAR_PX)
        self._bar.hide()
        self._message = text_label(f"{name}_message")
        self._start = named(QPushButton(action), f"{name}_start")
        self._cancel = named(QPushButton("Cancel"), f"{name}_cancel")
        self._cancel.setEnabled(False)
        close = named(QPushButton("Close"), f"{name}_close")
        for button in (self._start, self._cancel, close):
            button.setAutoDefault(False)
        self.buttons = QHBoxLayout()
        self.buttons.addWidget(self._start)
        last = QHBoxLayout()
        last.addLayout(self.buttons)
        last.addStretch(1)
        last.addWidget(self._cancel)
        last.addWidget(close)
        layout = QVBoxLayout(self)
        layout.addLayout(self.body, 1)
        layout.addWidget(self._bar)
        layout.addWidget(self._message)
        layout.addLayout(last)
        self._start.clicked.connect(lambda _: self.begin())
        self._cancel.clicked.connect(lambda _: self.stop())
        close.clicked.connect(lambda _: self.close())

    @property
    def is_running(self) -> bool:
        """Whether the work is in progress."""
        return self._worker is not None

    def begin(self) -> None:
        """Start the work, or show why it cannot be started."""
        try:
            work = self.prepared()
        except DiatomError as error:
            self.say(str(error), error=True)
            return
        self.run(work)

    def prepared(self) -> Callable[[ProgressMonitor], Any]:
        """Return the work that the settings ask for.

        Raises
        ------
        DiatomError
            When it cannot be done.
        """
        raise NotImplementedError

    def show_result(self, result: Any) -> None:
        """Show what has come of the work."""
        raise NotImplementedError

    def run(self, work: Callable[[ProgressMonitor], Any]) -> None:
        """Do work in a thread, which has to be a light one, or wait for another process."""
        worker = create_worker(work, _worker_class=ReportingWorker, _ignore_errors=True)
        worker.progressed.connect(self.show_progress)
        worker.returned.connect(self.show_result)
        worker.errored.connect(self._on_error)
        worker.stopped.connect(self._on_stopped)
        worker.finished.connect(self._on_finished)
        self._worker = worker
        self._bar.setRange(0, 0)
        self._refresh()
        self.say("Starting")
        worker.start()

    def stop(self) -> None:
        """Ask the work to stop."""
        if self._worker is not None:
            self._worker.quit()
            self._cancel.setEnabled(False)
            self.say("Stopping")

    def say(self, message: str, error: bool = False) -> None:
        """Show a message."""
        self._message.setText(message)
        set_tone(self._message, "error" if error else "plain")

    def show_progress(self, progress: Progress) -> None:
        """Show a step of the work."""
        self._bar.setRange(0, progress.total)
        self._bar.setValue(progress.done)
        if self._cancel.isEnabled():
            self.say(progress.message or _STAGES.get(progress.stage, "Starting"))

    def closeEvent(self, a0: QCloseEvent | None) -> None:
        """Stop the work with the window."""
        self.stop()
        super().closeEvent(a0)

    def refresh(self) -> None:
        """Enable what can be done; called when work has begun or ended."""

    def _refresh(self) -> None:
        self._bar.setVisible(self.is_running)
        self._start.setEnabled(not self.is_running)
        self._cancel.setEnabled(self.is_running)
        self.refresh()

    def _on_error(self, error: Exception) -> None:
        self.say(" ".join(str(error).split()) or type(error).__name__, error=True)

    def _on_stopped(self) -> None:
        self.say("Stopped.")

    def _on_finished(self) -> None:
        self._worker = None
        self._refresh()
