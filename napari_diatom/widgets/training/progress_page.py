"""The third page of *Fine-tune a model*: live curves, what they say, stop, resume, and what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import Qt, QUrl, Signal
from qtpy.QtGui import QDesktopServices, QPixmap, QResizeEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QSlider,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_diatom.core.errors import DiatomError
from napari_diatom.core.text import many, sentence
from napari_diatom.models import library
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.training.run_monitor import Watch, history_of, state_of
from napari_diatom.widgets.training.tensorboard_server import BoardServer

if TYPE_CHECKING:
    from diatom_training.finetune.run_folder import RunFolder, State
    from napari_diatom.core.progress import Progress
    from napari_diatom.models.library import ModelFolder

_STAGES: Final = {
    "images": "Reading the slides",
    "start": "Starting",
    "step": "Learning",
    "epoch": "Learning",
    "slides": "Cutting out specimens",
    "atlas": "Cutting out valves of the atlas",
    "fields": "Composing slides",
    "composed-step": "Training on composed slides",
    "composed-epoch": "Training on composed slides",
    "validation": "Tuning the threshold on the validation slides",
    "test": "Testing on the test slides",
}
_FIGURES: Final = {
    "ap50": "Average precision, overlap of 0.5 or more",
    "ap50_95": "Average precision, mean over overlaps of 0.5 to 0.95",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "dice": "Dice",
    "miou": "mIoU",
    "accuracy": "Accuracy",
    "macro_f1": "Mean F1 of the classes",
    "relative_count_error": "Count error",
}
"""Figures of the test that are shown here; the report has all."""
_CURVES_PX: Final = 320


class ProgressPage(QWidget):
    """Shows one run, and starts and stops it."""

    wanted = Signal(object)
    """A :class:`~napari_diatom.models.library.ModelFolder` that is to be used."""
    changed = Signal()
    """A run began or ended."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.watch = Watch(self)
        self._server = BoardServer(self)
        self._warnings: list[str] = []
        self._batch: int | None = None
        self._picture = QPixmap()
        self._build()
        self._connect()
        self.list_runs()
        self._refresh()

    def show_run(self, folder: RunFolder) -> None:
        """Show a run, and follow it where it is being worked on."""
        self._begin(folder)
        self.watch.show(folder)
        self._show_all()

    def start(self, folder: RunFolder) -> None:
        """Start a run, or continue it; what is wrong is shown instead."""
        self._begin(folder)
        try:
            folder.keep_going(self._keep.isChecked())
            self.watch.start(folder)
        except DiatomError as error:
            self._say(str(error), error=True)
            return
        self.list_runs()
        self._show_all()
        self._say("Starting")

    def list_runs(self) -> None:
        """Offer the runs of this user, the latest first."""
        from diatom_training.finetune import recent_runs

        shown = self.watch.folder
        with signals_blocked(self._runs):
            self._runs.clear()
            for run in recent_runs.list_runs():
                self._runs.addItem(f"{run.path.name}: {state_of(run).stage}", str(run.path))
                self._runs.setItemData(self._runs.count() - 1, str(run.path), Qt.ItemDataRole.ToolTipRole)
            self._runs.setCurrentIndex(-1 if shown is None else self._runs.findData(str(shown.path.absolute())))

    def leave(self) -> None:
        """End what must not outlive the window."""
        self._server.close()
        self.watch.leave()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Fit the picture to the new width."""
        super().resizeEvent(event)
        self._fit_picture()

    def _build(self) -> None:
        from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
        from matplotlib.figure import Figure

        self._runs = named(QComboBox(), "runs")
        self._runs.setPlaceholderText("No training yet")
        self._runs.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._bar = named(QProgressBar(), "train_progress")
        self._bar.setTextVisible(False)
        self._bar.setMaximumHeight(6)
        self._message = _text("train_message")
        self._reading = _text("reading")
        self._figure = Figure(layout="constrained")
        self._figure.patch.set_alpha(0)
        canvas_of: Any = FigureCanvasQTAgg
        self._canvas = canvas_of(self._figure)
        self._canvas.setObjectName("curves")
        self._canvas.setMinimumHeight(_CURVES_PX)
        self._canvas.setStyleSheet("background: transparent;")
        self._example = named(QLabel(), "example")
        self._example.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._example.setToolTip("Validation slides: blue is annotated, orange is found")
        self._epoch = named(QSlider(Qt.Orientation.Horizontal), "example_epoch")
        self._example_title = _text("example_title")
        self._result = _text("test_figures")
        self._stop = named(QPushButton("Stop"), "stop_training")
        self._stop.setToolTip("Stop the training and keep the best weights as a model")
        self._resume = named(QPushButton("Resume"), "resume_training")
        self._tensorboard = named(QPushButton("TensorBoard"), "tensorboard")
        self._open = named(QPushButton("Folder"), "open_run")
        self._report = named(QPushButton("Test report"), "open_report")
        self._use = named(QPushButton("Use this model"), "use_model")
        self._keep = named(QCheckBox("Keep training after napari closes"), "keep_going")

        buttons = QGridLayout()
        for place, button in enumerate((self._stop, self._resume, self._tensorboard, self._open)):
            buttons.addWidget(button, 0, place)
        buttons.addWidget(self._report, 1, 0, 1, 2)
        buttons.addWidget(self._use, 1, 2, 1, 2)
        row = QHBoxLayout()
        row.addWidget(self._example_title)
        row.addWidget(self._epoch, 1)
        layout = QVBoxLayout(self)
        layout.addWidget(self._runs)
        layout.addWidget(self._bar)
        layout.addWidget(self._message)
        layout.addLayout(buttons)
        layout.addWidget(self._keep)
        layout.addWidget(self._reading)
        layout.addWidget(self._result)
        layout.addWidget(self._canvas)
        layout.addLayout(row)
        layout.addWidget(self._example)
        layout.addStretch(1)

    def _connect(self) -> None:
        self.watch.progressed.connect(self._on_progress)
        self.watch.ended.connect(self._on_ended)
        self._runs.activated.connect(self._on_run)
        self._stop.clicked.connect(self._on_stop)
        self._resume.clicked.connect(self._on_resume)
        self._keep.toggled.connect(self._on_keep)
        self._epoch.valueChanged.connect(self._show_example)
        self._tensorboard.clicked.connect(self._on_tensorboard)
        self._server.ready.connect(self._on_board)
        self._server.failed.connect(self._on_no_board)
        self._open.clicked.connect(lambda: self._open_file(""))
        self._report.clicked.connect(lambda: self._open_file("report/report.html"))
        self._use.clicked.connect(self._on_use)

    def _model(self) -> ModelFolder | None:
        """Return the model of the run, as far as there is one."""
        folder = self.watch.folder
        if folder is None or self.watch.is_running or not (folder / "model" / "model.yaml").is_file():
            return None
        try:
            return library.resolve_model(folder / "model")
        except DiatomError:
            return None

    def _begin(self, folder: RunFolder) -> None:
        """Forget the events of the run before, and record those of this one."""
        self._warnings.clear()
        with signals_blocked(self._epoch):
            self._epoch.setValue(self._epoch.maximum())
        try:
            self._batch = folder.config().learning.batch
        except DiatomError:
            self._batch = None

    def _show_all(self) -> None:
        folder = self.watch.folder
        assert folder is not None
        with signals_blocked(self._runs):
            self._runs.setCurrentIndex(self._runs.findData(str(folder.path.absolute())))
        with signals_blocked(self._keep):
            self._keep.setChecked(folder.keeps_going())
        if not self.watch.is_running:
            self._say_ended(state_of(folder))
        self._draw()
        self._refresh()
        self.changed.emit()

    def _draw(self) -> None:
        """Show the finished epochs."""
        from diatom_training.evaluation import training_curves

        folder = self.watch.folder
        history = [] if folder is None else history_of(folder)
        said = ""
        self._canvas.setVisible(bool(history))
        if history:
            assert folder is not None
            reading = folder.reading(history)
            training_curves.plot(history, reading, self._figure, 1, self.palette().text().color().name())
            self._canvas.draw_idle()
            said = reading.text
        self._reading.setText(said)
        follows = self._epoch.value() == self._epoch.maximum()
        for widget in (self._epoch, self._example, self._example_title):
            widget.setVisible(bool(history))
        with signals_blocked(self._epoch):
            self._epoch.setRange(1, max(len(history), 1))
            if follows:
                self._epoch.setValue(len(history))
        self._show_example()

    def _show_example(self) -> None:
        """Show what the network made of a few validation crops after an epoch."""
        folder = self.watch.folder
        if folder is not None:
            self._picture = QPixmap(str(folder.example(self._epoch.value())))
            self._example_title.setText(f"After epoch {self._epoch.value()}")
            self._fit_picture()

    def _fit_picture(self) -> None:
        if not self._picture.isNull():
            width = max(self.width() - 24, 64)
            fitted = self._picture.scaledToWidth(width, Qt.TransformationMode.SmoothTransformation)
            self._example.setFixedHeight(fitted.height())
            self._example.setPixmap(fitted)

    def _refresh(self) -> None:
        """Enable what can be done."""
        folder, running = self.watch.folder, self.watch.is_running
        stage = "new" if folder is None else state_of(folder).stage
        model = self._model()
        self._runs.setEnabled(not running)
        self._stop.setEnabled(running)
        self._resume.setEnabled(folder is not None and not running and stage in ("stopped", "failed", "new"))
        self._tensorboard.setEnabled(folder is not None and (folder / "tensorboard").is_dir())
        self._open.setEnabled(folder is not None)
        self._report.setEnabled(folder is not None and (folder / "report" / "report.html").is_file())
        self._use.setEnabled(model is not None)
        self._bar.setVisible(running)
        self._result.setText("" if folder is None or model is None else _tested(folder, model))

    def _on_progress(self, progress: Progress) -> None:
        if progress.stage == "warning":
            self._warnings.append(progress.message)
        elif progress.stage == "epoch":
            self._draw()
            self._refresh()
        elif progress.stage == "start":
            self.list_runs()
        if not self.watch.is_running:
            return
        self._bar.setRange(0, progress.total)
        self._bar.setValue(progress.done)
        what = _STAGES.get(progress.stage, "")
        if progress.stage.endswith(("step", "epoch")):
            self._say(f"{what}{self._pace()}")
        elif progress.stage in ("start", "memory"):
            self._say(progress.message)
        elif what:
            self._say(f"{what}: {progress.message}" if progress.message else what)

    def _pace(self) -> str:
        """Return speed, rate and time left."""
        speed, left = self.watch.steps_per_second(), self.watch.seconds_left()
        if speed is None or left is None or self._batch is None:
            return ""
        minutes = f"{left / 60:.0f} min" if left >= 90 else f"{left:.0f} s"
        return f": {speed * self._batch:.1f} images a second, at most {minutes} left"

    def _on_ended(self, state: State) -> None:
        self.list_runs()
        self._draw()
        self._refresh()
        self._say_ended(state)
        self.changed.emit()

    def _on_run(self) -> None:
        from diatom_training.finetune.run_folder import RunFolder

        if self._runs.currentData():
            self.show_run(RunFolder(Path(self._runs.currentData())))

    def _on_stop(self) -> None:
        self.watch.stop()
        self._stop.setEnabled(False)
        self._say("Stopping; the best weights are kept.")

    def _on_resume(self) -> None:
        if self.watch.folder is not None:
            self.start(self.watch.folder)

    def _on_keep(self, keep: bool) -> None:
        if self.watch.folder is not None:
            try:
                self.watch.folder.keep_going(keep)
            except DiatomError as error:
                self._say(str(error), error=True)

    def _on_tensorboard(self) -> None:
        if self.watch.folder is not None:
            self._say("Starting TensorBoard")
            self._server.open(self.watch.folder / "tensorboard")

    def _on_board(self, address: str) -> None:
        QDesktopServices.openUrl(QUrl(address))

    def _on_no_board(self, why: str) -> None:
        self._say(why, error=True)

    def _open_file(self, name: str) -> None:
        if self.watch.folder is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str((self.watch.folder / name).absolute())))

    def _on_use(self) -> None:
        model = self._model()
        if model is not None:
            self.wanted.emit(model)

    def _say_ended(self, state: State) -> None:
        """Say how a run ended; what the curves of a finished one say stands below."""
        self._say("Finished." if state.stage == "finished" else state.message, error=state.stage == "failed")

    def _say(self, message: str, error: bool = False) -> None:
        number = len(self._warnings)
        warned = f"{many(number, 'warning')} (hold the mouse here to read)." if number else ""
        self._message.setText("\n".join(line for line in (message, warned) if line))
        self._message.setToolTip("\n".join(map(sentence, self._warnings)))
        style = "color: #d55e00" if error else ""
        if self._message.styleSheet() != style:
            self._message.setStyleSheet(style)


def _tested(folder: RunFolder, model: ModelFolder) -> str:
    """Return the figures of the test as lines, each with its interval and what it is of; nothing without a test."""
    from diatom_training.evaluation.card_figures import card_figures

    rows = card_figures(model.card.metrics, tuple(_FIGURES), folder / "report" / "report.json")
    if not rows:
        return ""
    number = int(model.card.metrics.get("specimens", 0))
    few = ", <b>too few to tell</b>" if any(row.of == number and row.few for row in rows) else ""
    lines = [f"On the test slides: {many(number, 'specimen')}{few} (in brackets 95 % intervals)"]
    lines += [f"{_FIGURES[row.name]}: <b>{row.value:.3f}</b>" + (f" ({row.sure})" if row.sure else "") for row in rows]
    return "<br>".join(lines)


def _text(name: str) -> QLabel:
    """Return a label for texts of some lines."""
    label = named(QLabel(), name)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label
