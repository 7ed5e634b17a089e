"""The dock widget *Fine-tune a model*: see the slides, choose a start, train, watch, stop, test, use."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari.qt.threading import create_worker
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QScrollArea, QTabWidget, QVBoxLayout, QWidget

from napari_diatom.analysis import worker_process
from napari_diatom.core.errors import DiatomError
from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.core.text import many
from napari_diatom.models import library
from napari_diatom.models.card import NAMING_TASK
from napari_diatom.widgets.common.closing import delete_when_closed, when_destroyed
from napari_diatom.widgets.common.model_events import news
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.worker import ReportingWorker
from napari_diatom.widgets.training.composed_preview import show_composed
from napari_diatom.widgets.training.data_page import SlidesPage
from napari_diatom.widgets.training.progress_page import ProgressPage
from napari_diatom.widgets.training.settings_page import SettingsPage

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from diatom_training.finetune.config import TrainConfig
    from diatom_training.finetune.resource_estimate import Estimate
    from napari_diatom.models.library import ModelFolder

_WIDGETS: Final = {
    "oriented-boxes": "Detect diatoms",
    "boxes": "Detect diatoms",
    "classes": "Detect diatoms",
    "semantic": "Segment diatoms (DeepLabV3+)",
    "instances": "Diatom instances (Mask R-CNN)",
}
"""Where models of a task are used."""


class FineTuneWidget(QWidget):
    """Trains models on annotated slides.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The viewer it belongs to.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._running: list[ReportingWorker] = []
        self._build()
        self._connect()
        self._find_running()
        self._take_open_project()
        self._refresh()
        QTimer.singleShot(0, self._look_for_devices)

    @property
    def slides(self) -> SlidesPage:
        """The page of the slides."""
        return self._slides

    @property
    def settings(self) -> SettingsPage:
        """The page of the settings."""
        return self._settings

    @property
    def progress(self) -> ProgressPage:
        """The page of the run."""
        return self._progress

    def config(self) -> TrainConfig:
        """Return what is to be trained.

        Raises
        ------
        InputError
            With all that is wrong with it.
        """
        from diatom_training.finetune.config import TrainConfig

        return TrainConfig.of(**self._slides.entries(), **self._settings.entries())

    def start(self) -> None:
        """Train as it is set; what is wrong is shown instead."""
        from diatom_training.finetune.run_folder import RunFolder

        try:
            config = self.config()
            path = free_folder(config)
            # Its model is called as the run: of two with one name nobody would know which is which.
            folder = RunFolder.create(path, config.replace(name=path.name))
        except DiatomError as error:
            self._say(str(error), error=True)
            return
        self._stop_workers()
        self._say("")
        self._progress.start(folder)
        self._tabs.setCurrentIndex(2)

    def use(self, model: ModelFolder) -> None:
        """Make a model one of the user's own, and choose it where it is used."""
        named = _named_as_its_run(model)
        try:
            known = library.install(named)
        except DiatomError as error:
            self._say(str(error), error=True)
            return
        news().changed.emit()
        title = _WIDGETS[known.card.task]
        _, widget = self._viewer.window.add_plugin_dock_widget("napari-diatom", title, tabify=True)
        if known.card.task == NAMING_TASK:
            widget.choose_namer(known.folder)
        else:
            widget.choose_model(known.card.name)
        taken = f" Another model is already called {named.card.name}." if known.card.name != named.card.name else ""
        self._say(f"{known.card.name} is now selected in {title}.{taken}")

    def _build(self) -> None:
        self._slides, self._settings, self._progress = SlidesPage(), SettingsPage(), ProgressPage()
        self._tabs = named(QTabWidget(), "pages")
        for page, title in ((self._slides, "Slides"), (self._settings, "Settings"), (self._progress, "Training")):
            area = QScrollArea()
            area.setWidgetResizable(True)
            area.setFrameShape(QScrollArea.Shape.NoFrame)
            area.setWidget(page)
            self._tabs.addTab(area, title)
        self._start = named(QPushButton("Train"), "start_training")
        self._measure = named(QPushButton("How long?"), "estimate")
        self._measure.setToolTip("Run a few steps to estimate the time and memory that the training will need")
        self._message = named(QLabel(), "finetune_message")
        self._message.setWordWrap(True)
        row = QHBoxLayout()
        row.addWidget(self._start, 2)
        row.addWidget(self._measure, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self._tabs, 1)
        layout.addWidget(self._message)
        layout.addLayout(row)

    def _connect(self) -> None:
        self._slides.changed.connect(self._on_changed)
        self._settings.changed.connect(self._on_changed)
        self._progress.changed.connect(self._refresh)
        self._progress.changed.connect(self._settings.list_starts)
        self._progress.wanted.connect(self.use)
        self._start.clicked.connect(self.start)
        self._measure.clicked.connect(self.measure)
        self._settings.composed.previewed.connect(self.preview)
        delete_when_closed(self)
        # Qt may be rid of the widget before Python is; the slot must not need it.
        when_destroyed(self, _leave, self._progress, self._slides, self._running)

    def measure(self) -> None:
        """Tell how long the training will take, measured on a few steps in another process."""

        def show(told: Estimate, config: TrainConfig) -> None:
            self._say(told.text(config))

        self._aside("diatom_training.finetune.resource_estimate", "measure", show, "Measuring a few steps")

    def preview(self) -> None:
        """Show the first composed slides of the training, made in another process."""

        def show(fields: Any, config: TrainConfig) -> None:
            show_composed(self._viewer, fields)
            count = config.composed.count if config.composed else 0
            self._say(f"The first {len(fields)} of {many(count, 'composed slide')}.")

        self._aside("diatom_training.finetune.composed_pretraining", "preview", show, "Composing slides")

    def _aside(self, module: str, function: str, show: Callable[[Any, TrainConfig], None], what: str) -> None:
        """Call a function of the configuration in another process, and show what it gives."""
        from diatom_training.finetune.subprocess_call import aside

        try:
            config = self.config()
        except DiatomError as error:
            self._say(str(error), error=True)
            return
        self._stop_workers()

        def work(monitor: ProgressMonitor) -> Callable[[], None]:
            return partial(show, aside(module, function, config, monitor), config)

        worker = create_worker(work, _worker_class=ReportingWorker, _ignore_errors=True)
        worker.returned.connect(self._on_returned)
        worker.errored.connect(self._on_error)
        worker.finished.connect(lambda: self._running.remove(worker) if worker in self._running else None)
        self._running.append(worker)
        self._say(what)
        worker.start()

    def _on_returned(self, tell: Callable[[], None]) -> None:
        tell()

    def _on_error(self, error: Exception) -> None:
        self._say(" ".join(str(error).split()), error=True)

    def _stop_workers(self) -> None:
        for worker in self._running:
            worker.quit()
        self._running.clear()

    def _on_changed(self) -> None:
        if self._running:
            self._stop_workers()
        self._say("")
        self._refresh()

    def _refresh(self) -> None:
        """Enable what can be done, and say why where it cannot."""
        problem = self._slides.problem()
        if problem is None:
            try:
                self.config()
            except DiatomError as error:
                problem = str(error)
        if self._progress.watch.is_running:
            problem = "A training is running; stop it first."
        for button in (self._start, self._measure):
            button.setEnabled(problem is None)
        self._start.setToolTip(problem or "Train in the background; napari stays free")

    def _find_running(self) -> None:
        """Follow a run that is still going, otherwise show the latest."""
        from diatom_training.finetune import recent_runs
        from napari_diatom.widgets.training.run_monitor import state_of

        runs = recent_runs.runs()
        going = [run for run in runs if state_of(run).stage == "running"]
        if going or runs:
            self._progress.show_run((going or runs)[0])
        if going:
            self._tabs.setCurrentIndex(2)

    def _take_open_project(self) -> None:
        """Begin with the project that is being annotated."""
        from napari_diatom.widgets.annotate.widget import AnnotateWidget

        for widget in self._viewer.window.dock_widgets.values():
            if isinstance(widget, AnnotateWidget) and (project := widget.project()) is not None:
                self._slides.set_data(project.folder)

    def _look_for_devices(self) -> None:
        worker = create_worker(worker_process.devices, _ignore_errors=True)
        worker.returned.connect(self._settings.set_devices)
        worker.start()

    def _say(self, message: str, error: bool = False) -> None:
        self._message.setText(message)
        self._message.setStyleSheet("color: #d55e00" if error else "")


def free_folder(config: TrainConfig) -> Path:
    """Return a folder for a new run: ``runs/NAME`` in the project or beside the annotations, with a number if taken."""
    home = config.data if config.data.is_dir() else config.data.parent
    path, number = home.absolute() / "runs" / config.name, 1
    while path.exists() and any(path.iterdir()):
        number += 1
        path = home.absolute() / "runs" / f"{config.name}-{number}"
    return path


def _named_as_its_run(model: ModelFolder) -> ModelFolder:
    """Return a model under the name of its run, where several runs were begun with one name and numbered."""
    from diatom_training.finetune.run_folder import run_of

    run, name = run_of(model), model.card.name
    if run is None or not re.fullmatch(rf"{re.escape(name)}-\d+", run.path.name):
        return model
    return replace(model, card=model.card.model_copy(update={"name": run.path.name}))


def _leave(progress: ProgressPage, slides: SlidesPage, workers: list[ReportingWorker], *_: object) -> None:
    """End what must not outlive the window."""
    for worker in workers:
        worker.quit()
    slides.stop()
    progress.leave()
