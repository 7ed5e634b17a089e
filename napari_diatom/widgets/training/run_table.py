"""The table of the runs of this user."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari.qt.threading import create_worker
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QVBoxLayout, QWidget
from superqt.utils import signals_blocked

from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.table_filling import filling
from napari_diatom.widgets.common.text_labels import text_label
from napari_diatom.widgets.common.worker import ReportingWorker
from napari_diatom.widgets.training.run_monitor import run_state
from napari_diatom.widgets.training.settings_page import TASKS

if TYPE_CHECKING:
    from diatom_training.finetune.run_folder import RunFolder
    from diatom_training.finetune.run_summary import RunSummary

_TASK: Final = 6
"""Column of the task, which has another name in the window."""
_ROWS_PX: Final = 130
_EMPTY: Final = (
    "No training yet. Choose your slides and settings on the first two pages, then press Train. "
    "Trainings of the command line appear here, too."
)
_HINT: Final = "Select two runs (Ctrl+click) to compare them."


class RunTable(QWidget):
    """Lists the runs with their figures, the latest first."""

    chosen = Signal(object)
    """The selected :class:`~diatom_training.finetune.run_folder.RunFolder` objects, the current one first."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runs: list[RunFolder] = []
        self._workers: list[ReportingWorker] = []
        self._build()
        self._table.itemSelectionChanged.connect(self._on_selection)

    def list_runs(self) -> None:
        """List the runs, and read their figures in a thread."""
        from diatom_training.finetune import recent_runs, run_summary

        chosen = {run.path for run in self.selected()}
        self._runs = recent_runs.list_runs()
        with filling(self._table):
            self._table.setRowCount(len(self._runs))
            for row, run in enumerate(self._runs):
                self._fill(row, (run.path.name, run_state(run).stage), str(run.path))
        self._select(chosen)
        self._table.setVisible(bool(self._runs))
        self._note.setText(_EMPTY if not self._runs else _HINT if len(self._runs) > 1 else "")
        self.stop()
        worker = create_worker(run_summary.list_summaries, _worker_class=ReportingWorker, _ignore_errors=True)
        worker.returned.connect(self._show_figures)
        worker.finished.connect(lambda: self._workers.remove(worker) if worker in self._workers else None)
        self._workers.append(worker)
        worker.start()

    def select(self, run: RunFolder | None) -> None:
        """Select one run, or none."""
        self._select(set() if run is None else {run.path.absolute()})

    def selected(self) -> list[RunFolder]:
        """Return the selected runs, the current one first."""
        model = self._table.selectionModel()
        rows = sorted({index.row() for index in model.selectedRows()} if model is not None else ())
        rows.sort(key=lambda row: row != self._table.currentRow())
        return [self._runs[row] for row in rows if row < len(self._runs)]

    def stop(self) -> None:
        """Stop reading."""
        for worker in self._workers:
            worker.returned.disconnect()
            worker.quit()
        self._workers.clear()

    def _build(self) -> None:
        from diatom_training.finetune.run_summary import COLUMNS

        self._table = named(QTableWidget(0, len(COLUMNS)), "runs")
        # Otherwise Tab goes from cell to cell, and never out of the table.
        self._table.setTabKeyNavigation(False)
        self._table.setHorizontalHeaderLabels([title.capitalize() for title in COLUMNS])
        self._table.setAccessibleName("Your trainings")
        self._table.setToolTip("Your trainings, the latest first")
        self._table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self._table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self._table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self._table.setMinimumHeight(_ROWS_PX)
        self._table.setMaximumHeight(_ROWS_PX)
        header, rows = self._table.horizontalHeader(), self._table.verticalHeader()
        assert header is not None
        assert rows is not None
        rows.hide()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self._note = text_label("runs_note")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._table)
        layout.addWidget(self._note)

    def _fill(self, row: int, cells: tuple[str, ...], tip: str) -> None:
        for column, text in enumerate(cells):
            item = self._table.item(row, column)
            if item is None:
                item = QTableWidgetItem()
                self._table.setItem(row, column, item)
            item.setText(text)
            item.setToolTip(tip)

    def _show_figures(self, summaries: list[RunSummary]) -> None:
        rows = {run.path: row for row, run in enumerate(self._runs)}
        with filling(self._table):
            for summary in summaries:
                row = rows.get(summary.folder.path)
                if row is not None:
                    cells = list(summary.cells())
                    cells[_TASK] = TASKS[summary.task] if summary.task else ""
                    tip = "\n".join(filter(None, (str(summary.folder.path), summary.problem)))
                    self._fill(row, tuple(cells), tip)

    def _select(self, paths: set[Path]) -> None:
        with signals_blocked(self._table):
            self._table.clearSelection()
            mode = QAbstractItemView.SelectionMode
            self._table.setSelectionMode(mode.MultiSelection)
            for row, run in enumerate(self._runs):
                if run.path.absolute() in paths:
                    self._table.selectRow(row)
            self._table.setSelectionMode(mode.ExtendedSelection)

    def _on_selection(self) -> None:
        self.chosen.emit(self.selected())
