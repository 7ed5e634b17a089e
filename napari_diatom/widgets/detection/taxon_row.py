"""The row that names taxa: the choice of a classifier, and a button."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from napari.utils.notifications import show_error
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QPushButton, QWidget

from napari_diatom.core.errors import DiatomError
from napari_diatom.models import library
from napari_diatom.models.card import NAMING_TASK
from napari_diatom.models.library import ModelFolder
from napari_diatom.widgets.common.model_events import news
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.wrapped_row import WrappedRow

_CHOOSE: Final = "Choose a folder…"
_HINT: Final = "Name the taxon of each specimen; names that you gave stay"


class TaxaRow(QWidget):
    """Offers the installed classifiers, and any other by its folder.

    Parameters
    ----------
    parent : QWidget, optional
        Parent widget.
    """

    asked = Signal()
    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._models: dict[str, ModelFolder] = {}
        self._combo = named(QComboBox(), "classifier", "The classifier that names the taxa", "Classifier")
        self._combo.setPlaceholderText("None installed")
        self._combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._combo.setMinimumContentsLength(10)
        self._combo.addItem(_CHOOSE)
        self._combo.setCurrentIndex(-1)
        self._chosen = -1
        self._fill()
        self._combo.activated.connect(self._on_activated)
        news().changed.connect(self._fill)
        self._button = named(QPushButton("Name the taxa"), "name_taxa")
        self._button.clicked.connect(self.asked)
        self.setLayout(WrappedRow(self._combo, self._button))

    def classifier(self) -> ModelFolder | None:
        """Return the chosen classifier, None if there is none."""
        return self._models.get(self._combo.currentData() or "")

    def choose(self, folder: Path) -> bool:
        """Offer and choose the classifier in a folder, or show why that fails; return whether it worked."""
        try:
            model = library.resolve_model(folder)
        except DiatomError as error:
            show_error(str(error))
            return False
        if model.card.task != NAMING_TASK:
            show_error(f"Model {model.card.name} is for {model.card.task}, not for taxa; choose one for {NAMING_TASK}.")
            return False
        self._offer(model)
        self._choose(self._combo.findData(str(model.folder)))
        return True

    def setProblem(self, problem: str | None) -> None:
        """Enable the button, or show in its tooltip why it is disabled."""
        self._button.setEnabled(problem is None)
        self._button.setToolTip(problem or _HINT)

    def _fill(self) -> None:
        """Offer the installed classifiers, and choose the first if none is chosen."""
        for key in [key for key in self._models if not Path(key).is_dir()]:
            self._withdraw(key)
        for model in library.available():
            if model.card.task == NAMING_TASK:
                self._offer(model)
        if self.classifier() is None and self._models:
            self._choose(0)

    def _offer(self, model: ModelFolder) -> None:
        """Offer a classifier, in place of an earlier one from the same folder."""
        key = str(model.folder)
        if key not in self._models:
            self._combo.insertItem(self._combo.count() - 1, "", key)
        self._models[key] = model
        at = self._combo.findData(key)
        self._combo.setItemText(at, model.card.origin)
        self._combo.setItemData(at, model.card.summary or key, Qt.ItemDataRole.ToolTipRole)

    def _withdraw(self, key: str) -> None:
        """Offer a classifier no longer whose folder is gone."""
        was_chosen = self._combo.currentData() == key
        del self._models[key]
        self._combo.removeItem(self._combo.findData(key))
        self._chosen = -1 if was_chosen else self._combo.currentIndex()
        if was_chosen:
            self._combo.setCurrentIndex(-1)
            self.changed.emit()

    def _choose(self, index: int) -> None:
        self._chosen = index
        self._combo.setCurrentIndex(index)
        self.changed.emit()

    def _on_activated(self, index: int) -> None:
        if self._combo.itemData(index) is not None:
            self._choose(index)
            return
        self._combo.setCurrentIndex(self._chosen)
        folder = QFileDialog.getExistingDirectory(self, "Choose the folder of a classifier")
        if folder:
            self.choose(Path(folder))
