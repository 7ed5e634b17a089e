"""Two runs beside each other: their curves in one plot, their figures, and what to know before comparing them."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_diatom.widgets.common.curve_canvas import OnThemeChange, curve_canvas, ink_of
from napari_diatom.widgets.common.text_labels import text_label
from napari_diatom.widgets.training.run_monitor import history_of

if TYPE_CHECKING:
    from diatom_training.finetune.run_folder import RunFolder


class RunComparison(QWidget):
    """Shows two runs."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runs: tuple[RunFolder, RunFolder] | None = None
        self._text = text_label("comparison", is_html=True)
        self._canvas = curve_canvas("compared_curves", "Curves of two trainings")
        self._canvas.setToolTip("Validation (solid) and training (dashed); a large marker is the best epoch")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._text)
        layout.addWidget(self._canvas)
        self.hide()
        OnThemeChange(self, self.refresh)

    def show_runs(self, first: RunFolder, second: RunFolder) -> None:
        """Compare two runs."""
        self._runs = (first, second)
        self.refresh()
        self.show()

    def close_runs(self) -> None:
        """Compare nothing."""
        self._runs = None
        self.hide()

    def refresh(self) -> None:
        """Read the runs again, because an epoch has ended."""
        from diatom_training.evaluation.compared_curves import NamedHistory, plot_two
        from diatom_training.finetune.run_summary import COLUMNS, comparison_remarks, summarize_run

        if self._runs is None:
            return
        summaries = [summarize_run(run) for run in self._runs]
        one, other = (NamedHistory(run.name, history_of(run.folder), run.best_epoch) for run in summaries)
        plot_two((one, other), self._canvas.figure, ink_of(self))
        self._canvas.draw_idle()
        lines = []
        for run in summaries:
            cells = dict(zip(COLUMNS, run.cells(), strict=True))
            parts = [f"{name}: {cells[name]}" for name in ("best epoch", "validation", "test") if cells[name]]
            lines.append(f"<b>{escape(run.name)}</b>: {escape('; '.join(parts) or run.problem or 'no epoch yet')}")
        lines += [escape(line) for line in comparison_remarks(*summaries)]
        self._text.setText("<br>".join(lines))
