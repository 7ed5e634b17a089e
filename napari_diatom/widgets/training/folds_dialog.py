"""Cross-validate the training that is being set up: a model for each fold of the slides, and all their figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSize, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QFormLayout, QPushButton, QSpinBox, QWidget

from napari_diatom.core.progress import Progress, ProgressMonitor
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.text_labels import text_label
from napari_diatom.widgets.training.result_table import ResultTable
from napari_diatom.widgets.training.run_places import free_folder
from napari_diatom.widgets.training.task_dialog import MOST_FOLDS, TaskDialog

if TYPE_CHECKING:
    from diatom_training.evaluation.cross_validation import CrossValidation
    from diatom_training.finetune.config import TrainConfig

_FOLDS = 5


class FoldsDialog(TaskDialog):
    """Trains and tests a model for each fold in other processes, and shows their figures.

    Parameters
    ----------
    config, parent
        As of :class:`TaskDialog`.
    """

    def __init__(self, config: Callable[[], TrainConfig], parent: QWidget) -> None:
        super().__init__("cross_validation", "Cross-validate", "Cross-validate", config, parent)
        self._begun: tuple[TrainConfig, int, Path] | None = None
        self._report: Path | None = None
        text = text_label("cross_validation_text")
        text.setText(
            "Trains a model for each fold of the slides and tests it on that fold, so that every slide is a test once. "
            "The spread of the figures shows how sure they are. It takes as many times longer as there are folds."
        )
        self._folds = named(QSpinBox(), "folds", "Number of folds; whole slides stay together")
        self._folds.setRange(2, MOST_FOLDS)
        self._folds.setValue(_FOLDS)
        row = QFormLayout()
        row.addRow("Folds", self._folds)
        self._table = ResultTable("fold_table", "Figures of the folds")
        self._open = named(QPushButton("Report"), "fold_report", "Open the report in the browser")
        self._open.setAutoDefault(False)
        self._open.clicked.connect(lambda _: self._open_report())
        self.buttons.addWidget(self._open)
        self.body.addWidget(text)
        self.body.addLayout(row)
        self.body.addWidget(self._table, 1)
        self.refresh()

    def sizeHint(self) -> QSize:
        """Return a size in which the table can be read."""
        return QSize(640, 480)

    def prepared(self) -> Callable[[ProgressMonitor], Any]:
        """Return the cross-validation, or the rest of a stopped one with the same settings; raises as they do."""
        from diatom_training.finetune import fold_runs, training_process

        config, number = self.config(), self._folds.value()
        same = self._begun is not None and self._begun[:2] == (config, number)
        out = self._begun[2] if self._begun is not None and same else free_folder(config, "cross-validations")
        self._begun = (config, number, out)

        def work(monitor: ProgressMonitor) -> CrossValidation:
            begun = out.is_dir() and any(out.glob("fold-*"))
            if begun:
                folders = fold_runs.open_folds(out, number, config)
            else:
                folders = fold_runs.create(out, config, number, monitor)
            return fold_runs.train_folds(out, folders, training_process.run, _over_all(monitor, number))

        self._report = None
        self._table.show_rows((), ())
        return work

    def show_result(self, result: CrossValidation) -> None:
        """Show the figures of the folds, and what they say together."""
        from diatom_training.evaluation.cross_validation import summarize
        from diatom_training.evaluation.report_files import HTML
        from diatom_training.evaluation.summary_text import format_figure
        from diatom_training.metrics.definitions import TITLES

        names = [fold.name for fold in result.folds]
        rows = [
            (
                TITLES[name],
                format_figure(spread.mean),
                format_figure(spread.deviation),
                *map(format_figure, spread.values),
            )
            for name, spread in result.spreads.items()
        ]
        counts = ("specimens", "", "", *(f"{fold.specimens:,}" for fold in result.folds))
        self._table.show_rows(("", "mean", "deviation", *names), [*rows, counts])
        if self._begun is not None:
            self._report = self._begun[2] / HTML
        self.say(summarize(result))
        self.refresh()

    def refresh(self) -> None:
        """Offer the report where there is one."""
        self._folds.setEnabled(not self.is_running)
        self._open.setEnabled(self._report is not None and self._report.is_file())

    def _open_report(self) -> None:
        if self._report is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._report)))


def _over_all(monitor: ProgressMonitor, number: int) -> ProgressMonitor:
    """Return a monitor that hears of the steps of a fold as steps of all folds together."""
    fold = 0

    def report(progress: Progress) -> None:
        nonlocal fold
        if progress.stage == "fold":
            fold = progress.done
            return
        share = progress.done / progress.total if progress.stage == "step" and progress.total else 0.0
        doing = {"step": "training", "epoch": "training", "validation": "tuning the threshold", "test": "testing"}
        what = f"Fold {fold + 1} of {number}: {doing.get(progress.stage, 'reading the slides')}"
        monitor.report(Progress(progress.stage, 1000 * fold + round(1000 * share), 1000 * number, what))

    return replace(monitor, report=report)
