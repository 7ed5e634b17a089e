"""The finished epochs of a run: curves, what the curves mean, and example crops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import Qt
from qtpy.QtGui import QPixmap, QResizeEvent
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QSlider, QVBoxLayout, QWidget
from superqt.utils import signals_blocked

from napari_diatom.widgets.common.curve_canvas import OnThemeChange, curve_canvas, ink_of
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.text_labels import text_label
from napari_diatom.widgets.training.reading_panel import ReadingPanel
from napari_diatom.widgets.training.run_monitor import history_of

if TYPE_CHECKING:
    from diatom_training.finetune.run_folder import RunFolder

_MARGINS_PX: Final = 4
"""Width of the page that the picture leaves free."""
_NARROWEST_PX: Final = 64


class EpochView(QWidget):
    """Shows the curves of one run, and validation crops after the epoch that the slider is at."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._folder: RunFolder | None = None
        self._picture = QPixmap()
        self._build()
        self._epoch.valueChanged.connect(self._show_example)
        OnThemeChange(self, lambda: self.show_run(self._folder))

    def follow_latest(self) -> None:
        """Show the crops after the latest epoch, until the slider is moved."""
        with signals_blocked(self._epoch):
            self._epoch.setValue(self._epoch.maximum())

    def show_run(self, folder: RunFolder | None) -> None:
        """Show the finished epochs of a run."""
        from diatom_training.evaluation import training_curves

        self._folder = folder
        history = [] if folder is None else history_of(folder)
        if not history:
            self.reading.clear()
        if folder is not None and history:
            reading = folder.reading(history)
            training_curves.plot(history, reading, self._canvas.figure, 1, ink_of(self))
            self._canvas.draw_idle()
            self.reading.show_reading(folder, reading)
        for widget in (self._canvas, self._epoch, self._example, self._example_title):
            widget.setVisible(bool(history))
        follows = self._epoch.value() == self._epoch.maximum()
        with signals_blocked(self._epoch):
            self._epoch.setRange(1, max(len(history), 1))
            if follows:
                self._epoch.setValue(len(history))
        self._show_example()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Fit the picture to the new width."""
        super().resizeEvent(event)
        self._fit_picture()

    def _build(self) -> None:
        self.reading = ReadingPanel()
        self._canvas = curve_canvas("curves", "Curves of the training")
        self._canvas.setToolTip(
            "Loss and validation figures after each epoch; the dotted line is the best epoch, the dashed one the loss "
            "of an answer that is the same for every picture"
        )
        self._example = named(QLabel(), "example")
        self._example.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._example.setToolTip("Crops of validation slides. Blue: annotated. Orange: found.")
        self._epoch = named(QSlider(Qt.Orientation.Horizontal), "example_epoch")
        self._epoch.setAccessibleName("Epoch of the examples")
        self._epoch.setToolTip("Show what the network finds after another epoch")
        self._example_title = text_label("example_title")
        row = QHBoxLayout()
        row.addWidget(self._example_title)
        row.addWidget(self._epoch, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.reading)
        layout.addWidget(self._canvas)
        layout.addLayout(row)
        layout.addWidget(self._example)

    def _show_example(self) -> None:
        """Show what the network finds in a few validation crops after the chosen epoch."""
        if self._folder is not None:
            self._picture = QPixmap(str(self._folder.example(self._epoch.value())))
            self._example_title.setText(f"After epoch {self._epoch.value()}")
            self._fit_picture()

    def _fit_picture(self) -> None:
        if not self._picture.isNull():
            width = max(self.width() - _MARGINS_PX, _NARROWEST_PX)
            fitted = self._picture.scaledToWidth(width, Qt.TransformationMode.SmoothTransformation)
            self._example.setFixedHeight(fitted.height())
            self._example.setPixmap(fitted)
