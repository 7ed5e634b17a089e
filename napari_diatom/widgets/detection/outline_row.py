"""Whether boxes are outlined, by which model, and what is said of the outlines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QWidget
from superqt.utils import signals_blocked

from napari_diatom.core.text import many
from napari_diatom.models import library
from napari_diatom.widgets.common.model_events import news
from napari_diatom.widgets.common.object_names import named

if TYPE_CHECKING:
    from pathlib import Path

    from napari_diatom.core.detections import Detections
    from napari_diatom.models.library import ModelFolder

_HINT: Final = (
    "Draw the outline of each specimen in its box, with a second model. The table and the exports then have area, "
    "perimeter, midline, symmetry and brightness, and length and width are those of the outline. The run takes longer."
)
_NO_MODEL: Final = "No model for outlines is installed; napari-diatom models import FILE installs one"


class OutlineRow(QWidget):
    """A tick, and beside it the choice of the model where several are installed."""

    def __init__(self) -> None:
        super().__init__()
        self._models: dict[str, ModelFolder] = {}
        self._tick = named(QCheckBox("Outlines"), "outlines")
        self._choice = named(QComboBox(), "outline_model", "The model that draws the outlines", "Model for outlines")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._tick)
        layout.addWidget(self._choice, 1)
        self._tick.toggled.connect(self._choice.setEnabled)
        news().changed.connect(self._list)
        self._list()

    def folder(self) -> Path | None:
        """Return the folder of the model that is to outline boxes, None if they stay boxes."""
        model = self._models.get(self._choice.currentData() or "") if self._tick.isChecked() else None
        return None if model is None else model.folder

    def choose(self, name: str) -> bool:
        """Outline boxes with a model, by its name; return whether it is installed."""
        if name not in self._models:
            return False
        self._choice.setCurrentIndex(self._choice.findData(name))
        self._tick.setChecked(True)
        return True

    def _list(self) -> None:
        """List the installed models for outlines, and keep the choice."""
        before = self._choice.currentData()
        self._models = {model.card.name: model for model in library.outliners()}
        with signals_blocked(self._choice):
            self._choice.clear()
            for name, model in self._models.items():
                self._choice.addItem(f"{name} {model.card.version}", name)
                self._choice.setItemData(self._choice.count() - 1, model.card.summary, Qt.ItemDataRole.ToolTipRole)
            self._choice.setCurrentIndex(max(self._choice.findData(before), 0))
        self._choice.setVisible(len(self._models) > 1)
        self._choice.setEnabled(self._tick.isChecked())
        self._tick.setEnabled(bool(self._models))
        self._tick.setToolTip(_HINT if self._models else _NO_MODEL)


def outline_remark(found: Detections) -> str:
    """Return what the user should know of the outlines of specimens, empty where there is nothing to say."""
    doubtful = 0 if found.outline_flags is None else int(np.count_nonzero(found.outline_flags))
    if not doubtful:
        return ""
    do = "does" if doubtful == 1 else "do"
    return f" {many(doubtful, 'outline')} {do} not fit the box: see the column Outline."
