"""Buttons of a run: stop, resume, rename, delete, open its files, use and export its model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari.qt.threading import create_worker
from qtpy.QtCore import QUrl, Signal, SignalInstance
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QGridLayout,
    QInputDialog,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_diatom.core.errors import DiatomError
from napari_diatom.models.library import ARCHIVE_SUFFIX
from napari_diatom.widgets.common.asking import ask
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.worker import QuietWorker
from napari_diatom.widgets.training.curve_dialog import CurveDialog
from napari_diatom.widgets.training.run_monitor import RunMonitor, run_state
from napari_diatom.widgets.training.tensorboard_server import TensorBoardServer

if TYPE_CHECKING:
    from napari_diatom.models.library import ModelFolder

_NO_TEST: Final = "The model is tested on the test slides at the end of its training. This training has no test"


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
    moved = Signal(object)
    """The run has a new name; its :class:`~diatom_training.finetune.run_folder.RunFolder`."""
    deleted = Signal(object)
    """The run is deleted; the names of the files that stay in its folder."""
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
        self._refresh_test()
        self._use.setEnabled(model is not None)
        self._export.setEnabled(model is not None)
        self._rename.setEnabled(folder is not None and not running)
        self._delete.setEnabled(folder is not None and not running)

    def _refresh_test(self) -> None:
        """Enable what shows the test of the run, or say that there is none."""
        folder = self._monitor.folder
        for button, name, tip in (
            (self._report, "report.html", "Show the report on the test slides in a browser"),
            (self._curves, "report.json", "Show the curves and the confusion matrix of the test"),
        ):
            tested = folder is not None and (folder / "report" / name).is_file()
            button.setEnabled(tested)
            button.setToolTip(tip if tested else _NO_TEST)

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
        self._resume.setToolTip("Continue a training that was stopped or has failed, with its own settings")
        self._tensorboard = named(QPushButton("TensorBoard"), "tensorboard")
        self._tensorboard.setToolTip(
            "Show curves, pictures, weights and settings in a browser with TensorBoard, beside the other trainings"
        )
        self._open = named(QPushButton("Open folder"), "open_run")
        self._open.setToolTip("Show the files of the training")
        self._report = named(QPushButton("Test report"), "open_report")
        self._curves = named(QPushButton("Test curves…"), "open_curves")
        self._use = named(QPushButton("Use this model"), "use_model")
        self._use.setToolTip("Add the model to your own models, and select it")
        self._rename = named(QPushButton("Rename…"), "rename_run")
        self._rename.setToolTip("Give the training and its model another name")
        self._delete = named(QPushButton("Delete…"), "delete_run")
        self._delete.setToolTip("Delete the training with its model, curves and report")
        self._export = named(QPushButton("Export…"), "export_run")
        self._export.setToolTip("Write the model as one .diatom-model file, for another computer")
        self._keep = named(QCheckBox("Keep training after napari closes"), "keep_going")
        self._keep.setToolTip("Otherwise the training stops with napari, and can be resumed")
        buttons = QGridLayout()
        for column, button in enumerate((self._stop, self._resume, self._tensorboard, self._open)):
            buttons.addWidget(button, 0, column)
        for column, button in enumerate((self._report, self._rename, self._delete, self._export)):
            buttons.addWidget(button, 1, column)
        buttons.addWidget(self._curves, 2, 0)
        buttons.addWidget(self._use, 2, 1, 1, 3)
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
        self._curves.clicked.connect(self._on_curves)
        self._use.clicked.connect(self._on_use)
        self._rename.clicked.connect(self._on_rename)
        self._delete.clicked.connect(self._on_delete)
        self._export.clicked.connect(self._on_export)

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
            self._server.open(_compared_folder(self._monitor.folder.path))

    def _open_file(self, name: str) -> None:
        if self._monitor.folder is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str((self._monitor.folder / name).absolute())))

    def _on_curves(self) -> None:
        if self._monitor.folder is not None:
            CurveDialog(self._monitor.folder, self).show()

    def _on_rename(self) -> None:
        from diatom_training.finetune import run_changes

        folder = self._monitor.folder
        if folder is None:
            return
        name, accepted = QInputDialog.getText(
            self,
            "Rename a training",
            "New name of the training and its model:",
            QLineEdit.EchoMode.Normal,
            folder.path.name,
        )
        if not accepted:
            return
        self._server.close()
        try:
            moved = run_changes.rename_run(folder, name.strip())
        except DiatomError as error:
            self.failed.emit(str(error))
        else:
            self.moved.emit(moved)

    def _on_delete(self) -> None:
        from diatom_training.finetune import run_changes

        folder = self._monitor.folder
        if folder is None:
            return
        question = (
            f"Delete the training {folder.path.name} with its model, curves and report? This cannot be undone. "
            "Your slides and annotations stay, and so do models that you use already."
        )
        if ask(self, "Delete a training", question, "Keep", "Delete") == 1:
            self._server.close()
            self._in_thread(run_changes.delete_run, folder).connect(self.deleted)

    def _on_export(self) -> None:
        from diatom_training.finetune import run_changes

        folder = self._monitor.folder
        if folder is None:
            return
        usual = str(Path.home() / f"{folder.path.name}{ARCHIVE_SUFFIX}")
        chosen, _ = QFileDialog.getSaveFileName(self, "Export the model", usual, f"Model (*{ARCHIVE_SUFFIX})")
        if chosen:
            file = Path(chosen if chosen.endswith(ARCHIVE_SUFFIX) else f"{chosen}{ARCHIVE_SUFFIX}")
            written = self._in_thread(run_changes.export_run, folder, file)
            written.connect(lambda: self.said.emit(f"{file} is written. Another computer imports it as a model."))

    def _in_thread(self, change: Callable[..., object], *arguments: object) -> SignalInstance:
        """Change a run in a thread; return the signal of its end. An error goes to :attr:`failed`."""
        worker = create_worker(change, *arguments, _worker_class=QuietWorker, _ignore_errors=True)
        worker.errored.connect(lambda error: self.failed.emit(" ".join(str(error).split())))
        worker.start()
        returned: SignalInstance = worker.returned
        return returned

    def _on_use(self) -> None:
        if self._model is not None:
            self.wanted.emit(self._model)


def _compared_folder(run: Path) -> Path:
    """Return the folder for TensorBoard: with all trainings beside one, where they have a folder of their own."""
    return run.parent if run.parent.name == "runs" else run / "tensorboard"
