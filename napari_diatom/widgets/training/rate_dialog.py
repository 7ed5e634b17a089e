"""Find a learning rate for the training that is being set up: a curve, and a button that takes its rate."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSize, Signal
from qtpy.QtWidgets import QPushButton, QWidget

from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.widgets.common.curve_canvas import OnThemeChange, curve_canvas, ink_of
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.text_labels import text_label
from napari_diatom.widgets.training.task_dialog import TaskDialog

if TYPE_CHECKING:
    from diatom_training.finetune.config import TrainConfig
    from diatom_training.learning.rate_curve import RateCurve


class RateDialog(TaskDialog):
    """Does a range test of the learning rate in another process, and shows its curve.

    Parameters
    ----------
    config, parent
        As of :class:`TaskDialog`.
    """

    chosen = Signal(float)
    """The user wants this learning rate."""

    def __init__(self, config: Callable[[], TrainConfig], parent: QWidget) -> None:
        super().__init__("rate_finder", "Find a learning rate", "Find", config, parent)
        self._curve: RateCurve | None = None
        text = text_label("rate_finder_text")
        text.setText(
            "A few steps of the training, with a learning rate that climbs from step to step (range test, Smith 2017). "
            "Where the loss falls fastest, the rate serves. Nothing is trained: no weights are kept."
        )
        self._canvas = curve_canvas("rate_curve", "Loss over the learning rate")
        self._canvas.setToolTip("The loss of each step, and smoothed, over the learning rate of the step")
        self._use = named(QPushButton("Use this rate"), "use_rate", "Write the suggested rate into the settings")
        self._use.setAutoDefault(False)
        self._use.clicked.connect(lambda _: self._take())
        self.body.addWidget(text)
        self.body.addWidget(self._canvas, 1)
        self.buttons.addWidget(self._use)
        OnThemeChange(self, self._draw)
        self.refresh()

    def sizeHint(self) -> QSize:
        """Return a size in which the curve can be read."""
        return QSize(560, 500)

    def prepared(self) -> Callable[[ProgressMonitor], Any]:
        """Return the test; raises as the settings do."""
        from diatom_training.finetune.resource_estimate import call_aside

        config = self.config()
        self._curve = None
        self._draw()
        return lambda monitor: call_aside("diatom_training.finetune.rate_finding:find_rate", config, monitor)

    def show_result(self, result: RateCurve) -> None:
        """Show a curve, and what it says."""
        self._curve = result
        self._draw()
        self.say(result.sentence())

    def refresh(self) -> None:
        """Offer the rate where there is one."""
        self._use.setEnabled(not self.is_running and self._curve is not None and self._curve.suggestion is not None)

    def _draw(self) -> None:
        from diatom_training.learning.rate_curve import plot_rates

        self._canvas.figure.clear()
        if self._curve is not None:
            plot_rates(self._curve, self._canvas.figure.add_subplot(), ink_of(self))
        self._canvas.draw_idle()

    def _take(self) -> None:
        if self._curve is not None and self._curve.suggestion is not None:
            self.chosen.emit(self._curve.suggestion)
            self.say(f"The learning rate of the settings is {self._curve.suggestion:g}.")
