"""The curves and the confusion matrix of a model's test, in a window of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QComboBox, QDialog, QHBoxLayout, QPushButton, QVBoxLayout, QWidget
from superqt.utils import signals_blocked

from napari_diatom.core.errors import DiatomError
from napari_diatom.widgets.common.curve_canvas import OnThemeChange, curve_canvas, ink_of
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.text_labels import text_label
from napari_diatom.widgets.common.text_tone import set_tone

if TYPE_CHECKING:
    from diatom_training.evaluation.confusion import ConfusionMatrix
    from diatom_training.evaluation.curve_plots import CurvePlot
    from diatom_training.finetune.run_folder import RunFolder

_NO_CURVES: Final = (
    "The outlines of this model are tested without a threshold and without names, so there are no curves. "
    "Test report shows its figures."
)


class CurveDialog(QDialog):
    """Shows what the test report of a training has drawn, a plot at a time.

    Parameters
    ----------
    folder : RunFolder
        The training.
    parent : QWidget
        The widget that it belongs to; it closes with it.
    """

    def __init__(self, folder: RunFolder, parent: QWidget) -> None:
        super().__init__(parent)
        title = f"Test curves of {folder.path.name}"
        named(self, "test_curves", spoken=title)
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._plots: tuple[CurvePlot | ConfusionMatrix, ...] = ()
        self._choice = named(QComboBox(), "test_plot", "Which curves of the test are shown", "Curves of the test")
        self._canvas = curve_canvas("test_plot_canvas", title)
        self._caption = text_label("test_caption")
        close = named(QPushButton("Close"), "test_curves_close")
        close.setAutoDefault(False)
        close.clicked.connect(lambda _: self.close())
        last = QHBoxLayout()
        last.addStretch(1)
        last.addWidget(close)
        layout = QVBoxLayout(self)
        layout.addWidget(self._choice)
        layout.addWidget(self._canvas, 1)
        layout.addWidget(self._caption)
        layout.addLayout(last)
        self._choice.currentIndexChanged.connect(lambda _: self._draw())
        # Before, the window does not have its colours.
        self.ensurePolished()
        OnThemeChange(self, self._draw)
        self._read(folder)

    def sizeHint(self) -> QSize:
        """Return a size in which the curves can be read."""
        return QSize(600, 560)

    def _read(self, folder: RunFolder) -> None:
        """Read the report of the test, or say why it has nothing to draw."""
        from diatom_training.evaluation.report_files import JSON
        from diatom_training.evaluation.report_plots import read_plots, title_of
        from diatom_training.finetune.run_folder import REPORT

        try:
            self._plots = read_plots(folder / REPORT / JSON)
        except DiatomError as error:
            self._caption.setText(str(error))
            set_tone(self._caption, "error")
        else:
            self._caption.setText("" if self._plots else _NO_CURVES)
        for widget in (self._choice, self._canvas):
            widget.setVisible(bool(self._plots))
        with signals_blocked(self._choice):
            self._choice.addItems([title_of(plot) for plot in self._plots])
        self._draw()

    def _draw(self) -> None:
        """Draw the chosen plot, as the report does, in the colours of the window."""
        from diatom_training.evaluation.report_plots import draw_plot

        if self._plots:
            plot = self._plots[self._choice.currentIndex()]
            self._canvas.figure.clear()
            draw_plot(plot, self._canvas.figure.add_subplot(), ink_of(self))
            self._canvas.draw_idle()
            self._caption.setText(plot.caption)
