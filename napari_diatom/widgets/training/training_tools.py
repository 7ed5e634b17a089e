"""What helps to set a training up: a learning rate, a search of settings, a cross-validation; a button each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.training.folds_dialog import FoldsDialog
from napari_diatom.widgets.training.rate_dialog import RateDialog
from napari_diatom.widgets.training.task_dialog import TaskDialog
from napari_diatom.widgets.training.tune_dialog import TuneDialog

if TYPE_CHECKING:
    from diatom_training.finetune.config import TrainConfig


class TrainingTools(QWidget):
    """A row of buttons that open windows.

    Parameters
    ----------
    config : callable
        Gives the settings of the training, or raises InputError.
    """

    rate_chosen = Signal(float)
    """The user wants this learning rate."""
    wanted = Signal(object)
    """The user wants to train with these settings, a :class:`~diatom_training.finetune.config.TrainConfig`."""

    def __init__(self, config: Callable[[], TrainConfig], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._config = config
        self._rate = named(QPushButton("Learning rate…"), "find_rate")
        self._rate.setToolTip("Find a learning rate: try a climbing one for a few steps")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self._tune = named(QPushButton("Search settings…"), "tune_settings")
        self._tune.setToolTip("Search good settings: trials that are judged by the validation slides")
        self._fold = named(QPushButton("Cross-validate…"), "cross_validate")
        self._fold.setToolTip("Train and test a model for each of several folds of the slides")
        for button, act in ((self._rate, self.find_rate), (self._tune, self.tune), (self._fold, self.cross_validate)):
            row.addWidget(button)
            button.clicked.connect(act)

    def set_problem(self, problem: str | None) -> None:
        """Enable the buttons, or disable them while the training cannot be set up."""
        for button in (self._rate, self._tune, self._fold):
            button.setEnabled(problem is None)

    def find_rate(self) -> None:
        """Open the window that finds a learning rate."""
        dialog = RateDialog(self._config, self)
        dialog.chosen.connect(self.rate_chosen)
        dialog.show()

    def tune(self) -> None:
        """Open the window that searches settings."""
        dialog = TuneDialog(self._config, self)
        dialog.wanted.connect(self.wanted)
        dialog.show()

    def cross_validate(self) -> None:
        """Open the window that cross-validates."""
        FoldsDialog(self._config, self).show()

    def stop(self) -> None:
        """Stop what the windows do."""
        for dialog in self.findChildren(TaskDialog):
            dialog.stop()
