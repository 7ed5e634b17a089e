"""Buttons of a run: stop, resume, open its files, use its model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QUrl, Signal
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QCheckBox, QGridLayout, QPushButton, QVBoxLayout, QWidget
from superqt.utils import signals_blocked

from napari_diatom.core.errors import DiatomError
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.training.run_monitor import RunMonitor, run_state
from napari_diatom.widgets.training.tensorboard_server import TensorBoardServer

if TYPE_CHECKING:
    from napari_diatom.models.library import ModelFolder


class RunActions(QWidget):
    """Enables what can be done with a run, and does it.

    Parameters
    ----------
    monitor : RunMonitor
        Has the run, and stops it.
    """

    resumed = Signal()
    """The user wants the run to continue."""
    wanted = Signal(object)
    """A :class:`~napari_diatom.models.library.ModelFolder` that the user wants to use."""
    said = Signal(str)
    """A message about an action."""
    failed = Signal(str)
    """Why an action failed."""

    def __init__(self, monitor: RunMonitor) -> None:
        super().__init__()
        self._monitor = monitor
        self._model: ModelFolder | None = None
        self._server = TensorBoardServer(self)
        self._build()
        self._connect()

    def keeps_going(self) -> bool:
        """Return whether a run continues after napari closes."""
        return self._keep.isChecked()

    def refresh(self, model: ModelFolder | None) -> None:
        """Enable the buttons that can be used.

        Parameters
        ----------
        model : ModelFolder or None
            The model of the run.
        """
        self._model = model
        folder, running = self._monitor.folder, self._monitor.is_running
        stage = "new" if folder is None else run_state(folder).stage
        self._stop.setEnabled(running)
        self._resume.setEnabled(folder is not None and not running and stage in ("stopped", "failed", "new"))
        self._tensorboard.setEnabled(folder is not None and (folder / "tensorboard").is_dir())
        self._open.setEnabled(folder is not None)
        self._report.setEnabled(folder is not None and (folder / "report" / "report.html").is_file())
        self._use.setEnabled(model is not None)

    def show_keep_going(self) -> None:
        """Show whether the run continues after napari closes."""
        if self._monitor.folder is not None:
            with signals_blocked(self._keep):
                self._keep.setChecked(self._monitor.folder.keeps_going())

    def close_server(self) -> None:
        """Stop TensorBoard."""
        self._server.close()

    def _build(self) -> None:
        self._stop = named(QPushButton("Stop"), "stop_training")
        self._stop.setToolTip("Stop the training and keep the best weights as a model")
        self._resume = named(QPushButton("Resume"), "resume_training")
        self._tensorboard = named(QPushButton("TensorBoard"), "tensorboard")
        self._open = named(QPushButton("Open folder"), "open_run")
        self._report = named(QPushButton("Test report"), "open_report")
        self._use = named(QPushButton("Use this model"), "use_model")
        self._keep = named(QCheckBox("Keep training after napari closes"), "keep_going")
        buttons = QGridLayout()
        for column, button in enumerate((self._stop, self._resume, self._tensorboard, self._open)):
            buttons.addWidget(button, 0, column)
        buttons.addWidget(self._report, 1, 0, 1, 2)
        buttons.addWidget(self._use, 1, 2, 1, 2)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(buttons)
        layout.addWidget(self._keep)

    def _connect(self) -> None:
        self._stop.clicked.connect(self._on_stop)
        self._resume.clicked.connect(self.resumed)
        self._keep.toggled.connect(self._on_keep)
        self._tensorboard.clicked.connect(self._on_tensorboard)
        self._server.ready.connect(lambda address: QDesktopServices.openUrl(QUrl(address)))
        self._server.failed.connect(self.failed)
        self._open.clicked.connect(lambda: self._open_file(""))
        self._report.clicked.connect(lambda: self._open_file("report/report.html"))
        self._use.clicked.connect(self._on_use)

    def _on_stop(self) -> None:
        self._monitor.stop()
        self._stop.setEnabled(False)
        self.said.emit("Stopping; the best weights are kept.")

    def _on_keep(self, keep: bool) -> None:
        if self._monitor.folder is not None:
            try:
                self._monitor.folder.keep_going(keep)
            except DiatomError as error:
                self.failed.emit(str(error))

    def _on_tensorboard(self) -> None:
        if self._monitor.folder is not None:
            self.said.emit("Starting TensorBoard")
            self._server.open(self._monitor.folder / "tensorboard")

    def _open_file(self, name: str) -> None:
        if self._monitor.folder is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str((self._monitor.folder / name).absolute())))

    def _on_use(self) -> None:
        if self._model is not None:
            self.wanted.emit(self._model)
