"""Search good settings of the training that is being set up: tick settings, run trials, train with the best."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSize, Signal
from qtpy.QtWidgets import QFileDialog, QFormLayout, QPushButton, QSpinBox, QTabWidget, QVBoxLayout, QWidget

from napari_diatom.core.errors import DiatomError
from napari_diatom.core.progress import Progress, ProgressMonitor
from napari_diatom.widgets.common.curve_canvas import OnThemeChange, curve_canvas, ink_of
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.text_labels import text_label
from napari_diatom.widgets.training.result_table import ResultTable
from napari_diatom.widgets.training.run_places import free_folder
from napari_diatom.widgets.training.search_table import SearchTable
from napari_diatom.widgets.training.task_dialog import MOST_FOLDS, TaskDialog

if TYPE_CHECKING:
    from diatom_training.finetune.config import TrainConfig
    from diatom_training.tuning.search_folder import SearchFolder
    from diatom_training.tuning.search_results import SearchResults

_MOST_TRIALS = 10_000


class TuneDialog(TaskDialog):
    """Runs a search in another process, and shows its trials.

    Parameters
    ----------
    config, parent
        As of :class:`TaskDialog`.
    """

    wanted = Signal(object)
    """The user wants to train with these settings, a :class:`~diatom_training.finetune.config.TrainConfig`."""

    def __init__(self, config: Callable[[], TrainConfig], parent: QWidget) -> None:
        super().__init__("tune", "Search settings", "Search", config, parent)
        self._folder: SearchFolder | None = None
        self._ended = -1
        self._build()
        OnThemeChange(self, self._draw)
        try:
            self.table.list_settings(config())
        except DiatomError as error:
            self.say(str(error), error=True)
        self.refresh()

    def sizeHint(self) -> QSize:
        """Return a size in which table and plots can be read."""
        return QSize(760, 560)

    def prepared(self) -> Callable[[ProgressMonitor], Any]:
        """Return a new search, or the rest of the one that is open.

        Raises
        ------
        DiatomError
            When it cannot be set up, or its folder not be written.
        """
        from diatom_training.tuning.search_folder import SearchFolder
        from diatom_training.tuning.search_process import search_in_process
        from diatom_training.tuning.search_settings import SearchSettings
        from diatom_training.tuning.search_space import parsed_range

        if self._folder is None:
            config = self.config()
            settings = SearchSettings.of(
                training=config,
                ranges=dict(parsed_range(text, config) for text in self.table.texts()),
                trials=self._trials.value(),
                folds=self._folds.value(),
                seed=self._seed.value(),
            )
            self._folder = SearchFolder.create(free_folder(config, "searches"), settings)
        else:
            self._folder.extend(self._trials.value())
        folder = self._folder
        self._pages.setCurrentIndex(1)
        return lambda monitor: search_in_process(folder, ProgressMonitor(monitor.report, monitor.should_stop))

    def show_folder(self, folder: SearchFolder) -> None:
        """Show a search of before; it can be continued."""
        try:
            settings = folder.settings()
            results = folder.results()
        except DiatomError as error:
            self.say(str(error), error=True)
            return
        self._folder = folder
        self._trials.setValue(settings.trials)
        self._folds.setValue(settings.folds)
        self._seed.setValue(settings.seed)
        self.table.list_settings(settings.training)
        self.table.tick(settings.ranges)
        self._show(results)
        self.say(results.sentence())
        self._pages.setCurrentIndex(1)
        self.refresh()

    def show_progress(self, progress: Progress) -> None:
        """Show a step, and the table where another trial has ended."""
        super().show_progress(progress)
        ended = progress.done // 1000 if progress.stage == "trial" else self._ended
        if ended != self._ended and self._folder is not None:
            self._ended = ended
            try:
                self._show(self._folder.results())
            except DiatomError as error:
                self.say(str(error), error=True)

    def show_result(self, result: SearchResults) -> None:
        """Show what has come of the search."""
        self._show(result)
        self.say(result.sentence())

    def refresh(self) -> None:
        """Enable what can be done."""
        begun = self._folder is not None
        self._start.setText("Continue" if begun else "Search")
        for part in (self.table, self._folds, self._seed):
            part.setEnabled(not begun)
        self._open.setEnabled(not self.is_running)
        self._trials.setEnabled(not self.is_running)
        self._new.setEnabled(begun and not self.is_running)
        self._train.setEnabled(not self.is_running and self._best_file() is not None)

    def _build(self) -> None:
        text = text_label("tune_text")
        text.setText(
            "Each trial is a training with other values of the settings that you tick. Trials are judged by the "
            "validation slides; the test slides are not looked at."
        )
        self.table = SearchTable()
        self._trials = named(QSpinBox(), "trials", "Number of trials; each is a whole training")
        self._trials.setRange(1, _MOST_TRIALS)
        self._trials.setValue(20)
        self._folds = named(QSpinBox(), "trial_folds")
        self._folds.setToolTip(
            "Cross-validate each trial with folds of the training and validation slides: surer, but it takes longer"
        )
        self._folds.setRange(0, MOST_FOLDS)
        self._folds.setSpecialValueText("none: the validation slides")
        self._seed = named(QSpinBox(), "search_seed", "Random seed of the search")
        rows = QFormLayout()
        rows.addRow("Trials", self._trials)
        rows.addRow("Folds", self._folds)
        rows.addRow("Seed", self._seed)
        settings = QWidget()
        column = QVBoxLayout(settings)
        column.addWidget(text)
        column.addWidget(self.table, 1)
        column.addLayout(rows)
        self._results = ResultTable("trial_table", "Trials, the best first")
        self._parallel = curve_canvas("parallel_plot", "Trials as lines over their settings")
        self._parallel.setToolTip("Each line is a trial; light is good, and the best one is orange")
        self._matters = curve_canvas("importance_plot", "How much each setting matters")
        self._pages = named(QTabWidget(), "tune_pages", spoken="Pages of the search")
        trials = QWidget()
        column = QVBoxLayout(trials)
        column.addWidget(self._results)
        for page, title in (
            (settings, "Settings"),
            (trials, "Trials"),
            (self._parallel, "Parallel coordinates"),
            (self._matters, "What matters"),
        ):
            self._pages.addTab(page, title)
        self.body.addWidget(self._pages, 1)
        self._open = named(QPushButton("Open…"), "open_search", "Show a search of before, or continue it")
        self._new = named(QPushButton("New"), "new_search", "Set another search up")
        self._train = named(QPushButton("Train with the best"), "train_best")
        self._train.setToolTip("Start a training with the settings of the best trial; it is tested on the test slides")
        for button in (self._open, self._new, self._train):
            button.setAutoDefault(False)
            self.buttons.addWidget(button)
        self._open.clicked.connect(lambda _: self._ask())
        self._new.clicked.connect(lambda _: self._forget())
        self._train.clicked.connect(lambda _: self._want())

    def _ask(self) -> None:
        from diatom_training.tuning.search_folder import SearchFolder

        name = QFileDialog.getExistingDirectory(self, "Folder of a search")
        if name:
            self.show_folder(SearchFolder(Path(name)))

    def _forget(self) -> None:
        self._folder = None
        self._ended = -1
        self._results.clear_rows()
        self._draw()
        self._pages.setCurrentIndex(0)
        self.say("")
        self.refresh()

    def _show(self, results: SearchResults) -> None:
        from diatom_training.tuning.ranges import text_of

        header = ("trial", "state", "figure", "value", *results.names)
        ranked = sorted(results.trials, key=lambda trial: (trial.value != trial.value, -trial.value, trial.number))
        rows = []
        for trial in ranked:
            settings = [text_of(trial.values[name]) if name in trial.values else "" for name in results.names]
            figure = (trial.figure.removeprefix("val_"), "" if trial.value != trial.value else f"{trial.value:.4f}")
            rows.append((str(trial.number), trial.problem or trial.state, *figure, *settings))
        self._results.show_rows(header, rows)
        self._draw(results)

    def _draw(self, results: SearchResults | None = None) -> None:
        from diatom_training.tuning.search_plots import plot_importances, plot_parallel

        try:
            if results is None and self._folder is not None:
                results = self._folder.results()
            settings = None if self._folder is None else self._folder.settings()
        except DiatomError:
            results = settings = None
        for canvas in (self._parallel, self._matters):
            canvas.figure.clear()
        if results is not None and settings is not None and results.best is not None:
            plot_parallel(results, settings, self._parallel.figure.add_subplot(), ink_of(self))
        if results is not None and results.importances:
            plot_importances(results, self._matters.figure.add_subplot(), ink_of(self))
        for canvas in (self._parallel, self._matters):
            canvas.draw_idle()

    def _best_file(self) -> Path | None:
        from diatom_training.tuning.search_folder import BEST

        path = None if self._folder is None else self._folder / BEST
        return path if path is not None and path.is_file() else None

    def _want(self) -> None:
        from diatom_training.finetune.config import TrainConfig

        path = self._best_file()
        if path is None:
            return
        try:
            best: Any = TrainConfig.read(path)
        except DiatomError as error:
            self.say(str(error), error=True)
            return
        self.wanted.emit(best)
