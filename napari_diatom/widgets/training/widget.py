"""The dock widget *Fine-tune a model*: slides, settings and training."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from napari.qt.threading import create_worker
from qtpy.QtCore import QSize, QTimer
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QTabWidget, QVBoxLayout, QWidget

from napari_diatom.analysis import worker_process
from napari_diatom.core.errors import DiatomError
from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.core.text import many
from napari_diatom.models import library
from napari_diatom.models.card import NAMING_TASK, OUTLINING_TASK
from napari_diatom.widgets.common.closing import delete_when_closed, when_destroyed
from napari_diatom.widgets.common.dock_keys import ButtonKey, DockKeys
from napari_diatom.widgets.common.dock_tabs import share_area
from napari_diatom.widgets.common.model_events import news
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.open_project import OpenProject
from napari_diatom.widgets.common.plugin_docks import open_dock
from napari_diatom.widgets.common.scrolled import Scrolled
from napari_diatom.widgets.common.text_labels import text_label
from napari_diatom.widgets.common.text_tone import set_tone
from napari_diatom.widgets.common.worker import QuietWorker, ReportingWorker
from napari_diatom.widgets.training.augmentation_dialog import AugmentationDialog
from napari_diatom.widgets.training.composed_preview import show_composed
from napari_diatom.widgets.training.continue_question import may_continue
from napari_diatom.widgets.training.data_page import SlidesPage
from napari_diatom.widgets.training.progress_page import ProgressPage
from napari_diatom.widgets.training.run_places import free_folder
from napari_diatom.widgets.training.settings_page import TASKS, SettingsPage
from napari_diatom.widgets.training.training_tools import TrainingTools

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from diatom_training.finetune.config import TrainConfig
    from diatom_training.finetune.remedies import SettingsChange
    from diatom_training.finetune.resource_estimate import Estimate
    from napari_diatom.models.library import ModelFolder

_WIDGETS: Final = {
    "oriented-boxes": "Detect diatoms",
    "boxes": "Detect diatoms",
    "classes": "Detect diatoms",
    "outlines": "Detect diatoms",
    "semantic": "Segment diatoms (DeepLabV3+)",
    "instances": "Diatom instances (Mask R-CNN)",
}
"""The dock widget for models of a task."""


_BUTTON_KEYS: Final = (
    ButtonKey("Alt+R", "start_training", "train"),
    ButtonKey("Alt+E", "estimate", "estimate time and memory of the training"),
)


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
        """The page with the slides."""
        return self._slides

    @property
    def settings(self) -> SettingsPage:
        """The page with the settings."""
        return self._settings

    @property
    def progress(self) -> ProgressPage:
        """The page with the run."""
        return self._progress

    def config(self) -> TrainConfig:
        """Return the configuration of the training.

        Raises
        ------
        InputError
            With all problems of the configuration.
        """
        from diatom_training.finetune.config import TrainConfig

        return TrainConfig.of(**self._slides.entries(), **self._settings.entries())

    def sizeHint(self) -> QSize:
        """Return a size that leaves room for the image on a small screen."""
        return QSize(400, 560)

    def start(self) -> None:
        """Start the training, or show why it cannot start."""
        try:
            config = self.config()
        except DiatomError as error:
            self._say(str(error), error=True)
            return
        self.train(config)

    def train(self, config: TrainConfig) -> None:
        """Start a training with settings, or show why it cannot start."""
        from diatom_training.finetune.run_folder import RunFolder

        if self._progress.monitor.is_running:
            self._say("A training is in progress; stop it first.", error=True)
            return
        try:
            path = free_folder(config)
            # The model has the name of its run, because users cannot distinguish two models with one name.
            folder = RunFolder.create(path, config.replace(name=path.name))
        except DiatomError as error:
            self._say(str(error), error=True)
            return
        self._stop_workers()
        self._say("")
        self._progress.start(folder)
        self._tabs.setCurrentIndex(2)

    def use(self, model: ModelFolder) -> None:
        """Install a model, and select it in its dock widget."""
        from diatom_training.finetune.run_changes import named_as_its_run

        renamed = named_as_its_run(model)
        try:
            known = library.install(renamed)
        except DiatomError as error:
            self._say(str(error), error=True)
            return
        news().changed.emit()
        title = _WIDGETS[known.card.task]
        widget = open_dock(self._viewer, title)
        if known.card.task == NAMING_TASK:
            widget.choose_classifier(known.folder)
        elif known.card.task == OUTLINING_TASK:
            widget.choose_outliner(known.card.name)
        else:
            widget.choose_model(known.card.name)
        taken = f" Another model is already called {renamed.card.name}." if known.card.name != renamed.card.name else ""
        self._say(f"{known.card.name} is now selected in {title}.{taken}")

    def take(self, change: SettingsChange) -> None:
        """Change settings as the reading of the curves advises, and show them."""
        of_slides = {name: value for name, value in change.entries.items() if name.startswith("split.")}
        other = self._settings.choose_task(change.task)
        self._slides.take(of_slides)
        self._settings.take({name: value for name, value in change.entries.items() if name not in of_slides})
        self._tabs.setCurrentIndex(0 if of_slides else 1)
        before = f"The task is now that of the training, {TASKS[change.task]}. " if other else ""
        self._say(f"{before}{change.title} is set ({change.sentence}). Press Train for a new training with it.")

    def _build(self) -> None:
        self._slides, self._settings = SlidesPage(), SettingsPage()
        self._progress = ProgressPage(partial(may_continue, self))
        self._tabs = named(QTabWidget(), "pages", "Slides, settings, and the training", "Pages of the training")
        for page, title in ((self._slides, "Slides"), (self._settings, "Settings"), (self._progress, "Training")):
            self._tabs.addTab(Scrolled(page), title)
        self._start = named(QPushButton("Train"), "start_training")
        self._measure = named(QPushButton("Estimate time"), "estimate")
        self._measure.setToolTip("Run a few steps to estimate the time and the memory of the training")
        self._why = text_label("start_problem")
        self._message = text_label("finetune_message")
        self._message.hide()
        row = QHBoxLayout()
        row.addWidget(self._start, 2)
        row.addWidget(self._measure, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self._tabs, 1)
        layout.addWidget(self._message)
        layout.addWidget(self._why)
        layout.addLayout(row)
        self._tools = TrainingTools(self.config)
        layout.addWidget(self._tools)

    def _connect(self) -> None:
        self._slides.changed.connect(self._on_changed)
        self._settings.changed.connect(self._on_changed)
        self._progress.changed.connect(self._refresh)
        self._progress.changed.connect(self._settings.list_starts)
        self._progress.wanted.connect(self.use)
        self._progress.remedied.connect(self.take)
        self._start.clicked.connect(self.start)
        self._measure.clicked.connect(self.measure)
        self._tools.rate_chosen.connect(lambda rate: self._settings.take({"learning.rate": rate}))
        self._tools.wanted.connect(self.train)
        self._settings.previewed.connect(self.preview)
        self._settings.variations_wanted.connect(self.show_variations)
        DockKeys(self, self._viewer, _BUTTON_KEYS)
        share_area(self, "Fine-tune")
        delete_when_closed(self)
        # Qt may delete the widget before Python does, so the slot must not need it.
        when_destroyed(self, _leave, self._progress, self._slides, self._tools, self._running)

    def measure(self) -> None:
        """Show the time that the training needs, from a few steps in another process."""

        def show(estimate: Estimate, config: TrainConfig) -> None:
            self._say(estimate.text(config))

        self._in_process("diatom_training.finetune.resource_estimate:measure_steps", show, "Measuring a few steps")

    def preview(self) -> None:
        """Show the first composed slides of the training, composed in another process."""

        def show(fields: Any, config: TrainConfig) -> None:
            show_composed(self._viewer, fields)
            count = config.composed.count if config.composed else 0
            self._say(f"The first {len(fields)} of {many(count, 'composed slide')}.")

        self._in_process("diatom_training.finetune.composed_pretraining:preview", show, "Composing slides")

    def show_variations(self) -> None:
        """Show sixteen variations of the specimens in the training slides, made in another process."""

        def show(sheet: Any, config: TrainConfig) -> None:
            self._say("")
            AugmentationDialog(sheet, self).show()

        target = "diatom_training.finetune.augmentation_preview:augmentation_sheet"
        self._in_process(target, show, "Varying specimens")

    def _in_process(self, target: str, show: Callable[[Any, TrainConfig], None], what: str) -> None:
        """Call a function with the configuration in another process, and show its result."""
        from diatom_training.finetune.resource_estimate import call_aside

        try:
            config = self.config()
        except DiatomError as error:
            self._say(str(error), error=True)
            return
        self._stop_workers()

        def work(monitor: ProgressMonitor) -> Callable[[], None]:
            return partial(show, call_aside(target, config, monitor), config)

        worker = create_worker(work, _worker_class=ReportingWorker, _ignore_errors=True)
        worker.returned.connect(self._on_returned)
        worker.errored.connect(self._on_error)
        worker.finished.connect(lambda: self._running.remove(worker) if worker in self._running else None)
        self._running.append(worker)
        self._say(what)
        worker.start()

    def _on_returned(self, show: Callable[[], None]) -> None:
        show()

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
        """Enable the buttons, or show above them why they are disabled."""
        problem = self._slides.problem()
        if problem is None:
            try:
                self.config()
            except DiatomError as error:
                problem = str(error)
        if self._progress.monitor.is_running:
            problem = "A training is in progress; stop it first."
        for button in (self._start, self._measure):
            button.setEnabled(problem is None)
        self._tools.set_problem(problem)
        self._start.setToolTip(problem or "Train in the background while you work in napari")
        self._why.setText(f"Train is disabled: {problem}" if problem else "")
        self._why.setVisible(bool(problem))

    def _find_running(self) -> None:
        """Follow a run that is in progress, or show the latest run."""
        from diatom_training.finetune import recent_runs
        from napari_diatom.widgets.training.run_monitor import run_state

        runs = recent_runs.list_runs()
        going = [run for run in runs if run_state(run).stage == "running"]
        if going or runs:
            self._progress.show_run((going or runs)[0])
        if going:
            self._tabs.setCurrentIndex(2)

    def _take_open_project(self) -> None:
        """Choose the project that is open in the annotation widget."""
        folder = OpenProject.of(self._viewer).folder
        if folder is not None:
            self._slides.set_data(folder)

    def _look_for_devices(self) -> None:
        worker = create_worker(worker_process.devices, _worker_class=QuietWorker, _ignore_errors=True)
        worker.returned.connect(self._settings.set_devices)
        worker.start()

    def _say(self, message: str, error: bool = False) -> None:
        self._message.setText(message)
        self._message.setVisible(bool(message))
        set_tone(self._message, "error" if error else "plain")


def _leave(
    progress: ProgressPage, slides: SlidesPage, tools: TrainingTools, workers: list[ReportingWorker], *_: object
) -> None:
    """Stop what must end with the window."""
    for worker in workers:
        worker.quit()
    slides.stop()
    tools.stop()
    progress.leave()
