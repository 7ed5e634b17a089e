"""The choice of the model, among the installed models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox
from superqt.utils import signals_blocked

from napari_diatom.models import library
from napari_diatom.widgets.common.model_events import news
from napari_diatom.widgets.common.object_names import named

if TYPE_CHECKING:
    from napari_diatom.models.card import Task
    from napari_diatom.models.library import ModelFolder


class ModelChooser(QComboBox):
    """Offers the installed models for some tasks. The choice stays when another model is installed.

    Parameters
    ----------
    tasks : tuple of Task
        The tasks of the offered models.
    """

    chosen = Signal()
    """Another model is chosen, or the list of models has changed."""

    def __init__(self, tasks: tuple[Task, ...]) -> None:
        super().__init__()
        named(self, "model", "The model that finds the diatoms", "Model")
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(12)
        self._tasks = tasks
        self._models: dict[str, ModelFolder] = {}
        self._list()
        self.currentIndexChanged.connect(self.chosen)
        news().changed.connect(self._list)

    def chosen_model(self) -> ModelFolder | None:
        """Return the chosen model, None if no model is installed."""
        return self._models.get(self.currentData() or "")

    def offered(self) -> tuple[ModelFolder, ...]:
        """Return the offered models."""
        return tuple(self._models.values())

    def choose(self, name: str) -> bool:
        """Choose a model by its name; return whether it is offered."""
        index = self.findData(name)
        if index >= 0:
            self.setCurrentIndex(index)
        return index >= 0

    def _list(self) -> None:
        """List the installed models, and keep the choice."""
        before = self.currentData()
        self._models = {model.card.name: model for model in library.available() if model.card.task in self._tasks}
        with signals_blocked(self):
            self.clear()
            for name, model in self._models.items():
                self.addItem(f"{name} {model.card.version}", name)
                if model.card.summary:
                    self.setItemData(self.count() - 1, model.card.summary, Qt.ItemDataRole.ToolTipRole)
            self.setCurrentIndex(max(self.findData(before), 0))
        self.chosen.emit()
