"""A run: work in a thread with progress, a way to cancel it, errors, and the steps that show its result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from napari.qt.threading import create_worker
from napari.utils.notifications import notification_manager, show_error
from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QProgressBar, QPushButton, QWidget

from napari_diatom.core.errors import DiatomError
from napari_diatom.core.progress import Progress
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.text_labels import text_label
from napari_diatom.widgets.common.text_tone import set_tone
from napari_diatom.widgets.common.worker import ReportingWorker

_BREATH_MS: Final = 30
"""Time for the viewer to draw between two steps."""
_UNITS: Final = {"tiles": "Tile", "outlines": "Outline", "names": "Specimen"}
"""The unit of each stage of a run."""
_UNCHANGED: Final = "Cancelled; nothing has changed."


class RunProgress(QObject):
    """Does one long task at a time, and shows its progress.

    Parameters
    ----------
    parent : QWidget
        The dock that starts the runs.

    Attributes
    ----------
    workers : list of ReportingWorker
        The active worker, or none. The list stays the same object.
    bar : QProgressBar
        The progress of the run.
    message : QLabel
        A message in one line.
    cancel_button : QPushButton
        Stops the run.
    """

    started = Signal()
    ended = Signal()
    """The run is over, and its result is shown."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.workers: list[ReportingWorker] = []
        self._steps: list[Callable[[], object]] = []
        self._cancelled = _UNCHANGED
        self.bar = named(QProgressBar(), "progress", spoken="Progress of the run")
        self.bar.setTextVisible(False)
        self.bar.setMaximumHeight(6)
        self.bar.hide()
        self.message = text_label("message")
        self.cancel_button = named(
            QPushButton("Cancel"), "cancel", "Stop the run, or sending to a project; what is done stays"
        )
        self.cancel_button.clicked.connect(self.cancel)

    @property
    def running(self) -> bool:
        """Whether a run is in progress, or its result is being shown."""
        return bool(self.workers)

    @property
    def showing(self) -> bool:
        """Whether the result of a run is being shown, step by step."""
        return bool(self._steps)

    def start(
        self, then: Callable[[Any], object], work: Callable[..., Any], *args: Any, cancelled: str = _UNCHANGED
    ) -> None:
        """Do a long task in a thread, and then call ``then`` with its result; say ``cancelled`` if it is cancelled."""
        self._cancelled = cancelled
        worker = create_worker(work, *args, _worker_class=ReportingWorker, _ignore_errors=True)
        worker.progressed.connect(self._on_progress)
        worker.returned.connect(then)
        worker.errored.connect(self._on_error)
        worker.stopped.connect(self._on_stopped)
        worker.finished.connect(self._on_finished)
        self.workers.append(worker)
        self.bar.setRange(0, 0)
        self.bar.show()
        self.say("Starting")
        self.started.emit()
        worker.start()

    def show_in_steps(self, steps: Sequence[Callable[[], object]]) -> None:
        """Do these steps after the task, each in its own turn of the event loop, so that the window responds."""
        self._steps = list(steps)

    def cancel(self) -> None:
        """Ask the run to stop."""
        if self.workers:
            quit_all(self.workers)
            self.cancel_button.setEnabled(False)
            self.say("Cancelling")

    def say(self, message: str, error: bool = False) -> None:
        """Show a message in the dock, in place of the last one."""
        self.message.setText(message)
        set_tone(self.message, "error" if error else "plain")

    def complain(self, message: str) -> None:
        """Show an error."""
        self.say(message, error=True)

    def _on_progress(self, progress: Progress) -> None:
        self.bar.setRange(0, progress.total)
        self.bar.setValue(progress.done)
        if any(worker.abort_requested for worker in self.workers):
            return
        unit = _UNITS.get(progress.stage)
        self.say(f"{unit} {progress.done} of {progress.total}" if unit else progress.message)

    def _on_error(self, error: Exception) -> None:
        if isinstance(error, DiatomError):
            show_error(str(error))
        else:
            notification_manager.receive_error(type(error), error, error.__traceback__)
        self.complain(" ".join(str(error).split()) or type(error).__name__)

    def _on_stopped(self) -> None:
        self.say(self._cancelled)

    def _on_finished(self) -> None:
        self._steps.append(self._end)
        self._next_step()

    def _next_step(self) -> None:
        self._steps.pop(0)()
        if self._steps:
            QTimer.singleShot(_BREATH_MS, self._next_step)

    def _end(self) -> None:
        self.workers.clear()
        self.bar.hide()
        self.ended.emit()


def quit_all(workers: Sequence[ReportingWorker]) -> None:
    """Ask workers to stop."""
    for worker in workers:
        worker.quit()
